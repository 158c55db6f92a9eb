"""The ways to states, as a file of somebody else may have them."""

from __future__ import annotations

from array import array

from for_each import for_each

from pfnlab.checker.search.trail import Trail

#: In the place of a parent: none.
NONE = 0xFFFF_FFFF


def _trail(parents: list[int], choices: list[int]) -> Trail:
    trail = Trail()
    trail.parents, trail.choices = array("I", parents), array("H", choices)
    return trail


@for_each("parents", [[], [NONE], [NONE, 0, 1], [NONE, 2, 0], [NONE, NONE, 1, 0, 3]])
def test_ways_to_initial_states_are_sound(parents: list[int]) -> None:
    """Also where a state was found before its parent, as it is when it gets a better way."""
    assert _trail(parents, [0] * len(parents)).is_sound()


@for_each("parents", [[0], [NONE, 2, 1], [1, 2, 0], [NONE, 7], [NONE, 0, 4, 2]])
def test_a_way_that_does_not_end_is_not_sound(parents: list[int]) -> None:
    """It goes in a circle, or by a state that is not there."""
    assert not _trail(parents, [0] * len(parents)).is_sound()


@for_each("choices", [[], [0], [0, 0, 0]])
def test_each_state_has_a_choice(choices: list[int]) -> None:
    """And each choice a state."""
    assert not _trail([NONE, 0], choices).is_sound()
