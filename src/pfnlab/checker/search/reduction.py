"""Partial-order reduction: of steps whose order cannot matter, look at one order.

A search given an *ample* function expands only the steps it picks. That keeps every verdict when, in each
state, the picked steps

1. are independent of whatever the others can do before one of them is done: neither disables the other, and
   both orders lead to the same state;
2. cannot be told by any property from standing still, unless all steps are picked;
3. are not put off for ever. This one the search sees to: it picks everything when each picked step leads to a
   state that was expanded before.

The first two are the model's promise. :func:`by_footprint` keeps it for threads that say what they touch, and
:func:`disagreements` looks for a step that breaks it. Where nobody can say what a thread may still touch,
ways can be left out that differ from others in order only: :mod:`.schedules`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pfnlab.checker.search.model import Action, Model, State

#: The steps out of a state, and which of them suffice, as numbers counted from 0; none means all.
Ample = Callable[[State, Sequence[tuple[Action, State]]], Sequence[int]]

_Asked = TypeVar("_Asked", contravariant=True)


@dataclass(frozen=True)
class Footprint:
    """What a step reads and writes, as bit masks over whatever the threads share."""

    reads: int = 0
    writes: int = 0

    def meets(self, other: Footprint) -> bool:
        """Whether the order of the two can matter: one writes what the other reads or writes."""
        return bool(self.writes & (other.reads | other.writes) | self.reads & other.writes)

    def __or__(self, other: Footprint) -> Footprint:
        """What both together do."""
        return Footprint(self.reads | other.reads, self.writes | other.writes)


class Threads(Protocol[_Asked]):
    """What a model of threads tells, so that :func:`by_footprint` can pick."""

    def thread(self, action: Action) -> Hashable:
        """Whose step *action* is."""
        ...

    def threads(self, state: _Asked) -> Iterable[Hashable]:
        """The threads that are not finished."""
        ...

    def next_of(self, state: _Asked, thread: Hashable) -> Footprint:
        """What *thread*'s next step may touch, the conditions of steps it cannot take now included."""
        ...

    def rest_of(self, state: _Asked, thread: Hashable) -> Footprint:
        """What *thread* may touch from here to its end. More than it does is safe, less is wrong."""
        ...


def by_footprint(threads: Threads[State], visible: int) -> Ample[State]:
    """Pick the steps of one thread whose next step meets nothing that any other thread may still do.

    :param visible: the bits that properties look at; a step that writes one is never picked alone
    """

    def ample(state: State, steps: Sequence[tuple[Action, State]]) -> Sequence[int]:
        owned: dict[Hashable, list[int]] = {}
        for number, (action, _) in enumerate(steps):
            owned.setdefault(threads.thread(action), []).append(number)
        if len(owned) < 2:
            return ()
        rest = {thread: threads.rest_of(state, thread) for thread in threads.threads(state)}
        for thread, numbers in owned.items():
            next_step = threads.next_of(state, thread)
            if next_step.writes & visible:
                continue
            if not any(next_step.meets(later) for other, later in rest.items() if other != thread):
                return numbers
        return ()

    return ample


def disagreements(model: Model[State], ample: Ample[State], states: Iterable[State]) -> list[str]:
    """Where the picked steps of one of *states* and its other steps do not commute; a sentence each.

    Finding none proves nothing, since a step may be disabled only later; finding one is a defect of the
    model's footprints.
    """
    wrong = []
    for state in states:
        steps = list(model.successors(state))
        picked = list(ample(state, steps))
        others = [number for number in range(len(steps)) if number not in picked]
        for first in picked:
            for second in others:
                a, b = steps[first], steps[second]
                if _after(model, a[1], b[0]) != _after(model, b[1], a[0]):
                    wrong.append(f"'{a[0]}' and '{b[0]}' do not commute in {state!r}")
    return wrong


def _after(model: Model[State], state: State, action: Action) -> list[Hashable]:
    return [model.key(after) for found, after in model.successors(state) if found == action] or [action]
