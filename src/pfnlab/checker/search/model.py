"""What is searched: a model is three methods, and they must be deterministic."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, Protocol, TypeVar, runtime_checkable

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


class UnmetError(Exception):
    """A state holds what this process has not met yet, and meets on the way to it."""


@runtime_checkable
class Kept(Protocol[State]):
    """What a model adds when its states are no plain values, or when it counts: how both are kept in a file.

    Plain values are those of :mod:`.plain`. What comes back from a file may be anything.
    """

    def packed(self, state: State) -> Any:
        """*state* as a plain value."""
        ...

    def unpacked(self, packed: Any) -> State:
        """What :meth:`packed` gave.

        :raises ValueError: it gave no such thing
        :raises UnmetError: go the way to the state once, and try again
        """
        ...

    def tallies(self) -> Any:
        """What the model has counted so far, as a plain value."""
        ...

    def recall(self, tallies: Any) -> None:
        """Go on counting from what :meth:`tallies` gave; other counts are forgotten.

        :raises ValueError: it gave no such thing
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
