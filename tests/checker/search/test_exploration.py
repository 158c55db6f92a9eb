"""Results of searches, and one result of several."""

from __future__ import annotations

from small_models import Rooted, always, sometimes

from pfnlab.checker.search.exploration import merged
from pfnlab.checker.search.explore import explore

ASKED = (
    always("the last root stays short", lambda state: state != (2, 4)),
    sometimes("an end", lambda state: state[1] == 9),
)


def test_parts_that_never_meet_are_searched_as_the_whole() -> None:
    """Counts, levels, verdicts."""
    whole = explore(Rooted(range(3)), ASKED)

    total = merged(ASKED, [explore(Rooted([root]), ASKED) for root in range(3)])

    assert (whole.states, whole.transitions, whole.expanded, whole.growth, whole.depth, whole.fired) == (
        *(total.states, total.transitions, total.expanded, total.growth, total.depth, total.fired),
    )
    assert {asked.name for asked in ASKED} == total.discoveries.keys()
    assert not total.cut


def test_of_two_ways_the_shorter_is_kept() -> None:
    """Of two of one length the first."""
    end = sometimes("an end", lambda state: state[1] == 4 or state == (2, 3))
    parts = [explore(Rooted([root]), [end]) for root in range(3)]

    total, equal = merged([end], parts), merged([end], parts[:2])

    assert total.discoveries[end.name] is parts[2].discoveries[end.name]
    assert equal.discoveries[end.name] is parts[0].discoveries[end.name]


def test_what_a_part_left_out_is_said() -> None:
    """Of each part."""
    total = merged((), [explore(Rooted([root]), depth=3) for root in range(2)])

    assert ["depth: 1 state at depth 3 not expanded"] * 2 == total.cut
