"""The policy that patches make of a kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfnlab.base.errors import Misuse
from pfnlab.hunt.meeting.trial import policies_of
from pfnlab.lab.building.patch_file import PatchFile


def patch(name: str, policy: str) -> PatchFile:
    """A patch that says what it means."""
    return PatchFile(Path(name), (name,), policy, "", "", "", ("mm/memory.c",), 1, 0, ())


def test_patches_say_what_they_mean() -> None:
    """All of them, each change once; one that says nothing changes nothing."""
    patches = [patch("a", "flush=none"), patch("b", ""), patch("c", "flush=none,tracker=exact")]

    assert ("flush=none", "tracker=exact") == policies_of(patches, [])


def test_what_the_user_says_counts_more() -> None:
    """It replaces what the patches say."""
    assert ("tracker=exact",) == policies_of([patch("a", "flush=none")], ["tracker=exact"])


def test_two_policies_for_a_seam() -> None:
    """A kernel has one."""
    with pytest.raises(Misuse, match="two policies for flush: say with --policy"):
        policies_of([patch("a", "flush=none"), patch("b", "flush=end_vma")], [])


@pytest.mark.parametrize("word", ["end_vma", "", "flush="])
def test_a_policy_that_is_none(word: str) -> None:
    """What to write is said, and where."""
    with pytest.raises(Misuse, match=f"--policy {word}: write SEAM=POLICY"):
        policies_of([], [word])


def test_a_patch_runs_no_file() -> None:
    """The user may not have read that file."""
    patches = [patch("a", "tracker=evil.py")]

    with pytest.raises(
        Misuse, match=r"^a, Policy: tracker=evil\.py: it would be run: read that policy, then"
    ):
        policies_of(patches, [])
    assert ("tracker=evil.py",) == policies_of(patches, ["tracker=evil.py"])
