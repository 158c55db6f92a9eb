"""Results as HTML for notebooks: pictures and tables without scripts, every word escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from pfnlab.document.drawings import MOST_STEPS
from pfnlab.picture import draw_state, draw_story
from pfnlab.report.table import MARK, TableRow, step_rows
from pfnlab.report.verdict import verdict_lines

if TYPE_CHECKING:
    from pfnlab.api.checks import CheckReport
    from pfnlab.api.live import LiveMachine
    from pfnlab.api.records import Record
    from pfnlab.api.runs import RunReport

_TABLE = "border-collapse:collapse;font:12px monospace"
_CELL = "text-align:left;vertical-align:top;padding:1px 12px 1px 0;white-space:pre-wrap"
_LIT = f"{_CELL};font-weight:bold;outline:1px solid"
_WIDTH = 120


def result_html(result: RunReport) -> str:
    """A run: title, the story as a picture, machines side by side, verdict."""
    rows = [
        TableRow("", tuple((run.machine,) for run in result.runs)),
        *step_rows(result.program, result.runs, result.verdict, ("value", "log", "book", "vmas")),
    ]
    words = (result.program.title, result.program.asks)
    head = "".join(f"<p>{escape(line)}</p>" for line in words if line)
    lines = (line.text for line in verdict_lines(result.runs, result.verdict, _WIDTH))
    return head + _picture(result) + _table(map(_row, rows)) + _lines(lines)


def machine_html(machine: LiveMachine) -> str:
    """A machine: the state as a picture, what was done, and what is there now."""
    done = [
        f"<tr>{_cell(str(number))}{_cell(seen.op)}{_cell(seen.result)}</tr>"
        for number, seen in enumerate(machine.steps, 1)
    ]
    state = machine.state
    now = [] if state is None else [TableRow(label, (lines,)) for label, lines in state.rows()]
    drawn = "" if state is None else draw_state(machine.program, machine.story.runs[0], -1)
    return f"<p><b>{escape(machine.name)}</b></p>" + drawn + _table(done) + _table(map(_row, now))


def check_html(report: CheckReport) -> str:
    """A check: a row a property and machine, and each counterexample."""
    table = records_html(report.to_records(), empty="nothing was asked")
    return table + "".join(
        f"<p>{escape(name)} on {escape(checked.machine)}:</p>{_lines(str(program).splitlines())}"
        for checked in report.checks
        for name, program in report.counterexamples_of(checked).items()
    )


def records_html(records: Sequence[Record], empty: str) -> str:
    """Rows as a table with their keys above."""
    if not records:
        return f"<p>{escape(empty)}</p>"
    head = f"<tr>{''.join(_cell(key, 'th') for key in records[0])}</tr>"
    rows = (
        f"<tr>{''.join(_cell('' if value is None else str(value)) for value in record.values())}</tr>"
        for record in records
    )
    return _table([head, *rows])


def _picture(result: RunReport) -> str:
    """The story of the runs, where it is short enough to be looked at and every machine got somewhere."""
    if len(result.program.ops) > MOST_STEPS or not all(run.steps for run in result.runs):
        return ""
    return draw_story(result.program, result.runs)


# As in the terminal, a cell that is not as the first machine's is highlighted, and its row ends in a mark.
def _row(row: TableRow) -> str:
    cells = "".join(
        _cell("\n".join(lines), style=_LIT if index in row.lit else _CELL)
        for index, lines in enumerate(row.cells)
    )
    return f"<tr>{_cell(row.label, 'th')}{cells}{_cell(MARK) if row.lit else ''}</tr>"


def _cell(text: str, tag: str = "td", style: str = _CELL) -> str:
    return f'<{tag} style="{style}">{escape(text)}</{tag}>'


def _table(rows: Iterable[str]) -> str:
    body = "".join(rows)
    return f'<table style="{_TABLE}">{body}</table>' if body else ""


def _lines(lines: Iterable[str]) -> str:
    return f"<pre>{escape(chr(10).join(lines))}</pre>"
