"""The changes between two kernels' rules: they make one of the other, and each has a source."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from itertools import product

import pytest

from pfnlab.kernel.policies.changes import (
    changes_between,
    field_of,
    is_of,
    origin_of,
    single_changes,
    source_of,
)
from pfnlab.kernel.policies.known_kernels import known_versions
from pfnlab.kernel.policies.profiles import profile_of
from pfnlab.kernel.policies.releases import RELEASES
from pfnlab.programs.model.model_machine import ModelMachine

VERSIONS = (*RELEASES, *known_versions(), "6.1.84", "6.12.90", "6.12.113")


@pytest.mark.target("long")
def test_changes_make_one_kernels_rules_of_anothers() -> None:
    """Whichever two are asked, in either order: as a machine's name they give the other's profile."""
    for one, other in product(VERSIONS, VERSIONS):
        spec = ",".join((one, *changes_between(one, other)))

        changed = ModelMachine(spec).profile

        named = {"series": changed.series, "version": changed.version}
        assert replace(profile_of(other), **named) == changed, spec


@pytest.mark.parametrize("version", ["6.1.192", "7.3.4"])
def test_a_change_turns_its_field_alone(version: str) -> None:
    """The field of the profile it names, and no other; a tracker brings its own search of the book."""
    before = profile_of(version)
    names = [field.name for field in fields(before)]
    for change in single_changes(version):
        after = ModelMachine(f"{version},{change}").profile
        turned = {name for name in names if getattr(before, name) != getattr(after, name)}

        assert turned - ({"end_match"} if field_of(change) == "tracker" else set()) == {field_of(change)}


def test_a_change_has_its_commit() -> None:
    """Of a switch that goes off that which ended it; some have none."""
    assert origin_of("tracker=track_ctx") == ("f8e97613fed2", "D01")
    assert origin_of("end_match=off") == ("81baf8450165", "A13")
    assert origin_of("end_match=on") == ("2039e6acaf94", "A13")
    assert origin_of("with=c31783eeae7b") == ("c31783eeae7b", "F02")
    assert origin_of("mseal=on") == (None, None)


def test_a_kernel_has_no_changes_from_itself() -> None:
    """Nothing distinguishes it."""
    assert [] == changes_between("6.12.117", "6.12.117")


@pytest.mark.parametrize("version", ["5.10", "6.1.192", "6.12.94", "7.3.4"])
def test_every_single_change_is_one(version: str) -> None:
    """Each gives another profile, none twice, and none is a policy no kernel ever had."""
    changes = list(single_changes(version))
    profiles = [ModelMachine(f"{version},{change}").profile for change in changes]

    assert len(set(changes)) == len(changes)
    assert all(profile != profile_of(version) for profile in profiles)
    assert {profile.tracker for profile in profiles} == {"vm_pat", "track_ctx"}
    assert {profile.walkers.walk_page_vma for profile in profiles} == {"page_test_skip", "special_bits"}
    assert {profile.walkers.get_user_pages for profile in profiles} == {"early_refusal"}


def test_every_change_has_a_source() -> None:
    """A release at least."""
    for change in single_changes("6.12.94"):
        assert source_of(change, "6.12.94")[:1].isdigit() or source_of(change, "6.12.94").startswith("since ")


@pytest.mark.parametrize(
    ("change", "source"),
    [
        ("tracker=track_ctx", "since 6.16: convert VM_PFNMAP tracking .* commit f8e97613fed2$"),
        ("with=c31783eeae7b", "since 6.2: .* commit c31783eeae7b$"),
        ("flush=free_vmas", "since 6.16: .* commit bfe125f1b187$"),
        ("dontunmap_unlocks_all=off", "^6.12.114: mm/mremap: fix locked_vm leak by splitting VMA"),
        ("end_match=off", r"since 4.5 until 6.16 \(commit 81baf8450165\): .* commit 2039e6acaf94$"),
    ],
)
def test_where_a_change_comes_from(change: str, source: str) -> None:
    """The commit of a policy or a switch; what the series itself took over goes before all that."""
    assert re.search(source, source_of(change, "6.12.94"))


def test_changes_a_series_took_over() -> None:
    """A point release of 6.12 is known for one of them, none of 6.16."""
    assert is_of("dontunmap_unlocks_all=off", "6.12")
    assert not is_of("dontunmap_unlocks_all=off", "6.17")
    assert not is_of("tracker=track_ctx", "6.12")
