"""A rule held by its programs: what a step answers on a machine, beside what the rule says of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.kernel.bugs.known_bugs import HeldBy
from pfnlab.programs.runs.cells import cell
from pfnlab.programs.runs.observation import Run


class HeldMachine(msgspec.Struct, frozen=True):
    """One machine's answer in a step that a rule is about.

    :param program: its name
    :param machine: its name
    :param op: the step
    :param field: the field of it
    :param says: what the rule says of it
    :param answer: what the machine answers
    """

    program: str
    machine: str
    op: str
    field: str
    says: str
    answer: str


def held_machines(row: HeldBy, runs: Sequence[Run]) -> tuple[HeldMachine, ...]:
    """The answers of *runs*, each beside the rule's.

    :raises Misuse: a run has no such step
    """
    return tuple(
        HeldMachine(row.program, run.machine, row.op, row.field, row.says, held_answer(row, run))
        for run in runs
    )


def held_answer(row: HeldBy, run: Run) -> str:
    """The answer of a run in the step that *row* names: ``EINVAL``; ``-`` where it has no line.

    :raises Misuse: the run has no such step
    """
    step = next((one for one in run.steps if one.op == row.op), None)
    if step is None:
        raise Misuse(f"{row.program} has no step {row.op!r} on {run.machine}: write one as `run` prints it")
    return ", ".join(cell(step, row.field)) or "-"
