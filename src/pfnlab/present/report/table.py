"""Machines side by side: a row for each operation, and its effects below it.

Effects are shown if they have changed since the step before or differ between machines, and the book is shown
while anything is reserved.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from pfnlab.checker.judging.history import kept_after
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.cells import HAPPENED, NOT_SEEN, NOTHING, QUIET, cell
from pfnlab.programs.runs.compare import comparable, spent_messages
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.mode_lines import mode_lines, without_pages
from pfnlab.programs.runs.observation import Run, Step


class TableRow(NamedTuple):
    """A label, and the lines in each machine's cell; *lit* cells differ from the first machine's."""

    label: str
    cells: tuple[tuple[str, ...], ...]
    lit: frozenset[int] = frozenset()


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
        return cell(step, field, kept=self._kept[index])

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
