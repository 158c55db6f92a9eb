"""The profiles as data: which series has what (S12, measured)."""

from __future__ import annotations

from dataclasses import fields

import pytest

from pfnlab.mm.profile import Profile
from pfnlab.policies.profiles import PROFILES, SERIES, SWITCHES, profile_of, series_key, spec_of
from pfnlab.policies.trackers import TRACKERS


def test_series_are_in_order() -> None:
    """The ten series of the recordings, oldest first."""
    assert ("6.1", "6.12", "6.16", "6.17", "6.18", "6.19", "7.0", "7.1", "7.2", "7.3") == SERIES


def test_series_compare_by_number() -> None:
    """6.9 comes before 6.12."""
    assert series_key("6.9") < series_key("6.12")


@pytest.mark.parametrize("series", SERIES)
def test_a_profile_knows_its_series(series: str) -> None:
    """Each profile carries its name, and a tracker there is."""
    assert (series, True) == (PROFILES[series].series, PROFILES[series].tracker in TRACKERS)


def test_trackers_change_once() -> None:
    """VM_PAT up to 6.15, the context since 6.16 (S3, S4)."""
    assert ["vm_pat"] * 2 + ["track_ctx"] * 8 == [PROFILES[series].tracker for series in SERIES]


def test_end_match_goes_with_vm_pat() -> None:
    """Only the old tracker's book shrinks entries (S2.4)."""
    assert [profile.tracker == "vm_pat" for profile in PROFILES.values()] == [
        profile.end_match for profile in PROFILES.values()
    ]


@pytest.mark.parametrize(
    ("switch", "first"),
    [
        ("saved_dirty", "6.12"),
        ("mseal", "6.12"),
        ("mtrr_merged_map", "6.12"),
        ("smaps_counts_copies", "6.12"),
        ("guard_regions", "6.16"),
        ("pgprot_replaces", "6.16"),
        ("mremap_checks_first", "6.17"),
        ("mremap_many_vmas", "6.17"),
        ("devmem_mmap_prepare", "6.19"),
        ("fallocate_checks_op_first", "6.19"),
    ],
)
def test_first_series_of_a_switch(switch: str, first: str) -> None:
    """A behaviour comes with the series the specification names, and stays."""
    at = SERIES.index(first)

    assert [False] * at + [True] * (len(SERIES) - at) == [
        getattr(profile, switch) for profile in PROFILES.values()
    ]


def test_every_switch_is_a_field() -> None:
    """A switch is a field of the profile, said once, with where it comes from."""
    names = [switch.name for switch in SWITCHES]

    assert len(set(names)) == len(names)
    assert {field.name for field in fields(Profile)} >= set(names)
    assert all(switch.source for switch in SWITCHES)


def test_a_profile_of_a_series_between() -> None:
    """A series without recordings follows from the same table."""
    assert ("vm_pat", False) == (profile_of("6.6").tracker, profile_of("6.6").mseal)


@pytest.mark.parametrize(
    ("release", "spec"),
    [
        ("6.12.107", "6.12,huge_faults_ignore_thp=off"),
        ("6.12.115", "6.12"),
        ("6.12.117", "6.12"),
        ("6.18.15", "6.18"),
        ("7.3", "7.3"),
    ],
)
def test_a_point_release_is_its_series_less_what_came_later(release: str, spec: str) -> None:
    """Profiles are of the newest point release of a series."""
    assert spec == spec_of(release)
