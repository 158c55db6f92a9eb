"""Every tracker under random programs: its own invariants and mm's hold after each step."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_runs import log, run_random

from pfnlab.kernel.policies.trackers import TRACKERS

#: Trackers that free what they reserved and nothing else, however mappings are taken apart.
NEVER_WRONG = (
    *("caller_managed", "ctx_adjust", "exact", "no_cow", "no_partial", "per_vma"),
    *("remap_again", "split_ctx", "track_ctx", "untracked", "whole_leaf"),
)

SEEDS = st.integers(0, 2**32)


@pytest.mark.target("long")
@pytest.mark.parametrize("series", ["6.1", "7.2"])
@pytest.mark.parametrize("tracker", TRACKERS)
@settings(max_examples=25)
@given(seed=SEEDS)
def test_invariants_hold(tracker: str, series: str, seed: int) -> None:
    """Whatever a program does, every step leaves all invariants intact."""
    run_random(f"{series},tracker={tracker}", seed)


@pytest.mark.parametrize("tracker", NEVER_WRONG)
@settings(max_examples=40)
@given(seed=SEEDS)
def test_nothing_is_left_or_freed_twice(tracker: str, seed: int) -> None:
    """At the end of a program without drivers the book is empty, and no free was invalid."""
    steps = run_random(f"7.2,tracker={tracker}", seed, driver=False)

    assert () == (steps[-1].book if steps else ())
    assert not [line for line in log(steps) if "freeing invalid" in line]
