"""Architectures of kernels and of bugs."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.kernel.bugs.architectures import arch_named, arch_of_version, architectures_with
from pfnlab.kernel.bugs.known_bugs import bug


@for_each(
    ("text", "arch"),
    [("aarch64", "arm64"), ("ARM64", "arm64"), ("amd64", "x86_64"), ("ppc64le", "powerpc"), ("i686", "i386")],
)
def test_an_architecture_has_several_names(text: str, arch: str) -> None:
    """Those of uname and of packages."""
    assert arch == arch_named(text)


def test_an_unknown_architecture_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(Misuse, match="unknown architecture 'vax': write one of x86_64"):
        arch_named("vax")


@for_each(
    ("version", "arch"),
    [
        ("5.14.0-503.el9.x86_64", "x86_64"),
        ("6.1.0-18-arm64", "arm64"),
        ("6.12.117+deb13-cloud-amd64", "x86_64"),
        ("6.8.0-31-generic", ""),
        ("6.12.25", ""),
    ],
)
def test_a_version_may_end_with_its_architecture(version: str, arch: str) -> None:
    """Where it does not, nothing is guessed."""
    assert arch == arch_of_version(version)


@for_each(
    ("number", "archs"),
    [("E13", ("arm64",)), ("F08", ("i386",)), ("A06", ("x86_64", "i386")), ("E04", ())],
)
def test_options_say_where_a_bug_exists(number: str, archs: tuple[str, ...]) -> None:
    """An option of no architecture leaves all."""
    assert archs == architectures_with(bug(number))
