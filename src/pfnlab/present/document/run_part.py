"""Part for ``run``: one program on machines, from its result or its ``--json`` output."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from pfnlab.base.units import number_of
from pfnlab.present.document.blocks import Block, Bullets, Cell, Code, Paragraph, Table, cell
from pfnlab.present.document.part import Part, figures_on_demand, origin_rows, program_code, section
from pfnlab.present.document.run_table import seen, steps_table
from pfnlab.present.report.run_result import SHOWN, About, RunStatus, statements, status_of, why_of
from pfnlab.present.report.table import rows_by_step
from pfnlab.programs.runs.cells import ROWS, TRACE_ROWS
from pfnlab.programs.runs.cells import cell as field_lines
from pfnlab.programs.runs.compared import RunResult

#: The statements that a document shows in a table, or under a heading of their own.
_ELSEWHERE = (
    About.DIFFER,
    About.STEP,
    About.LOG,
    About.KERNEL,
    About.LOST,
    About.UNDECIDED,
    About.AGREE,
)


def part(content: RunResult, fields: Sequence[str] = ROWS) -> Part:
    """Return the part for a result, whose table of steps has rows for *fields*."""
    name = content.name or "program"
    count = max((sum(step.op != "end" for step in run.steps) for run in content.runs), default=0)
    why = why_of(content) or f"{', '.join(content.machines)}, {number_of(count, 'operation')}"
    status = status_of(content)
    return Part(
        title=name,
        says=f"{name}: {status.value}: {why}.",
        outcome=content.outcome,
        lost=bool(content.lost),
        blocks=tuple(_blocks(content)),
        more=tuple(_tables(content, fields)),
        about=content.program.title,
        inside=status is RunStatus.INSIDE,
        facts=origin_rows(
            content.made,
            ("program", f"{name}, {content.source.hash[:12]}"),
            ("machines", [f"{run.machine} is {run.kernel}" for run in content.runs]),
        ),
    )


def _blocks(result: RunResult) -> Iterator[Block]:
    program = result.program
    if program.asks:
        yield Paragraph(program.asks)
    if rows := tuple(_difference_rows(result)):
        yield Table("Where the machines differ", ("step", "field", *result.machines), rows)
    said = [statement.line for statement in statements(result) if statement.about not in _ELSEWHERE]
    if said:
        yield Bullets(tuple(said))
    for machine, alarm in result.alarms:
        if alarm.log:
            yield Code(f"Log of {machine}", "\n".join(alarm.log))
    yield from program_code(result.source.text)
    if result.source.program is not None:
        yield figures_on_demand(lambda drawings: drawings.story(program, result.runs, result.name))


def _tables(result: RunResult, fields: Sequence[str]) -> Iterator[Block]:
    """Yield the steps with rows for *fields* and, if there are more rows, with all of them."""
    by_step = list(rows_by_step(result, TRACE_ROWS))
    shown, whole = ([row for step in by_step for row in step.of(some)] for some in (fields, TRACE_ROWS))
    yield steps_table("Step by step", shown, result.machines)
    if len(whole) > len(shown):
        table = steps_table("All observations", whole, result.machines)
        yield from section("All observations, with entries and kernel calls", table, folded=True)


def _difference_rows(result: RunResult) -> Iterator[tuple[Cell, ...]]:
    """Yield the differences that a user of the kernel can see; others are only counted here."""
    by_step = groupby(result.differences, key=lambda found: (found.step, found.op))
    for (step, op), members in by_step:
        fields = [found.field for found in members]
        for number, field in enumerate(field for field in SHOWN if field in fields):
            values = [
                field_lines(run.steps[step], field)
                if step < len(run.steps)
                else ("undecided",)
                if run.undecided is not None
                else ("lost",)
                for run in result.runs
            ]
            name = cell("" if number else f"{step + 1}. {op}", code=True)
            yield name, cell(field), *(seen(lines, lines != values[0]) for lines in values)
