"""The processors that a munmap interrupts, on a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from pfnlab.programs.lang.ops import MAIN_TASK, Munmap, Op, Program, Thread
from pfnlab.programs.model.execution import SequentialExecution
from pfnlab.programs.model.model_machine import ModelMachine, place
from pfnlab.programs.runs.places import Places


class Reach(NamedTuple):
    """The processors interrupted by the flushes in one operation, not counting the flushing one.

    :param flushes: the most flushes that any one of them took part in
    :param processors: how many of them took part in any flush
    :param interrupts: the interrupts on all of them together
    """

    flushes: int
    processors: int
    interrupts: int

    @classmethod
    def of(cls, flushes: Sequence[int]) -> Reach:
        """Make the reach from the flushes counted on each of the other processors."""
        return cls(max(flushes, default=0), sum(map(bool, flushes)), sum(flushes))


def model_reach(machine: str, program: Program, processors: int) -> Reach:
    """Return the reach of the last munmap in *program* on a model with a thread on each of *processors*.

    All threads run: the model has no idle processors, on which a kernel may defer flushes.
    """
    platform, devices, whole = place(program)
    kernel = ModelMachine(machine).boot(platform, devices)
    kernel.start_task(MAIN_TASK)
    running = SequentialExecution(kernel, replace(Places.of(program, devices), whole=whole))
    reached = Reach(0, 0, 0)
    for op in (*(Op(Thread(f"cpu{number}")) for number in range(1, processors)), *program.ops):
        threads = [task for task in kernel.tasks.values() if task.comm != op.task]
        before = [thread.tlb.flushed for thread in threads]
        running.step(op)
        if isinstance(op.call, Munmap):
            counted = [thread.tlb.flushed - earlier for thread, earlier in zip(threads, before, strict=True)]
            reached = Reach.of(counted)
    return reached
