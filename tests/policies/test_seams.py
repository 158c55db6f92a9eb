"""The policy of a seam in a profile, and another one in its place."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.errors import Misuse
from pfnlab.policies.profiles import profile_of
from pfnlab.policies.seams import POLICIES, policy_of, with_policy


@for_each("seam", POLICIES)
def test_every_policy_takes_its_place(seam: str) -> None:
    """Whatever was there before."""
    profile = profile_of("7.2")

    found = [policy_of(with_policy(profile, seam, name), seam) for name in POLICIES[seam]]

    assert list(POLICIES[seam]) == found


def test_a_tracker_brings_the_book_of_its_time() -> None:
    """An entry could shrink in the time of vm_pat alone."""
    profile = profile_of("7.2")

    found = [with_policy(profile, "tracker", name).end_match for name in ("vm_pat", "vm_pat@6.9", "exact")]

    assert [True, True, False] == found


@for_each(
    ("seam", "says"),
    [
        (
            "tracker",
            "there is no tracker 'mine': there are base_pfn, .*, vm_pat@6.15, and files that end in .py",
        ),
        ("flush", "there is no flush placement 'mine': there are .*, and files that end in .py"),
        ("walker", "there is no walker 'mine': there are .*, and files that end in .py"),
    ],
)
def test_another_name_is_refused(seam: str, says: str) -> None:
    """With those that there are."""
    with pytest.raises(Misuse, match=says):
        with_policy(profile_of("7.2"), seam, "mine")
