"""with=COMMIT and without=COMMIT, and what is said to a commit that cannot be had."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.policies.commits import (
    NO_SWITCH,
    check_trackers,
    known_commits,
    machine_without,
    with_commit,
    without_commit,
)
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.kernel.policies.releases import CONFIRMED, RELEASES
from pfnlab.kernel.policies.seams import policy_of


def test_a_repair_can_be_taken_out() -> None:
    """6.1.y has it by backport."""
    changed = without_commit(PROFILES["6.1"], "04c35ab3bdae")

    assert (True, False) == (PROFILES["6.1"].cow_knows_its_pfn, changed.cow_knows_its_pfn)


def test_a_repair_can_be_put_in() -> None:
    """6.8 as released has not; the whole id is as good as its beginning."""
    whole = with_commit(PROFILES["6.8"], "04c35ab3bdae7fefbd7c7a7355f29fa03a035221")

    assert whole.cow_knows_its_pfn
    assert whole == with_commit(PROFILES["6.8"], "04c35ab")


@for_each(
    ("series", "commit", "tracker", "flushes", "end_match"),
    [
        ("7.2", "f8e97613fed2", "vm_pat", "free_vmas", True),
        ("7.2", "bfe125f1b187", "track_ctx", "end_vma", False),
        ("6.1", "b67fbebd4cf9", "vm_pat", "none", True),
        ("6.1", "2039e6acaf94", "vm_pat", "end_vma", False),
    ],
)
def test_what_goes_with_a_commit(
    series: str, commit: str, tracker: str, flushes: str, end_match: bool
) -> None:
    """Policies have commits as well; a tracker brings the book of its time."""
    changed = without_commit(PROFILES[series], commit)

    assert (tracker, flushes, end_match) == (changed.tracker, policy_of(changed, "flush"), changed.end_match)


def test_a_commit_that_ended_something() -> None:
    """To take it out is to have the thing again."""
    assert without_commit(PROFILES["7.2"], "81baf8450165").end_match


def test_the_stable_variant_and_its_repair() -> None:
    """B02: two commits, one after the other."""
    first = with_commit(PROFILES["5.10"], "895428ee124a")

    repaired = with_commit(first, "891f03f688de")
    assert ["first_vma", "any_vma"] == [policy_of(one, "flush") for one in (first, repaired)]


@for_each("series", RELEASES)
def test_every_commit_can_go_where_it_is_and_come_where_it_is_not(series: str) -> None:
    """One of the two works, and the other undoes it; else a later commit stands in the way and is named."""
    profile = PROFILES[series]
    for commit in known_commits():
        try:
            changed, back = with_commit(profile, commit), without_commit
        except Misuse as refused:
            assert "\n" not in str(refused)
            try:
                changed, back = without_commit(profile, commit), with_commit
            except Misuse as replaced:
                assert "and here it is" in str(replaced), (series, commit)
                continue
        assert back(changed, commit) == profile, (series, commit)


def says(profile: Profile, change: str) -> str:
    """What a wrong change is answered with."""
    word, commit = change.split("=")
    with pytest.raises(Misuse) as refused:
        (with_commit if word == "with" else without_commit)(profile, commit)
    return str(refused.value)


@for_each(
    ("series", "change", "answer"),
    [
        ("6.1", "with=04c35ab3bdae", "6.1 has commit 04c35ab3bdae (cow_knows_its_pfn is on): write without="),
        ("6.8", "without=04c35ab3bdae", "6.8 does not have commit 04c35ab3bdae (cow_knows_its_pfn is off)"),
        ("7.2", "with=f8e97613fed2", "(tracker is track_ctx): write without=f8e97613fed2 or leave it out"),
        ("7.2", "without=b67fbebd4cf9", "and here it is free_vmas: write flush=none"),
        ("6.1", "with=8c56c5dbcf52", "has no switch (A05: nothing of it is seen on x86): leave it out"),
        ("6.1", "with=0123456789ab", "is not known here: write one that `pfnlab policies show 6.1` lists"),
        ("6.1", "without=f5cc4eef9987", "has no switch (A08: zaps untracked before it"),
        ("6.1", "with=A01", "'A01' is not a commit: write 7 to 40 digits of it, e.g. without=04c35ab3bdae"),
        ("6.1", "with=04c3", "'04c3' is not a commit"),
    ],
)
def test_a_mistake_is_told_what_to_write(series: str, change: str, answer: str) -> None:
    """One line each."""
    told = says(PROFILES[series], change)

    assert answer in told
    assert "\n" not in told


def test_a_commit_of_another_tracker() -> None:
    """It would change nothing, so it is refused."""
    with pytest.raises(Misuse, match="write tracker=vm_pat as well"):
        check_trackers(PROFILES["7.2"], ["04c35ab3bdae"])

    check_trackers(PROFILES["6.1"], ["04c35ab3bdae"])


def test_no_commit_is_both_had_and_not() -> None:
    """The two tables do not overlap."""
    assert not set(NO_SWITCH) & set(known_commits())
    assert all(reason[0] in "ABCDEFG" for reason in NO_SWITCH.values())
    assert CONFIRMED


@for_each(
    ("machine", "left"),
    [
        ("6.1", "6.1,without=04c35ab3bdae"),
        ("5.15,with=04c35ab3bdae", "5.15"),
        ("5.15,with=526a9ce7e134,with=04c35ab3bdae", "5.15,with=526a9ce7e134"),
    ],
)
def test_a_machine_without_a_commit(machine: str, left: str) -> None:
    """What gave it the commit goes; else it is taken out."""
    assert left == machine_without(machine, "04c35ab3bdae")
