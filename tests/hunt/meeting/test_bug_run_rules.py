"""Rules held by programs: every row of the catalogue is what the machines answer, and a wrong row is not."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.hunt.meeting.bug_run import held_answer, program_file
from pfnlab.kernel.bugs.known_bugs import Bug, HeldBy, all_bugs, bug
from pfnlab.present.document.terminal import text_of
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.runs.golden import golden_look
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Accel
from pfnlab.programs.runs.named_machines import name_machines, side_by_side
from pfnlab.programs.runs.observation import Run
from pfnlab.verbs.bug_entry import BugEntry

HELD = [one for one in all_bugs() if one.holds]


def runs_of(row: HeldBy) -> list[Run]:
    """The runs of a row's program on its machines."""
    path = program_file(row.program)
    look = golden_look(path) or LookLevel.PROC
    (runs,) = side_by_side(name_machines(row.on), [load_program(path)], look, Accel.TCG)
    return list(runs)


def not_held(row: HeldBy, runs: Sequence[Run]) -> tuple[str, ...]:
    """The machines among *runs* that do not answer as the rule says."""
    return tuple(run.machine for run in runs if held_answer(row, run) != row.says)


@for_each("one", HELD, ids=lambda one: one.number)
def test_every_row_is_what_its_machines_answer(one: Bug) -> None:
    """No machine of a row answers otherwise."""
    assert [] == [(row.op, name) for row in one.holds for name in not_held(row, runs_of(row))]


@for_each("one", HELD, ids=lambda one: one.number)
def test_a_row_that_says_otherwise_fails(one: Bug) -> None:
    """Each of its machines is named."""
    row = one.holds[0]
    runs = runs_of(row)

    wrong = not_held(msgspec.structs.replace(row, says=f"not {row.says}"), runs)

    assert tuple(run.machine for run in runs) == wrong


def test_a_step_that_is_none_is_refused() -> None:
    """With its text."""
    row = msgspec.structs.replace(bug("F23").holds[0], op="madvise a nothing")

    with pytest.raises(Misuse, match="madvise-dump has no step 'madvise a nothing'"):
        held_answer(row, runs_of(row)[0])


def test_an_entry_prints_its_rows() -> None:
    """With step, answer and machines."""
    printed = text_of(BugEntry.of(bug("F23")).blocks())

    assert "madvise-dump, madvise a dodump: result EINVAL on model:6.1" in printed
