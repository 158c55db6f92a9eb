"""The ways to states."""

from __future__ import annotations

from pfnlab.checker.search.trail import Trail


def test_a_way_names_the_initial_state_and_the_choices() -> None:
    """Through all states before it."""
    trail = Trail()
    first = trail.step(trail.start(3), 1)

    last = trail.step(first, 2)

    assert (3, [1, 2]) == trail.way_to(last)
    assert (3, [1, 2, 9]) == trail.way_by(last, 9)


def test_a_choice_above_sixteen_bits_fits() -> None:
    """Earlier choices stay as they were."""
    trail = Trail()
    first = trail.step(trail.start(0), 5)

    last = trail.step(first, 1 << 16)

    assert (0, [5, 1 << 16]) == trail.way_to(last)
