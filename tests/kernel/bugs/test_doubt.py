"""Versions that no kernel has, and those that are newer than is known."""

from __future__ import annotations

from for_each import for_each

from pfnlab.kernel.bugs.doubt import is_future, never_released, newer_than_known
from pfnlab.kernel.bugs.kernel_name import kernel_name
from pfnlab.kernel.policies.known_kernels import known_versions


@for_each(
    ("version", "why"),
    [
        ("3.25", "the last 3.x is 3.19"),
        ("5.20.1", "the last 5.x is 5.19"),
        ("6.11.99", "the last 6.11.y on kernel.org is 6.11.11"),
        ("1.2.13", "there was no such series"),
    ],
)
def test_a_version_that_never_was_has_a_reason(version: str, why: str) -> None:
    """The last there was."""
    assert why == never_released(kernel_name(version))


@for_each("version", ["6.11.11", "4.4.302-cip90", "4.14.355-openela", "5.15.9999-1", "7.99", "6.12.999"])
def test_what_may_be_is_not_refused(version: str) -> None:
    """Packages go on where a series ended, and the future is open."""
    assert "" == never_released(kernel_name(version))


def test_every_known_kernel_may_be() -> None:
    """None of them is called newer than known, either."""
    names = [kernel_name(version) for version in known_versions()]

    assert {("", "")} == {(never_released(name), newer_than_known(name)) for name in names}


def test_a_newer_point_is_said_to_be_newer() -> None:
    """Its release is known all the same."""
    name = kernel_name("6.12.999")

    assert newer_than_known(name).startswith("6.12.")
    assert not is_future(name)


def test_a_newer_release_is_future() -> None:
    """No date says anything about it."""
    assert is_future(kernel_name("9.1"))
    assert not is_future(kernel_name("6.12.25"))
