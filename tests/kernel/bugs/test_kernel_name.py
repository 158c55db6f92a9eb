"""Versions of kernels in the forms people write."""

from __future__ import annotations

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.errors import Misuse
from pfnlab.kernel.bugs.kernel_name import kernel_name, release_key, version_named


@for_each(
    "text, release, point, candidate, packaged",
    [
        ("6.1.85", "6.1", 85, None, False),
        ("6.16", "6.16", 0, None, False),
        ("7.3-rc7", "7.3", 0, 7, False),
        ("7.3~rc7-1~exp1", "7.3", 0, 7, True),
        ("6.3.0-rc6+", "6.3", 0, 6, True),
        ("7.3-1", "7.3", 0, None, True),
        ("6.1.176-1", "6.1", 176, None, True),
        ("6.12.117+deb13-cloud-amd64", "6.12", 117, None, True),
        ("5.15.0-91-generic", "5.15", None, None, True),
        ("3.10.0-1160.el7.x86_64", "3.10", None, None, True),
        ("6.7.5-100.fc38", "6.7", 5, None, True),
        ("2.6.32", "2.6.32", 0, None, False),
        ("2.6.32.71", "2.6.32", 71, None, False),
        ("v6.9", "6.9", 0, None, False),
    ],
)
def test_a_version_is_read(
    text: str, release: str, point: int | None, candidate: int | None, packaged: bool
) -> None:
    """Release, point, candidate, and whether more follows."""
    kernel = kernel_name(text)

    assert (release, point, candidate, packaged) == (
        *(kernel.release, kernel.point),
        *(kernel.candidate, kernel.packaged),
    )


def test_a_name_that_hides_its_point_is_looked_up() -> None:
    """6.1.0-56 is 6.1.192, as the kernels that are known say."""
    assert 192 == kernel_name("6.1.0-56-cloud-amd64").point


@for_each("text", ["", "linux", "6", "6.1.2.3.4", "-6.1", "2.6", "6.1\n6.2"])
def test_what_is_no_version_is_refused(text: str) -> None:
    """In one line that says how one is written."""
    with pytest.raises(Misuse, match="not a kernel version"):
        kernel_name(text)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else is raised, and what is shown is on one line."""
    try:
        kernel = kernel_name(text)
    except Misuse as refusal:
        assert str(refusal).isprintable()
    else:
        assert kernel.text.isprintable()


def test_releases_are_in_order() -> None:
    """Candidates come before their release, and 2.6.x has three numbers."""
    releases = ["2.6.29", "2.6.39", "3.0", "5.5-rc", "5.5-rc1", "5.5-rc10", "5.5", "6.9", "6.12"]

    assert releases == sorted(releases, key=release_key)


@for_each(
    ("text", "version"),
    [
        ("6.12", "6.12"),
        ("6.12.94", "6.12.94"),
        ("6.1.176-1", "6.1.176"),
        ("6.12.117+deb13-cloud-amd64", "6.12.117"),
        ("6.1.0-56-cloud-amd64", "6.1.192"),
        ("7.3~rc7-1~exp1", "7.3-rc7"),
        ("7.3-rc7", "7.3-rc7"),
        ("7.3-1", "7.3.0"),
    ],
)
def test_the_version_of_a_machine(text: str, version: str) -> None:
    """A model is called so."""
    assert version_named(text) == version


def test_a_hidden_point_release_is_no_version() -> None:
    """Nothing is assumed."""
    with pytest.raises(Misuse, match=r"'5.15.0-91-generic' does not say its point release: write"):
        version_named("5.15.0-91-generic")
