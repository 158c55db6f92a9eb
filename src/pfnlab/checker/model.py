"""What is searched: a model is three methods, and they must be deterministic."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Protocol, TypeVar

#: A step's label: printed by ``str``, compared by ``==``.
Action = Hashable

State = TypeVar("State")


class Model(Protocol[State]):
    """A transition system. Equal calls must give equal answers in the same order, in any process.

    States are never changed once handed out: ``successors`` makes new ones.
    """

    def initial(self) -> Iterable[State]:
        """The states a run can begin in."""
        ...

    def successors(self, state: State) -> Iterable[tuple[Action, State]]:
        """Every step out of *state*. An action that changes nothing may lead to *state* or be left out."""
        ...

    def key(self, state: State) -> Hashable:
        """What *state* is identified by: states with equal keys are one, and only the first found is kept.

        Symmetry lives here: sort what is interchangeable, and states that differ only in names share a key.
        """
        ...


def kind(action: Action) -> str:
    """What sort of step *action* is, for counting: its ``kind``, a tuple's first item, or its first word."""
    named = getattr(action, "kind", None)
    if isinstance(named, str):
        return named
    if isinstance(action, tuple) and action:
        return str(action[0])
    return str(action).split(maxsplit=1)[0] if str(action).strip() else ""
