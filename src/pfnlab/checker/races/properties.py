"""What is asked of schedules: the properties of races, each a predicate on a state between turns."""

from __future__ import annotations

from collections.abc import Sequence

from pfnlab.checker.kernel.properties import Question
from pfnlab.checker.races.race import RaceState
from pfnlab.checker.search.property import Property


def race_properties(asked: Sequence[Question]) -> list[Property[RaceState]]:
    """*asked*, for schedules."""
    made: dict[str, Property[RaceState]] = {
        "told_free": Property(
            "told_free", "always", lambda state: not state.told_free, lambda state: state.free
        ),
        "no_deadlock": Property("no_deadlock", "always", lambda state: not state.stuck),
        "told_beside": Property("told_beside", "sometimes", lambda state: state.beside),
    }
    return [made[question.name] for question in asked]
