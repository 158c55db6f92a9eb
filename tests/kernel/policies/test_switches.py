"""How a switch speaks of releases nobody ran."""

from __future__ import annotations

from for_each import for_each

from pfnlab.kernel.policies.releases import RELEASES
from pfnlab.kernel.policies.switches import Backport, Era, Switch


def on(switch: Switch) -> list[str]:
    """The releases that have it."""
    return [series for series in RELEASES if switch.on(series)]


def assumed(source: Switch | Era) -> list[str]:
    """The releases of which it is not known."""
    return [series for series in RELEASES if not source.known(series)]


def test_a_dated_switch_is_known_everywhere() -> None:
    """A release that a source names decides for all."""
    switch = Switch("mtrr_merged_map", "6.5", "the MTRR rework of 6.5")

    assert (RELEASES[RELEASES.index("6.5") :], []) == (tuple(on(switch)), assumed(switch))


def test_a_measured_switch_is_assumed_between_two_kernels() -> None:
    """It is off until the first kernel that has it, and before the oldest kernel as there."""
    switch = Switch("mseal", "6.16", "measured")

    assert "6.16" == on(switch)[0]
    assert ["5.10", "5.15", "6.13", "6.14", "6.15"] == assumed(switch)


def test_a_switch_that_ended_between_two_kernels() -> None:
    """It stays on until the first kernel without it."""
    switch = Switch("mseal", "2.6.29", "measured", until="6.16")

    assert ("6.15", ["6.13", "6.14", "6.15"]) == (on(switch)[-1], assumed(switch))


def test_bounds_that_are_known_narrow_the_window() -> None:
    """The newest release known to be without, and the newest known to have it still."""
    assert ["6.4", "6.5"] == assumed(Switch("mseal", "6.6", "source", after="6.3"))
    assert [] == assumed(Switch("mseal", "4.5", "source", until="6.16", last="6.15"))


def test_what_the_oldest_kernel_had_is_assumed_before() -> None:
    """Nobody knows since when."""
    switch = Switch("mseal", "6.1", "measured", until="6.12")

    assert ("5.10", "6.11") == (on(switch)[0], on(switch)[-1])
    assert {"5.10", "5.15", "6.2", "6.11"} <= set(assumed(switch))


@for_each(
    ("version", "has"),
    [
        *(("6.1", False), ("6.1.84", False), ("6.1.85", True), ("6.6", False), ("6.6.26", True)),
        *(("6.6.100", True), ("6.7.90", False), ("6.8", False), ("6.9-rc1", True), ("6.9", True)),
    ],
)
def test_a_backport_counts_from_its_point_release_on(version: str, has: bool) -> None:
    """A bare release is what was released; of its series, and no other, later points have the backport."""
    stable = (Backport("6.6.26", ""), Backport("6.1.85", ""))
    switch = Switch("cow_knows_its_pfn", "6.9", "source", stable=stable)

    assert has == switch.on(version)


@for_each(
    ("version", "has"),
    [
        *(("6.12.113", True), ("6.12.114", False), ("7.1.999", True), ("7.2.10", True)),
        *(("7.2.11", False), ("7.3-rc1", False), ("7.3.4", False)),
    ],
)
def test_what_a_backport_ended(version: str, has: bool) -> None:
    """A behaviour is gone from the point release that took the repair over, and from the mainline release."""
    ended = (Backport("6.12.114", ""), Backport("7.2.11", ""))
    switch = Switch("dontunmap_unlocks_all", "6.1", "source", until="7.3", ended_stable=ended)

    assert has == switch.on(version)


def test_a_measured_backport_is_assumed_between_two_kernels() -> None:
    """Between the newest known to be without and the oldest known to have it nobody looked."""
    backport = Backport("6.12.307", "measured", after="6.12.294")
    switch = Switch("mseal", "6.13", "source", after="6.12", stable=(backport,))

    assert [True, False, False, True] == [
        switch.known(version) for version in ("6.12.294", "6.12.295", "6.12.306", "6.12.307")
    ]
    assert switch.known("6.6.99")


def test_an_era_begins() -> None:
    """Between two kernels it is assumed not to have begun."""
    era = Era("flush", "free_vmas", "6.16", "measured", before="end_vma")

    assert [False, True] == [era.reached("6.15"), era.reached("6.16")]
    assert ["6.13", "6.14", "6.15"] == assumed(era)


def test_mainline_never_had_a_stable_variant() -> None:
    """It is reached by its commit alone."""
    assert not Era("flush", "first_vma", "5.10.141", "source", only="5.10").reached("7.3")
