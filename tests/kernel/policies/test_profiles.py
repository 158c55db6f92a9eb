"""The profiles as data: which series has what (``docs/profiles.md``)."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path

from for_each import for_each

import pfnlab
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.kernel.policies.known_kernels import newest_known
from pfnlab.kernel.policies.profiles import PROFILES, SERIES, assumed, described, profile_of
from pfnlab.kernel.policies.releases import CONFIRMED, RELEASES, series_of
from pfnlab.kernel.policies.seams import policy_of
from pfnlab.kernel.policies.switches import ERAS, SWITCHES
from pfnlab.kernel.policies.trackers import TRACKERS

SOURCE = Path(pfnlab.__file__).parent


def test_series_are_in_order() -> None:
    """The ten series of the recordings, oldest first."""
    assert ("6.1", "6.12", "6.16", "6.17", "6.18", "6.19", "7.0", "7.1", "7.2", "7.3") == SERIES


def test_switches_stand_in_the_order_of_their_table() -> None:
    """Both lists are grouped by subject, so a switch is found in either at the same place."""
    switches = [field.name for field in fields(Profile) if field.type == "bool"]

    assert [switch.name for switch in SWITCHES] == switches


def test_every_release_has_a_profile() -> None:
    """5.10, 5.15 and everything from 6.1 on; the confirmed ones among them."""
    assert ("5.10", "5.15", "6.1", "6.2") == RELEASES[:4]
    assert list(PROFILES) == list(RELEASES)
    assert set(CONFIRMED) < set(RELEASES)


@for_each("series", RELEASES)
def test_a_profile_knows_its_series(series: str) -> None:
    """Each profile carries its name, and a tracker there is."""
    profile = PROFILES[series]

    assert (series, True, True) == (
        profile.series,
        profile.tracker in TRACKERS,
        policy_of(profile, "flush") in FLUSHES,
    )


def test_trackers_change_once() -> None:
    """VM_PAT up to 6.15, the context since 6.16 (S3, S4)."""
    trackers = [profile.tracker for profile in PROFILES.values()]
    at = RELEASES.index("6.16")

    assert trackers == ["vm_pat"] * at + ["track_ctx"] * (len(RELEASES) - at)


def test_flushes_of_each_era() -> None:
    """Nothing before 5.19 (B01), at each VMA, then once (B03)."""
    assert ["none", "end_vma", "free_vmas"] == [
        policy_of(PROFILES[one], "flush") for one in ("5.15", "6.1", "6.16")
    ]


def test_walkers_of_each_era() -> None:
    """smaps skipped PFN mappings up to 6.1; what other walkers do has not changed (F02)."""
    assert ["page_test_skip", "special_bits"] == [
        PROFILES[one].walkers.walk_page_vma for one in ("6.1", "6.2")
    ]
    assert 1 == len({profile.walkers._replace(walk_page_vma="") for profile in PROFILES.values()})


def test_end_match_goes_with_vm_pat() -> None:
    """Only the old tracker's book shrinks entries (S2.4)."""
    assert [profile.tracker == "vm_pat" for profile in PROFILES.values()] == [
        profile.end_match for profile in PROFILES.values()
    ]


@for_each(
    ("switch", "first"),
    [
        ("mtrr_merged_map", "6.5"),
        ("saved_dirty", "6.6"),
        ("mseal", "6.10"),
        ("guard_regions", "6.13"),
        ("pgprot_replaces", "6.16"),
        ("mremap_checks_first", "6.17"),
        ("mremap_many_vmas", "6.17"),
        ("devmem_mmap_prepare", "6.19"),
        ("fallocate_checks_op_first", "6.19"),
        ("simple_ioremap", "7.1"),
    ],
)
def test_first_release_of_a_switch(switch: str, first: str) -> None:
    """A behaviour comes with the release its source names, and stays."""
    at = RELEASES.index(first)

    assert [False] * at + [True] * (len(RELEASES) - at) == [
        getattr(profile, switch) for profile in PROFILES.values()
    ]


@for_each(
    ("version", "remaps"),
    [("6.9", True), ("6.9.10", True), ("6.9.11", False), ("6.9.12", False), ("6.6.90", True)],
)
def test_a_stable_release_may_end_a_behaviour(version: str, remaps: bool) -> None:
    """6.9.11 took over what ended the remaps of vfio-pci (E10), and no older series did."""
    assert remaps is profile_of(version).vfio_remaps


def test_the_lock_is_asserted_without_lockdep_for_some_releases() -> None:
    """From 6.9 to 7.1; kernels of distributions have no lockdep (S6.3.8)."""
    at, end = RELEASES.index("6.9"), RELEASES.index("7.2")

    assert RELEASES[at:end] == tuple(name for name in RELEASES if PROFILES[name].zap_asserts_mmap_lock)


@for_each(
    ("switch", "without"),
    [
        ("cow_knows_its_pfn", ["5.10", "5.15", *(f"6.{minor}" for minor in range(2, 9))]),
        ("failed_remap_zaps", ["5.10", "5.15", *(f"6.{minor}" for minor in range(2, 11))]),
        ("failed_fork_untracks", ["5.10", "5.15", *(f"6.{minor}" for minor in (*range(2, 12), 13, 14))]),
    ],
)
def test_confirmed_series_are_their_stable_kernels(switch: str, without: list[str]) -> None:
    """6.1.y and 6.12.y took these repairs over; a release nobody ran is as it was released."""
    assert without == [series for series in RELEASES if not getattr(PROFILES[series], switch)]


def test_every_switch_is_a_field() -> None:
    """A switch is a field of the profile, said once, with where it comes from; and every field is one."""
    names = [switch.name for switch in SWITCHES]

    assert len(set(names)) == len(names)
    assert {field.name for field in fields(Profile) if field.type == "bool"} == set(names)
    assert all(source.source for source in (*SWITCHES, *ERAS))


def test_every_switch_is_asked() -> None:
    """A switch that no rule asks for could be turned off without any effect."""
    sources = [path for path in SOURCE.rglob("*.py") if path.stem != "profile"]
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    asked = {node.attr for node in nodes if isinstance(node, ast.Attribute)}

    assert set() == {switch.name for switch in SWITCHES} - asked


def test_commits_are_written_alike() -> None:
    """Twelve digits each."""
    commits = {one.commit for one in (*SWITCHES, *ERAS)} | {one.ended_by for one in SWITCHES}

    assert all(re.fullmatch("[0-9a-f]{12}", commit) for commit in commits if commit is not None)


def test_what_a_confirmed_profile_says() -> None:
    """Nothing is assumed of a series that was asked."""
    assert f"profile {newest_known('6.1')}, the newest known of 6.1" == described("6.1")
    assert [[]] * len(CONFIRMED) == [assumed(series) for series in CONFIRMED]


def test_what_an_unconfirmed_profile_says() -> None:
    """Its name, that no kernel confirmed it, and what is a guess, as a machine's name would say it."""
    says = described("6.14")

    assert says.startswith("profile 6.14, not confirmed on a kernel (assumed: flush=end_vma, ")
    assert says.endswith(")")
    assert "madvise_gathers_once=off, " in says


def test_what_is_assumed_of_a_release_before_all_kernels() -> None:
    """It is as the oldest kernel where only kernels say since when; what a source dates is known."""
    old = assumed("5.15")

    assert {"fixed_frees_before_mmap=on", "populate_stops_at_hole=off"} <= set(old)
    assert not {"flush", "tracker", "mseal", "devmem_guards_aliases"} & {one.split("=")[0] for one in old}


def test_a_bare_series_is_its_newest_known_version() -> None:
    """The model of 6.1 has the rules of the newest 6.1.y that was met."""
    assert newest_known("6.1") == profile_of("6.1").version
    assert profile_of("6.1") == profile_of(newest_known("6.1") or "")


@for_each(("version", "has"), [("6.12.114", False), ("6.12.115", True), ("7.2.6", False), ("7.2.8", True)])
def test_a_point_release_has_what_its_series_had_taken_over(version: str, has: bool) -> None:
    """PFN mappings get leaves whatever THP says from 6.12.115 and 7.2.8 on."""
    assert has == profile_of(version).huge_faults_ignore_thp


def test_a_candidate_is_of_its_series() -> None:
    """7.3-rc7 has what mainline brought in 7.3, and not what 7.3.4 mended."""
    candidate, stable = profile_of("7.3-rc7"), profile_of("7.3.4")

    assert (True, True) == (candidate.mincore_walks, stable.mincore_walks)
    assert (False, True) == (candidate.access_phys_spares_ram, stable.access_phys_spares_ram)
    assert (False, True) == (candidate.access_phys_by_page, stable.access_phys_by_page)


def test_a_stable_series_with_a_design_of_its_own() -> None:
    """5.15.65 placed its flush at the first VMA, which mainline never did."""
    assert ["none", "first_vma"] == [
        policy_of(profile_of(version), "flush") for version in ("5.15.64", "5.15.65")
    ]


@for_each(
    ("version", "says"),
    [
        ("6.1.192", "profile 6.1.192"),
        ("6.1.191", "profile 6.1.191, not compared with a kernel; "),
        ("6.1.9999", " is the newest compared"),
        ("6.6.87", "profile 6.6.87, not confirmed on a kernel (assumed: "),
    ],
)
def test_what_an_exact_profile_says(version: str, says: str) -> None:
    """A known version is itself; of another the known ones beside it are named."""
    assert says in described(version)


def test_every_backport_is_of_a_series_with_a_profile() -> None:
    """A point release of a series nobody models would never be asked for; and each has a source."""
    backports = [one for switch in SWITCHES for one in (*switch.stable, *switch.ended_stable)]

    assert {series_of(one.point) for one in backports} <= {*RELEASES, "5.14"}
    assert all(one.source for one in backports)
