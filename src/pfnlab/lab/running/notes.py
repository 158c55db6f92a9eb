"""Additions that a schedule makes to the observations in its steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from pfnlab.base.errors import Undecided, Why
from pfnlab.lab.running.inside_state import LensState
from pfnlab.programs.lang.ops import Op
from pfnlab.programs.runs.observation import NOT_HELD, Step


class Noise(Undecided):
    """A task waited for something else that the stopped machine holds: the program should be run again.

    A processor may be stopped while it holds a scheduler lock or is needed for the kernel's own work.
    """

    kind = Why.GUEST


@dataclass(frozen=True)
class Note:
    """Additions that a schedule makes to the observations in one step.

    :param alone: whether only memory was observed, because a processor was held
    :param result: replaces the result in the answer; *value* replaces the value in it
    :param not_held: whether a processor was to be held but no task got to the place
    :param flushes: TLB flushes of the program's address spaces; None for a completed fork, whose task copied
        its own pages, and if a process with separate memory was reaped
    :param ended: the operations that a release completed; None in other steps
    """

    alone: bool = False
    result: str | None = None
    value: str | None = None
    not_held: bool = False
    flushes: int | None = None
    ended: tuple[Op, ...] | None = None


def with_notes(steps: Sequence[Step], states: Sequence[LensState], notes: Sequence[Note]) -> list[Step]:
    """The *steps* of a schedule with its *notes*, and with *states* where only memory was observed."""
    noted_steps = list(steps)
    for number, (step, state, note) in enumerate(zip(steps, states, notes, strict=False)):
        if note.result is not None:
            step = msgspec.structs.replace(step, result=note.result, value=note.value)
        if note.not_held:
            value = NOT_HELD if step.value is None else f"{step.value}, {NOT_HELD}"
            step = msgspec.structs.replace(step, value=value)
        if note.alone:
            ptes = None if step.ptes is None else state.ptes
            step = msgspec.structs.replace(
                step, book=state.book, vmas=None, ptes=ptes, flushes=note.flushes, events=None
            )
        noted_steps[number] = step
    return noted_steps


def flushes_between(before: LensState, after: LensState) -> int:
    """The number of flushes of address spaces between two snapshots; a new address space counts from 0."""
    had = before.memory.tlb_gens
    return sum(
        max(0, generation - had[task][1])
        for task, (space, generation) in after.memory.tlb_gens.items()
        if task in had and had[task][0] == space
    )


def ending(op: Op, result: str, value: int | str | None) -> str:
    """The outcome of one operation, as part of the value of ``release``."""
    return " ".join([op.task, result, *([] if value is None else [str(value)])])
