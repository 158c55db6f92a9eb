"""The order of releases, and which of them kernels confirmed."""

from __future__ import annotations

from pfnlab.policies.releases import CONFIRMED, RELEASES, between, confirmed_before, series_key


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
