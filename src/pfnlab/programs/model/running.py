"""A program's operations on the modelled kernel: one by one, or side by side around one that is held."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import msgspec

from pfnlab.errors import Undecided, errno_name
from pfnlab.mm.kernel import NO_TASK, Kernel
from pfnlab.mm.processors import Call, Operation
from pfnlab.mm.space import MmStruct
from pfnlab.programs.lang.forced import Hold, Skip
from pfnlab.programs.lang.ops import Op, Release
from pfnlab.programs.lang.words import HOLD_FUNCTIONS
from pfnlab.programs.model.dispatch import perform
from pfnlab.programs.runs.observation import BUSY, HELD, NOT_HELD, WAITS, Step
from pfnlab.programs.runs.places import Places

#: Functions the model can leave out.
_SKIPPED = ("flush_tlb_mm_range",)


class Returned(NamedTuple):
    """Result and value of a step, in the words of observations."""

    result: str
    value: int | str | None = None


class OneByOne:
    """Every operation runs to its end before the next begins."""

    def __init__(self, kernel: Kernel, places: Places) -> None:
        self._kernel, self._places = kernel, places

    @property
    def settled(self) -> bool:
        """Whether nothing is under way."""
        return True

    def step(self, op: Op) -> Returned:
        """Run *op*."""
        if isinstance(op.call, Release):
            return Returned("ok")
        if op.skip is None or op.task not in self._kernel.tasks:
            return self.perform(op)
        operation = Operation(op.task, partial(self.perform, op), skip=_skip(op.skip))
        self._kernel.processors.begin(operation)
        said: Returned = operation.result
        return said

    def seen(self, step: Step) -> Step:
        """What can be compared of *step*."""
        return step

    def perform(self, op: Op) -> Returned:
        task = self._kernel.tasks.get(op.task)
        if task is None:
            return Returned(errno_name(NO_TASK))
        if op.fail is not None:
            self._kernel.force(op.fail.function, op.fail.nth)
        try:
            outcome = perform(self._kernel, task, op.call, self._places)
        finally:
            self._kernel.unforce()
        return Returned(errno_name(outcome.errno) if outcome.errno else "ok", outcome.value)


class SideBySide(OneByOne):
    """Every task has a processor of its own, and one of them may stand still in the middle.

    In such a program a kernel's order of calls is not observed, and its flushes are only while a processor is
    held: then they are what the address spaces' counters say.
    """

    def __init__(self, kernel: Kernel, places: Places) -> None:
        super().__init__(kernel, places)
        self._processors = kernel.processors
        self._generations = self._now()

    @property
    def settled(self) -> bool:
        """Whether nothing is under way."""
        return self._processors.held is None

    def step(self, op: Op) -> Returned:
        """Begin *op* and see how far it gets."""
        if isinstance(op.call, Release):
            done = self._processors.release()
            return Returned("ok", "; ".join(_text(one) for one in done) or None)
        if op.task not in self._kernel.tasks:
            return Returned(errno_name(NO_TASK))
        if any(one.task == op.task for one in self._processors.waiting):
            return Returned(BUSY)
        run = partial(self._on_its_stack, op)
        operation = Operation(op.task, run, hold=_hold(op.hold), skip=_skip(op.skip))
        self._processors.begin(operation)
        return _so_far(operation, op.hold is not None, self._processors.held is operation)

    # A task writes to its stack before it does anything.
    def _on_its_stack(self, op: Op) -> Returned:
        mm = self._kernel.tasks[op.task].mm
        if mm.stacks_shared:
            with mm.mmap_lock.read():
                pass
        return self.perform(op)

    def seen(self, step: Step) -> Step:
        """What can be compared of *step*."""
        before, self._generations = self._generations, self._now()
        if self.settled:
            return msgspec.structs.replace(step, flushes=None, events=None)
        grown = sum(now - before[mm] for mm, now in self._generations.items() if mm in before)
        return msgspec.structs.replace(step, vmas=None, flushes=grown, events=None)

    # How often every address space was flushed.
    def _now(self) -> dict[MmStruct, int]:
        return {task.mm: task.mm.tlb_gen for task in self._kernel.processes()}


def _so_far(operation: Operation, to_be_held: bool, stands: bool) -> Returned:
    """How far an operation got that has just begun."""
    if stands:
        return Returned(HELD)
    if operation.waits is not None:
        return Returned(WAITS, operation.waits.value)
    said: Returned = operation.result
    if not to_be_held:
        return said
    return Returned(said.result, NOT_HELD if said.value is None else f"{said.value}, {NOT_HELD}")


def _text(done: Operation) -> str:
    said: Returned = done.result
    return " ".join(str(word) for word in (done.task, *said) if word is not None)


def _hold(hold: Hold | None) -> Call | None:
    """Where to stop.

    :raises Undecided: the model does not stop there
    """
    if hold is None:
        return None
    if hold.function not in HOLD_FUNCTIONS:
        known = ", ".join(HOLD_FUNCTIONS)
        raise Undecided(f"the model does not stop at {hold.function}, only at {known}")
    return Call(hold.function, hold.nth, hold.at_return)


def _skip(skip: Skip | None) -> Call | None:
    """What to leave out.

    :raises Undecided: the model does not know what follows
    """
    if skip is None:
        return None
    if skip.function not in _SKIPPED:
        known = ", ".join(_SKIPPED)
        raise Undecided(
            f"the model does not know what follows when {skip.function} is left out, only {known}"
        )
    return Call(skip.function, skip.nth)
