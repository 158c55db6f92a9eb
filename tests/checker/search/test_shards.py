"""Searches side by side, in processes of their own."""

from __future__ import annotations

from small_models import Rooted

from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.property import always, sometimes
from pfnlab.checker.search.shards import Root, explore_roots

MODEL = Rooted(roots=3, length=10)
LATE = always("the last root stays short", lambda state: state != (2, 4))
END = sometimes("an end", lambda state: state[1] == 9)


def test_roots_that_never_meet_are_searched_as_one_search_would() -> None:
    """Counts, levels, verdicts."""
    whole, parts = explore(MODEL, [LATE, END]), explore_roots(MODEL, [LATE, END])

    assert (whole.states, whole.transitions, whole.growth, whole.fired) == (
        parts.states,
        parts.transitions,
        parts.growth,
        parts.fired,
    )
    assert ["violated", "reached"] == [parts.verdict(asked.name) for asked in (LATE, END)]
    assert parts.complete


def test_a_way_begins_at_its_own_root() -> None:
    """It replays in the whole model."""
    way = explore_roots(MODEL, [LATE]).discoveries[LATE.name]

    assert (2, 4) == way.states(MODEL)[-1]


def test_what_a_shard_left_out_is_said() -> None:
    """With its number."""
    found = explore_roots(MODEL, depth=3)

    assert [f"search {number}: depth: 1 state at depth 3 not expanded" for number in range(3)] == found.cut


def test_a_root_is_the_model_from_there() -> None:
    """Nothing of the other roots."""
    assert 10 == explore(Root(MODEL, 1)).states
