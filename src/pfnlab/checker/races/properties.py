"""The properties of races: each is a predicate on the state between two turns."""

from __future__ import annotations

from collections.abc import Sequence

from pfnlab.checker.kernel.properties import Question
from pfnlab.checker.races.race import RaceState
from pfnlab.checker.search.property import Property


def race_properties(asked: Sequence[Question]) -> list[Property[RaceState]]:
    """The properties for the questions *asked*, on states of races."""
    table: dict[str, Property[RaceState]] = {
        "told_free": Property(
            "told_free", "always", lambda state: not state.told_free, lambda state: state.free
        ),
        "no_deadlock": Property("no_deadlock", "always", lambda state: not state.stuck),
        "told_beside": Property("told_beside", "sometimes", lambda state: state.beside),
    }
    return [table[question.name] for question in asked]
