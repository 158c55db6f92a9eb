"""Machines side by side: a line for each operation, its effects below it, differences highlighted.

Plain aligned columns: the operation on the left, then one column per machine. Effects are shown if they have
changed since the step before or differ between machines, and the book is shown while anything is reserved.
Cells that differ from the first machine's are highlighted, and their row ends in ``<``. If the terminal is
too narrow for all machines, they are shown in blocks one below another, each with all rows.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from pfnlab.checker.judging.history import kept_after
from pfnlab.present.report.run_result import verdict_lines
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.cells import (
    HAPPENED,
    LEAKED,
    NOT_SEEN,
    NOTHING,
    QUIET,
    ROWS,
    STEP_ROWS,
    TRACE_ROWS,
    cell,
)
from pfnlab.programs.runs.compare import comparable, spent_messages
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.mode_lines import mode_lines, without_pages
from pfnlab.programs.runs.observation import Run, Step

#: Characters that a terminal interprets: bell, backspace, vertical tab, form feed, return.
_ACTING = dict.fromkeys((7, 8, 11, 12, 13))


class StyledPiece(NamedTuple):
    """A piece of text with a rich style such as ``bold red``; empty for none."""

    text: str
    style: str


class StyledText:
    """Text built from pieces; rich itself is slow to import, so it is used only on a terminal."""

    def __init__(self, text: str = "", style: str = "") -> None:
        self.pieces: list[StyledPiece] = []
        self.append(text, style)

    def append(self, text: str, style: str = "") -> None:
        """Add a piece."""
        shown = text.translate(_ACTING)
        if shown:
            self.pieces.append(StyledPiece(shown, style))

    def add(self, other: StyledText) -> None:
        """Add the pieces of another text."""
        self.pieces += other.pieces

    def rstrip(self) -> None:
        """Remove trailing white space."""
        while self.pieces:
            last = self.pieces.pop()
            if kept := last.text.rstrip():
                self.pieces.append(last._replace(text=kept))
                return

    @property
    def plain(self) -> str:
        """The text without styles."""
        return "".join(piece.text for piece in self.pieces)


def lines_of(texts: Iterable[StyledText]) -> StyledText:
    """Return texts joined by newlines."""
    whole = StyledText()
    for at, text in enumerate(texts):
        if at:
            whole.append("\n")
        whole.add(text)
    return whole


#: Styles by the text they mark.
HEAD, OP, LIT, FAILED = "bold", "", "bold yellow", "bold red"
#: Space between columns, their minimum width, and the width below which one moves to a block of its own.
GAP = 3
NARROWEST = 12
READABLE = 16
#: The mark at the end of rows that differ, and the explanations of marks.
MARK = "<"
LEGEND = {LEAKED: "still reserved, but no longer mapped", MARK: "differs from the first machine"}


class TableRow(NamedTuple):
    """A label, and the lines in each machine's cell; *lit* cells differ from the first machine's."""

    label: str
    cells: tuple[tuple[str, ...], ...]
    lit: frozenset[int] = frozenset()
    style: str = ""


def render(
    result: RunResult,
    *,
    name: str = "",
    width: int = 100,
    steps: bool = False,
    trace: bool = False,
    options: tuple[str, str] = ("--steps", "--trace"),
) -> StyledText:
    """Return the complete report on one program.

    :param width: the terminal's width in columns; long cells are wrapped to fit
    :param options: the options with which a reader can see *steps* and *trace*
    """
    program = result.program
    rows = [TableRow("", tuple((machine,) for machine in result.machines), style=HEAD)]
    fields = TRACE_ROWS if trace else STEP_ROWS if steps else ROWS
    rows += step_rows(result, fields)
    text = StyledText()
    for line, style in ((": ".join(filter(None, (name, program.title))), HEAD), (program.asks, OP)):
        paragraph(text, line, width, style)
    text.append("\n")
    label = max(len(row.label) for row in rows)
    inner = width - len(MARK) - 1
    for block in blocks(label, _natural(rows), inner):
        own = [_of_block(row, block) for row in rows]
        label_width, columns = fit(max(len(row.label) for row in own), _natural(own), inner)
        for row in own:
            _lay_out_row(text, row, label_width, columns)
        text.append("\n")
    paragraph(text, "; ".join(_legend(rows)), width, OP)
    for statement in verdict_lines(result, width, ("result", *fields)):
        text.append(statement.text + "\n", {"bad": FAILED, "lit": LIT}.get(statement.tone, OP))
    hidden = {difference.field for difference in result.differences} - {"result", *fields}
    if hidden:
        option = options["events" in hidden]
        paragraph(text, f"{option} shows where they differ inside", width, OP)
    return text


def paragraph(text: StyledText, line: str, width: int, style: str = OP, indent: int = 2) -> None:
    """Append *line* wrapped to *width* columns, with all rows but the first indented."""
    for piece in textwrap.wrap(line, max(width, 20), subsequent_indent=" " * indent, break_on_hyphens=False):
        text.append(piece + "\n", style)


def _legend(rows: Sequence[TableRow]) -> Iterator[str]:
    used = {LEAKED: any(line.endswith(LEAKED) for row in rows for cell in row.cells for line in cell)}
    used[MARK] = any(row.lit for row in rows)
    return (f"{mark}: {says}" for mark, says in LEGEND.items() if used[mark])


class StepRows(NamedTuple):
    """The rows for one step: operation and result, then the effects worth showing.

    :param alone: whether to show the first row even if there are no effects
    """

    first: TableRow
    consequences: tuple[TableRow, ...]
    alone: bool

    def of(self, fields: Collection[str]) -> Iterator[TableRow]:
        """Yield the rows for some fields."""
        shown = [row for row in self.consequences if row.label.strip() in fields]
        if self.alone or shown:
            yield from (self.first, *shown)


def step_rows(result: RunResult, fields: Collection[str]) -> list[TableRow]:
    """Return the rows of all steps for *fields*."""
    return [row for step in rows_by_step(result, fields) for row in step.of(fields)]


def rows_by_step(result: RunResult, fields: Iterable[str]) -> Iterator[StepRows]:
    """Yield the rows of each step."""
    runs = result.runs
    differing = {(difference.step, difference.field) for difference in result.differences}
    spent = spent_messages(runs)
    cells = [_MachineCells(result.program, run) for run in runs]
    for index in range(max((len(run.steps) for run in runs), default=0)):
        steps = [run.steps[index] if index < len(run.steps) else None for run in runs]
        results = tuple(_result(step, run, index) for step, run in zip(steps, runs, strict=True))
        op = next(step.op for step in steps if step is not None)
        consequences = []
        for field in fields:
            seen = tuple(machine.at(index, field) for machine in cells)
            differ = (index, field) in differing
            lit = _lit(steps, field, spent) if differ else frozenset[int]()
            if field == "mode":
                lit = _unlike_first(steps, seen)
                differ = bool(lit)
            # Reservations are repeated at every step, because it matters that one stays as well as that it
            # goes.
            stays = field == "book" and op != "end" and any(step is not None and step.book for step in steps)
            if differ or stays or any(machine.news(index, field) for machine in cells):
                consequences.append(TableRow(f"  {field}", seen, lit))
        differs = (index, "result") in differing
        first = TableRow(op, results, _lit(steps, "result", spent) if differs else frozenset())
        yield StepRows(first, tuple(consequences), op != "end" or differs or None in steps)


class _MachineCells:
    """One machine's cells."""

    def __init__(self, program: Program, run: Run) -> None:
        self._program, self._steps = program, run.steps
        self._kept = list(kept_after(program, run))
        # vfio-pci keeps its own mapping of the device while it is open, which the program does not mention.
        self._driver_keeps = program.needs.vfio

    @cached_property
    def _modes(self) -> list[tuple[str, ...]]:
        return mode_lines(self._program.ops, self._steps)

    def at(self, index: int, field: str) -> tuple[str, ...]:
        """Return the lines for a field of a step; empty for a step that was not reached."""
        if index >= len(self._steps):
            return ()
        if field == "mode":
            return self._modes[index]
        step = self._steps[index]
        return cell(step, field, driver_keeps=self._driver_keeps, kept=self._kept[index])

    def news(self, index: int, field: str) -> bool:
        """Return True if the field deserves a row: events always do, states do if they changed."""
        # The level of a message is shown if machines differ in it.
        if index >= len(self._steps) or field == "levels":
            return False
        if field == "mode":
            before = self._modes[index - 1] if index else ()
            new = set(self._modes[index]).difference(before)
            return bool(new) and not without_pages(new) <= without_pages(before)
        lines = cell(self._steps[index], field)
        if field in HAPPENED:
            return lines not in QUIET
        return lines not in (
            ((NOTHING,), (NOT_SEEN,)) if not index else (cell(self._steps[index - 1], field),)
        )


def _unlike_first(steps: Sequence[Step | None], seen: Sequence[tuple[str, ...]]) -> frozenset[int]:
    """Return the machines whose lines differ from those of the first machine that could be observed."""
    looked = [at for at, step in enumerate(steps) if step is not None and step.ptes is not None]
    return frozenset(at for at in looked if seen[at] != seen[looked[0]])


# A machine that was lost or is undecided is shown as such once, at the first step it did not reach.
def _result(step: Step | None, run: Run, index: int) -> tuple[str, ...]:
    if step is not None:
        return cell(step, "result")
    if index != len(run.steps):
        return ()
    return ("undecided",) if run.undecided is not None else ("lost",)


# The machines that differ from the first one.
def _lit(steps: Sequence[Step | None], field: str, spent: frozenset[str]) -> frozenset[int]:
    values = {index: comparable(step, field, spent) for index, step in enumerate(steps) if step is not None}
    first = next((value for value in values.values() if value is not None), None)
    return frozenset(index for index, value in values.items() if value != first)


def blocks(label: int, natural: Sequence[int], width: int) -> list[range]:
    """Return the columns to show side by side: all of them, or as few blocks as are readable."""
    label = min(label, max(width // 3, NARROWEST))
    per_block = len(natural)
    for count in range(1, len(natural) + 1):
        per_block = -(-len(natural) // count)
        least_widths = (
            sum(GAP + min(column, READABLE) for column in natural[at : at + per_block])
            for at in range(0, len(natural), per_block)
        )
        if label + max(least_widths) <= width:
            break
    return [range(at, min(at + per_block, len(natural))) for at in range(0, len(natural), per_block)]


def _natural(rows: Sequence[TableRow]) -> list[int]:
    machines = range(len(rows[0].cells))
    return [max(len(line) for row in rows for line in (*row.cells[machine], "")) for machine in machines]


def _of_block(row: TableRow, block: range) -> TableRow:
    lit = frozenset(index - block.start for index in row.lit if index in block)
    return row._replace(cells=row.cells[block.start : block.stop], lit=lit)


def fit(label: int, natural: Sequence[int], width: int) -> tuple[int, list[int]]:
    """Return the widths of the label (at most a third of *width*) and of every column, so that the line fits
    if possible: wide columns share the space that narrow ones do not need."""
    if label + sum(natural) + GAP * len(natural) <= width:
        return label, list(natural)
    label = min(label, max(width // 3, NARROWEST))
    remaining = width - label - GAP * len(natural)
    columns = [0] * len(natural)
    order = sorted(range(len(natural)), key=lambda index: natural[index])
    for position, index in enumerate(order):
        share = max(remaining // (len(order) - position), NARROWEST)
        columns[index] = min(natural[index], share)
        remaining -= columns[index]
    return label, columns


def _lay_out_row(text: StyledText, row: TableRow, label: int, columns: Sequence[int]) -> None:
    indent = " " * (len(row.label) - len(row.label.lstrip()))
    labels = _wrapped([row.label.strip()], label, indent, indent + "  ")
    cells = [_wrapped(lines, columns[index]) for index, lines in enumerate(row.cells)]
    for height in range(max(map(len, [labels, *cells]))):
        line = StyledText(_at(labels, height).ljust(label), row.style)
        for index, lines in enumerate(cells):
            piece = _at(lines, height)
            line.append(" " * GAP)
            leaked = piece.endswith(LEAKED)
            line.append(piece, FAILED if leaked else LIT if index in row.lit else row.style)
            line.append(" " * (columns[index] - len(piece)))
        if row.lit and height == 0:
            line.append(f" {MARK}")
        line.rstrip()
        text.add(line)
        text.append("\n")


def _at(lines: Sequence[str], height: int) -> str:
    return lines[height] if height < len(lines) else ""


def _wrapped(lines: Iterable[str], width: int, first: str = "", rest: str = "") -> list[str]:
    wrapped: list[str] = []
    for line in lines:
        if len(first + line) <= width:
            wrapped.append(first + line)
        else:
            wrapped += textwrap.wrap(
                line, max(width, 8), initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
            )
    return wrapped
