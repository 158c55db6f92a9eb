"""The properties of races: each is a predicate on the state between two turns."""

from __future__ import annotations

from collections.abc import Sequence

from pfnlab.checker.kernel.properties import STATE_QUESTIONS, Question
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
    return [table[question.name] if question.name in table else _at_the_end(question) for question in asked]


def _at_the_end(question: Question) -> Property[RaceState]:
    """A question about a state, asked when all operations are done, and again when every task has exited."""
    number = STATE_QUESTIONS.index(question)

    def answer(state: RaceState) -> bool | None:
        return state.answers[number] if state.answers else None

    return Property(
        question.name,
        "always",
        lambda state: answer(state) is not False,
        lambda state: answer(state) is not None,
    )
