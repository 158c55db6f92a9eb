"""The order of releases, and which of them kernels confirmed."""

from __future__ import annotations

import pytest

from pfnlab.kernel.policies.releases import (
    CONFIRMED,
    RELEASES,
    between,
    confirmed_before,
    is_version,
    series_key,
    series_of,
    upstream,
    version_key,
)


def test_series_compare_by_number() -> None:
    """6.9 comes before 6.12."""
    assert series_key("6.9") < series_key("6.12")


def test_releases_are_in_order() -> None:
    """Oldest first, both lists."""
    assert [*RELEASES] == sorted(RELEASES, key=series_key)
    assert [*CONFIRMED] == sorted(CONFIRMED, key=series_key)


def test_the_confirmed_series_before() -> None:
    """The neighbour, and none for the oldest or for a release nobody ran."""
    assert ("6.1", "6.19", None, None) == tuple(map(confirmed_before, ("6.12", "7.0", "6.1", "6.8")))


def test_between_two_releases() -> None:
    """Strictly between, whether or not the two have profiles themselves."""
    assert (("6.13", "6.14", "6.15"), ("5.10", "5.15")) == (between("6.12", "6.16"), between("5.4", "6.1"))


def test_versions_are_in_order() -> None:
    """Candidates, the release, its point releases by number."""
    order = ["7.2.13", "7.3-rc2", "7.3-rc10", "7.3.0", "7.3.4", "7.3.10", "7.4-rc1"]

    assert order == sorted(reversed(order), key=version_key)


@pytest.mark.parametrize(
    ("package_version", "version"),
    [
        ("6.1.192-2", "6.1.192"),
        ("6.12.107-1~deb12u1", "6.12.107"),
        ("7.3~rc7-1~exp1", "7.3-rc7"),
        ("7.3-1", "7.3.0"),
        ("7.3.4-1~bpo13+1", "7.3.4"),
        ("none", ""),
    ],
)
def test_version_of_a_package(package_version: str, version: str) -> None:
    """What the distribution adds is left out; a release without points is .0, so that it is no series."""
    assert version == upstream(package_version)


def test_series_of_a_version() -> None:
    """Of point releases, candidates and a series itself."""
    assert ["6.1", "7.3", "6.12"] == list(map(series_of, ("6.1.176", "7.3-rc7", "6.12")))


def test_what_is_a_version() -> None:
    """Series, point releases and candidates; nothing a distribution adds."""
    yes = ("6.1", "6.1.176", "7.3-rc7")
    no = ("6", "6.1.176-1", "7.3~rc7", "7.3-rc", "x6.1", "6.1.1.1")

    assert all(map(is_version, yes)) and not any(map(is_version, no))
