"""The text of ``run``: machines side by side, a row for each kernel, or a row for each program.

In a table of machines the operation is on the left, then one column per machine. Cells that differ from the
first machine's are highlighted, and their row ends in ``<``.
"""

from collections.abc import Iterator, Sequence

from pfnlab.checker.scopes.state_judges import no_leak
from pfnlab.present.document.blocks import Block, Cell, Paragraph, Table, Tone, cell
from pfnlab.present.document.terminal import MARK
from pfnlab.present.report.known_reasons import KnownReason
from pfnlab.present.report.run_result import (
    About,
    RunStatus,
    by_weight,
    compared_machines,
    counts,
    expect_text,
    leaked_at_end,
    statements,
    status_of,
    why_of,
)
from pfnlab.present.report.table import TableRow, step_rows
from pfnlab.programs.runs.cells import LEAKED, ROWS, STEP_ROWS, TRACE_ROWS
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.observation import Run

#: The explanations of marks.
LEGEND = {LEAKED: "still reserved, but no longer mapped", MARK: "differs from the first machine"}


def run_blocks(
    result: RunResult,
    *,
    name: str = "",
    steps: bool = False,
    trace: bool = False,
    options: tuple[str, str] = ("--steps", "--trace"),
) -> Iterator[Block]:
    """Yield the complete report on one program.

    :param name: the program's name, if several programs are printed
    :param options: the options with which a reader can see *steps* and *trace*
    """
    fields = TRACE_ROWS if trace else STEP_ROWS if steps else ROWS
    rows = step_rows(result, fields)
    yield from _title(result, name)
    machines = tuple(run.machine for run in result.runs)
    yield steps_table("", rows, machines)
    if legend := "; ".join(_legend(rows)):
        yield Paragraph(legend)
    shown = ("result", *fields)
    for one in statements(result, shown):
        yield Paragraph(f"{one.about.value}{one.says}", one.tone, whole=one.about is About.LOG)
    hidden = {difference.field for difference in result.differences} - {*shown}
    if hidden:
        yield Paragraph(f"{options['events' in hidden]} shows where they differ inside")


def _title(result: RunResult, name: str) -> Iterator[Block]:
    if title := ": ".join(filter(None, (name, result.program.title))):
        yield Paragraph(title, "head")
    if result.program.asks:
        yield Paragraph(result.program.asks)


def steps_table(caption: str, rows: Sequence[TableRow], machines: Sequence[str]) -> Table:
    """Return the table of steps: operations with the effects below them, and a column for each machine."""
    cells = []
    for row in rows:
        is_effect = row.label.startswith(" ")
        label = cell(row.label, "pale" if is_effect else "", code=not is_effect)
        cells.append((label, *(seen(lines, place in row.lit) for place, lines in enumerate(row.cells))))
    columns = tuple(range(len(machines) + 1))
    return Table(caption, ("", *machines), tuple(cells), columns, headed=True, marked=True)


def seen(lines: tuple[str, ...], lit: bool) -> Cell:
    """Return a machine's observation, highlighted if it differs from the first machine's."""
    return Cell(lines, "lit" if lit else "", True, LEAKED)


def _legend(rows: Sequence[TableRow]) -> Iterator[str]:
    used = {LEAKED: any(line.endswith(LEAKED) for row in rows for lines in row.cells for line in lines)}
    used[MARK] = any(row.lit for row in rows)
    return (f"{mark}: {says}" for mark, says in LEGEND.items() if used[mark])


def summary_blocks(results: Sequence[RunResult], *, wrong_only: bool = False) -> Iterator[Block]:
    """Yield the summary: status, name, reason to review, machines, counts; only problems if *wrong_only*."""
    shown = [result for result in by_weight(results) if not (wrong_only and status_of(result).is_good)]
    if wrong_only and not shown:
        return
    rows = tuple(
        (cell(status_of(result).value, _tone(status_of(result))), cell(result.name), cell(why_of(result)))
        for result in shown
    )
    yield Table("", ("", "", ""), rows, (0, 1, 2))
    yield Paragraph(f"on {compared_machines(results)}, {counts(results)}")


def _tone(status: RunStatus) -> Tone:
    return "" if status.is_good else "lit" if status is RunStatus.DIFFERS else "bad"


def kernel_blocks(result: RunResult, *, name: str = "") -> Iterator[Block]:
    """Yield a row for each kernel in *result*, in the order given: its problems, and how many misbehave.

    :param name: the program's name, if several programs are printed
    """
    yield from _title(result, name)
    rows = []
    bad = undecided = 0
    for run in result.runs:
        wrong = "; ".join(_faults(result, run))
        bad += bool(wrong)
        undecided += run.unfinished is not None and not wrong
        shown = "".join(f"; known bug {number}" for number in run.bugs)
        says = f"{wrong or run.unfinished or 'no leak, no violation'}{shown}"
        rows.append((cell(run.machine), cell(says, "bad" if wrong else "")))
    yield Table("", ("", ""), tuple(rows), (0, 1))
    more = f", {undecided} did not finish" if undecided else ""
    yield Paragraph(f"{bad} of {len(result.runs)} kernels misbehave{more}; --full shows the steps")


def _faults(result: RunResult, run: Run) -> Iterator[str]:
    """Yield the faults in one run, each with the number of its reason."""
    reasons: dict[str, dict[str, None]] = {}
    for one in run.violations:
        known = KnownReason.of(one.known or "", [run])
        reasons.setdefault(one.name, {})[f"{known.number}{known.fixed}"] = None
    if left := leaked_at_end(run, result):
        yield f"LEAK {', '.join(left)}{_in_brackets(reasons.pop(no_leak.name, {}))}"
    for name, known_as in reasons.items():
        yield f"{name}{_in_brackets(known_as)}"
    yield from (f"alarm: {alarm.title}" for machine, alarm in result.alarms if machine == run.machine)
    failed = (one for one in result.expectations if one.machine == run.machine and one.holds is False)
    yield from (f"not as expected: {expect_text(one)}" for one in failed)


def _in_brackets(words: dict[str, None]) -> str:
    said = "; ".join(filter(None, words))
    return f" ({said})" if said else ""
