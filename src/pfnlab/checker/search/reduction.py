"""Partial-order reduction: of steps whose order cannot matter, look at one order.

A search given an *ample* function expands only the steps it picks. That keeps every verdict when, in each
state, the picked steps

1. are independent of all steps that the others can take before one of them is taken: neither disables the
   other, and both orders lead to the same state;
2. change nothing that a property can observe, unless all steps are picked;
3. are not put off for ever. The search ensures this: it picks all steps when each picked step leads to a
   state that was expanded before.

The model has to ensure the first two. :func:`by_footprint` does so for threads that declare footprints, and
:func:`disagreements` looks for a step that breaks them. Where the further footprint of a thread is unknown,
schedules that differ from others only in their order can be left out: :mod:`pfnlab.checker.races.schedules`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pfnlab.checker.search.model import Action, Model, State

#: The steps out of a state, and which of them suffice, as numbers counted from 0; none means all.
Ample = Callable[[State, Sequence[tuple[Action, State]]], Sequence[int]]

_ThreadsState = TypeVar("_ThreadsState", contravariant=True)


@dataclass(frozen=True)
class Footprint:
    """The parts that a step reads and writes, as bit masks over the shared parts."""

    reads: int = 0
    writes: int = 0

    def meets(self, other: Footprint) -> bool:
        """Whether the order of the two can matter: one writes what the other reads or writes."""
        return bool(self.writes & (other.reads | other.writes) | self.reads & other.writes)

    def __or__(self, other: Footprint) -> Footprint:
        """The footprint of both steps together."""
        return Footprint(self.reads | other.reads, self.writes | other.writes)


class Threads(Protocol[_ThreadsState]):
    """A model of threads with footprints, from which :func:`by_footprint` can pick."""

    def thread(self, action: Action) -> Hashable:
        """The thread of step *action*."""
        ...

    def threads(self, state: _ThreadsState) -> Iterable[Hashable]:
        """The threads that are not finished."""
        ...

    def next_of(self, state: _ThreadsState, thread: Hashable) -> Footprint:
        """The footprint of *thread*'s next step, with the conditions of steps that it cannot take now."""
        ...

    def rest_of(self, state: _ThreadsState, thread: Hashable) -> Footprint:
        """The footprint of *thread* from here to its end. A larger one is safe, a smaller one is wrong."""
        ...


def by_footprint(threads: Threads[State], visible: int) -> Ample[State]:
    """Pick the steps of one thread whose next step meets the further footprint of no other thread.

    :param visible: the bits that properties look at; a step that writes one is never picked alone
    """

    def ample(state: State, steps: Sequence[tuple[Action, State]]) -> Sequence[int]:
        steps_of: dict[Hashable, list[int]] = {}
        for number, (action, _) in enumerate(steps):
            steps_of.setdefault(threads.thread(action), []).append(number)
        if len(steps_of) < 2:
            return ()
        rest = {thread: threads.rest_of(state, thread) for thread in threads.threads(state)}
        for thread, numbers in steps_of.items():
            next_step = threads.next_of(state, thread)
            if next_step.writes & visible:
                continue
            if not any(next_step.meets(later) for other, later in rest.items() if other != thread):
                return numbers
        return ()

    return ample


def disagreements(model: Model[State], ample: Ample[State], states: Iterable[State]) -> list[str]:
    """A message for each pair of a picked step and another step of one of *states* that do not commute.

    Finding none proves nothing, since a step may be disabled only later; finding one is a defect of the
    model's footprints.
    """
    messages = []
    for state in states:
        steps = list(model.successors(state))
        picked = list(ample(state, steps))
        others = [number for number in range(len(steps)) if number not in picked]
        for first in picked:
            for second in others:
                left, right = steps[first], steps[second]
                if _after(model, left[1], right[0]) != _after(model, right[1], left[0]):
                    messages.append(f"'{left[0]}' and '{right[0]}' do not commute in {state!r}")
    return messages


def _after(model: Model[State], state: State, action: Action) -> list[Hashable]:
    return [model.key(after) for step_action, after in model.successors(state) if step_action == action] or [
        action
    ]
