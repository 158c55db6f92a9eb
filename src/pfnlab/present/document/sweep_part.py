"""``sweep --json``: what every cell of a scope showed, as a table for each kind of mapping."""

from __future__ import annotations

from collections.abc import Iterator

from pfnlab.base.units import number_of
from pfnlab.hunt.sweep.sweep_result import SweepResult, SweptFinding, SweptTable
from pfnlab.hunt.sweep.sweep_state import KNOWN, KNOWN_ROW, NEW, QUIET
from pfnlab.present.document.blocks import Block, Bullets, Cell, Chapter, Table, Tone, cell
from pfnlab.present.document.campaign_part import known_violations
from pfnlab.present.document.part import Part, done, drawn, program_code, short


def part(content: SweepResult) -> Part:
    """The counts of a sweep, its findings, and the tables in which something differs."""
    amount = f"{number_of(content.compared, 'cell')} compared on {', '.join(content.machines)}"
    new = sum(not finding.known for finding in content.findings.values())
    if content.findings:
        says = f"{number_of(len(content.findings), 'finding')}, {new} of them new, in {amount}."
    else:
        says = f"No finding in {amount}."
    return Part(
        title=f"Sweep of {content.scope}",
        says=says,
        outcome=content.outcome,
        blocks=tuple(_blocks(content)),
        facts=done(content.made),
        first=content.headline,
    )


def _blocks(content: SweepResult) -> Iterator[Block]:
    yield Bullets(tuple(_counts(content)))
    if content.findings:
        findings = list(content.findings.items())
        yield Table(
            "Findings",
            ("finding", "what", "cells", "known", "shown by"),
            tuple(
                (
                    cell(found.folder or key, code=True),
                    cell(short(found.says, content.machines), "" if found.known else "bad"),
                    cell(f"{found.met:,}"),
                    cell("known" if found.known else "new"),
                    cell(number_of(found.operations, "operation")),
                )
                for key, found in findings
            ),
            glance=(0, 1, 2, 3),
            below=tuple(None if found.known else _chapter(content, found) for _, found in findings),
            headed=True,
        )
    yield from known_violations(content.known)
    for table in content.tables:
        if _says_more(table):
            yield _table(table)
    agreed = [table.name for table in content.tables if not _says_more(table)]
    if agreed:
        yield Bullets((f"agreement alone: {'; '.join(agreed)}",))


def _chapter(content: SweepResult, found: SweptFinding) -> Chapter:
    """The program of a new finding."""
    return Chapter(
        short(found.says, content.machines),
        (
            *program_code(found.program or ""),
            drawn(lambda draw: draw.story_of_text(found.program, content.machines)),
        ),
    )


def _counts(content: SweepResult) -> Iterator[str]:
    letters = "; ".join(
        f"{count} {letter} ({content.meanings.get(letter, '')})" for letter, count in content.letters.items()
    )
    yield f"{number_of(content.cells, 'cell')} of {content.first}:{content.end}, by letter: {letters}"
    for reason, count in content.reasons.items():
        what = "no rule, kernels judged" if reason in content.models_own else "not runnable"
        yield f"{count} {what}: {reason}"
    for each in content.unstable:
        says = short(each.says, content.machines)
        yield f"unstable, {each.shown} of {number_of(each.runs, 'run')} of {each.program}: {says}"


def _says_more(table: SweptTable) -> bool:
    return not table.letters <= QUIET


def _table(table: SweptTable) -> Table:
    """The rows that have more than agreement; columns are numbered by their operations."""
    columns = [
        number
        for number in range(len(table.columns))
        if any(not QUIET.issuperset(row[number]) for row in table.rows.values())
    ]
    rows = {
        name: row for name, row in table.rows.items() if any(not QUIET.issuperset(letters) for letters in row)
    }
    caption = (
        f"{table.name}: two letters, at aligned and at odd places; first operations down, "
        f"last ones across; {len(rows)} of {number_of(len(table.rows), 'row')} and {len(columns)} of "
        f"{number_of(len(table.columns), 'column')}, those with more than agreement"
    )
    return Table(
        caption,
        ("", *(table.columns[number] for number in columns)),
        tuple(
            (cell(name), *(Cell((row[number],), _tone(row[number]), code=True) for number in columns))
            for name, row in rows.items()
        ),
        glance=tuple(range(len(columns) + 1)),
        headed=True,
    )


def _tone(letters: str) -> Tone:
    if NEW & set(letters):
        return "bad"
    return "lit" if (KNOWN | {KNOWN_ROW}) & set(letters) else "pale" if QUIET.issuperset(letters) else ""
