"""``run --json``: one program on machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from pfnlab.document.blocks import Block, Bullets, Cell, Code, Paragraph, Table, Tone, cell
from pfnlab.document.drawings import story
from pfnlab.document.parts.part import Part, done, program_code, section
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.alarm import when
from pfnlab.programs.runs.compare import Verdict
from pfnlab.programs.runs.observation import Run
from pfnlab.report.cells import LEAKED, ROWS, TRACE_ROWS
from pfnlab.report.cells import cell as field_lines
from pfnlab.report.run_reading import RunContent, program_in, runs_in, verdict_in
from pfnlab.report.table import TableRow, step_rows
from pfnlab.report.verdict import expect_text, verdict_lines
from pfnlab.units import number_of

#: Wide enough that no statement is wrapped: who writes the document wraps it.
_UNWRAPPED = 1 << 16

#: The fields whose values a difference shows at once; those of others are in the table of all that was seen.
_FIRST = ("result", *ROWS)


def part(content: RunContent) -> Part:
    """What is to be read of one program's runs."""
    runs, verdict = runs_in(content), verdict_in(content)
    read = program_in(content)
    program = read or Program(title="", asks="", devices=(), ops=())
    return Part(
        title=content.program.name,
        says=_says(runs, verdict),
        outcome=verdict.outcome,
        blocks=tuple(_blocks(content, read, program, runs, verdict)),
        facts=done(
            content.made,
            ("program", f"{content.program.name}, {content.program.hash[:12]}"),
            ("machines", [f"{run.machine} is {run.kernel}" for run in runs]),
        ),
    )


def _says(runs: Sequence[Run], verdict: Verdict) -> str:
    """The result in one sentence, the gravest thing first."""
    names = ", ".join(run.machine for run in runs)
    if verdict.alarms:
        first = verdict.alarms[0]
        return (
            f"{first.machine} raises an alarm {when(first.alarm)}: {first.alarm.kind}, {first.alarm.title}."
        )
    if verdict.differences:
        return f"{names} differ {_differ(verdict)}."
    failed = [held for held in verdict.expectations if held.holds is False]
    if failed:
        return f"{failed[0].machine} is not as expected: {expect_text(failed[0].expect)}."
    unknown = [broken for broken in verdict.violations if broken.unknown]
    if unknown:
        return f"{unknown[0].machine} breaks {unknown[0]}; nobody knows why."
    if verdict.lost:
        return f"{', '.join(verdict.lost)} did not finish."
    held = [held for held in verdict.expectations if held.holds]
    agree = f"{names} agree" if len(runs) > 1 else f"{names} ran {number_of(_operations(runs), 'operation')}"
    if held:
        texts = dict.fromkeys(expect_text(each.expect) for each in held)
        return f"{agree}, as the program expects: {'; '.join(texts)}."
    return f"{agree}."


def _differ(verdict: Verdict) -> str:
    """Where machines differ: fields that :data:`ROWS` shows with their first step, others by name."""
    first = {found.field: found for found in reversed(verdict.differences)}
    shown = [found for found in sorted(first.values(), key=lambda found: found.step) if found.field in _FIRST]
    places = [f"in {found.field} from step {found.step + 1} ({found.op}) on" for found in shown]
    others = [field for field in first if field not in _FIRST]
    if others:
        places.append(f"{'also ' if shown else ''}in {', '.join(sorted(others))}")
    return "; ".join(places)


def _operations(runs: Sequence[Run]) -> int:
    return max(sum(step.op != "end" for step in run.steps) for run in runs)


def _blocks(
    content: RunContent, read: Program | None, program: Program, runs: Sequence[Run], verdict: Verdict
) -> Iterator[Block]:
    if program.asks:
        yield Paragraph(program.asks)
    machines = tuple(run.machine for run in runs)
    if verdict.differences:
        rows = tuple(_difference_rows(runs, verdict))
        yield Table("Where the machines differ", ("step", "field", *machines), rows)
    statements = verdict_lines([], verdict, _UNWRAPPED)
    said = tuple(
        line.text for line in statements if not line.whole and not line.text.startswith((" ", "differ:"))
    )
    if said:
        yield Bullets(said)
    for item in verdict.alarms:
        if item.alarm.log:
            yield Code(f"Log of {item.machine}", "\n".join(item.alarm.log))
    yield from program_code(content.program.text)
    if read is not None:
        yield from story(read, runs, content.program.name)
    yield _steps("Step by step", step_rows(program, runs, verdict, ROWS), machines)
    whole = _steps("All that was seen", step_rows(program, runs, verdict, TRACE_ROWS), machines)
    yield from section("All that was seen, with entries and kernel calls", whole, folded=True)


def _difference_rows(runs: Sequence[Run], verdict: Verdict) -> Iterator[tuple[Cell, ...]]:
    for (step, op), members in groupby(verdict.differences, key=lambda found: (found.step, found.op)):
        fields = [found.field for found in members]
        shown = [field for field in _FIRST if field in fields]
        others = sorted(set(fields) - {*_FIRST})
        for number, field in enumerate(shown):
            values = [
                field_lines(run.steps[step], field) if step < len(run.steps) else ("lost",) for run in runs
            ]
            name = cell("" if number else f"{step + 1}. {op}", code=True)
            yield name, cell(field), *(_value(lines, values[0]) for lines in values)
        if others:
            name = cell("" if shown else f"{step + 1}. {op}", code=True)
            yield name, cell(", ".join(others)), cell("see below", "pale"), *(Cell() for _ in runs[1:])


def _value(lines: tuple[str, ...], first: tuple[str, ...]) -> Cell:
    return Cell(lines or ("nothing",), "lit" if lines != first else "", True)


def _steps(caption: str, rows: Sequence[TableRow], machines: Sequence[str]) -> Table:
    return Table(
        caption,
        ("", *machines),
        tuple(
            (
                cell(
                    row.label, "pale" if row.label.startswith(" ") else "", code=not row.label.startswith(" ")
                ),
                *(Cell(lines, _tone(lines, place in row.lit), True) for place, lines in enumerate(row.cells)),
            )
            for row in rows
        ),
    )


def _tone(lines: Sequence[str], lit: bool) -> Tone:
    if lit:
        return "lit"
    return "bad" if any(line.endswith(LEAKED) for line in lines) else ""
