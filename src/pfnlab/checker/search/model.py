"""Models to search: a model has three methods, which must be deterministic."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, runtime_checkable

#: A step's label: printed by ``str``, compared by ``==``.
Action = Hashable

State = TypeVar("State")


class Model(Protocol[State]):
    """A transition system. Equal calls must return equal answers, in the same order, in every process.

    A state never changes once returned: ``successors`` makes new ones.
    """

    def initial(self) -> Iterable[State]:
        """The states where a run can begin."""
        ...

    def successors(self, state: State) -> Iterable[tuple[Action, State]]:
        """Every step from *state*. An action that changes nothing may lead back to *state* or be left out."""
        ...

    def key(self, state: State) -> Hashable:
        """The identity of *state*: states with equal keys count as one, and only the first one found is
        stored.

        Handle symmetry here: sort interchangeable parts, so that states that differ only in names share a
        key.
        """
        ...


class UnmetError(Exception):
    """A state refers to a class or value that this process has not registered, because it never followed the
    path there.
    """


@runtime_checkable
class ComposedModel(Protocol[State]):
    """Methods of a model whose states are made of parts shared by many states.

    A search stores each part once (:class:`.visited.PartTable`).
    """

    def parts(self, state: State) -> tuple[bytes, ...]:
        """The parts of *state*, which together are also its key."""
        ...

    def composed(self, parts: tuple[bytes, ...]) -> State:
        """The state that has these parts."""
        ...


class CountingModel:
    """Base class of a model that counts while generating successors.

    :ivar outcomes: how often each kind of operation had each result, by keyword and ``ok`` or an errno
    :ivar unmodelled: the number of steps left out because the model has no rule for them, by message
    """

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.unmodelled: Counter[str] = Counter()

    def take_counts(self) -> tuple[Any, ...]:
        """The counts since the last call, as plain values; counting restarts at zero."""
        taken = tuple(self.outcomes.items()), tuple(self.unmodelled.items())
        self.outcomes.clear()
        self.unmodelled.clear()
        return taken

    def add_counts(self, counts: tuple[Any, ...]) -> None:
        """Add *counts*, which :meth:`take_counts` returned, perhaps in another process."""
        outcomes, unmodelled = counts
        self.outcomes.update(dict(outcomes))
        self.unmodelled.update(dict(unmodelled))

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """Count from zero, then restore the earlier counts."""
        before = self.take_counts()
        try:
            yield
        finally:
            self.take_counts()
            self.add_counts(before)


def kind(action: Action) -> str:
    """The kind of *action* to count it as: its ``kind``, a tuple's first item, or its first word."""
    name = getattr(action, "kind", None)
    if isinstance(name, str):
        return name
    if isinstance(action, tuple) and action:
        return str(action[0])
    return str(action).split(maxsplit=1)[0] if str(action).strip() else ""
