"""Results as HTML for notebooks: the blocks of their reports, every word escaped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pfnlab.document.blocks import Block, Cell, Figure, Paragraph, Table, cell
from pfnlab.document.check_part import part
from pfnlab.document.compose import document_of
from pfnlab.document.drawings import checked
from pfnlab.document.html import fragment
from pfnlab.document.run_part import result_part
from pfnlab.picture import draw_state
from pfnlab.report.run_result import RunResult
from pfnlab.result import Made

if TYPE_CHECKING:
    from pfnlab.api.check_report import CheckReport
    from pfnlab.api.live import LiveMachine
    from pfnlab.api.records import Record
    from pfnlab.api.runs import RunReport

#: The rows of the table of steps.
_FIELDS = ("value", "log", "book", "vmas")


def result_html(result: RunReport) -> str:
    """A run: the sentence, the story as a picture, machines side by side, and what its report has else."""
    named = RunResult(result.program.title or "program", result.program, tuple(result.runs), result.verdict)
    shown = result_part(named, Made.now(), _FIELDS)
    return fragment((Paragraph(shown.says), *shown.blocks))


def machine_html(machine: LiveMachine) -> str:
    """A machine: the state as a picture, what was done, and what is there now."""
    done = [
        (cell(str(number)), cell(seen.op, code=True), cell(seen.result))
        for number, seen in enumerate(machine.steps, 1)
    ]
    blocks: list[Block] = [Paragraph(machine.name)]
    if machine.state is not None:
        now = tuple((cell(label), Cell(lines, code=True)) for label, lines in machine.state.rows())
        blocks += (
            Figure("The state", checked(draw_state(machine.program, machine.story.runs[0], -1))),
            Table("What was done", ("", "operation", "result"), tuple(done)),
            Table("What is there now", ("", machine.name), now),
        )
    return fragment(blocks)


def check_html(report: CheckReport) -> str:
    """A check: as its report."""
    return fragment(document_of([part(checked) for checked in report.checks]).blocks)


def records_html(records: Sequence[Record], empty: str) -> str:
    """Rows as a table with their keys above."""
    if not records:
        return fragment((Paragraph(empty),))
    rows = (tuple(cell("" if value is None else str(value)) for value in row.values()) for row in records)
    return fragment((Table("Rows", tuple(records[0]), tuple(rows)),))
