"""history/: a program for every commit with a switch, and what the kernel without it does instead."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from for_each import for_each

from pfnlab.base.errors import Undecided
from pfnlab.kernel.policies.commits import known_commits, machine_without
from pfnlab.kernel.policies.releases import RELEASES
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.problems import format_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import covers, expectation_failures
from pfnlab.programs.runs.observation import Step

HISTORY = Path(__file__).parents[2] / "evidence" / "history"
PROGRAMS = sorted(HISTORY.glob("*.pfn"))

#: What is compared, in the order in which a difference is named.
FIELDS = ("result", "log", "book", "value", "flushes", "ptes", "vmas")

#: Commits no program can tell: a protection no file here asks for, two without which the kernel ends, one
#: with which it ends and one that repairs that, and three of a window between an entry and its lock, which
#: schedules alone reach (test_race_lives.py).
NO_PROGRAM = {
    *("ed1a7814036c", "6a45ece4c9af", "909290786ea3", "77de62ad3de3", "c69df06e4e26"),
    *("6da8e9634bb7", "ffef67b93aa3", "3b89863c3fa4"),
}

_ROW = re.compile(
    r"\| (\w\d\d) \| (\w{12}) \| \[[\w-]+\]\((\S+)\) \| model:(\S+) \| (.+?) \| (.+?) \| (.+?) \|"
)


class Row(NamedTuple):
    """One line of the README's table."""

    catalogue: str
    commit: str
    program: str
    machine: str
    step: str
    there: str
    gone: str


ROWS = [Row(*found.groups()) for found in _ROW.finditer((HISTORY / "README.md").read_text(encoding="utf-8"))]


def steps(row: Row, machine: str) -> tuple[Step, ...]:
    """The steps of the row's program on a machine."""
    return ModelMachine(machine).run_one(load_program(HISTORY / row.program), check=True).steps


def said(step: Step, field: str) -> str:
    """One field as the table says it."""
    value = getattr(step, field)
    if field == "vmas":
        value = [f"{vma.span} rss {vma.rss}" for vma in value or ()]
    if field == "ptes":
        value = [f"{pte.span} {pte.entry}" for pte in value or ()]
    if isinstance(value, tuple | list):
        value = ", ".join(map(str, value)) or "empty"
    return f"{field} {value}"


def difference(row: Row) -> tuple[str, str, str]:
    """The first step that is not the same with and without the commit, and both answers."""
    for there, gone in zip(
        steps(row, row.machine), steps(row, machine_without(row.machine, row.commit)), strict=True
    ):
        for field in FIELDS:
            if (answers := (said(there, field), said(gone, field)))[0] != answers[1]:
                return there.op, *answers
    raise AssertionError(f"{row.program} does not notice {row.commit}")


@for_each("row", ROWS, ids=lambda row: f"{row.commit}-{Path(row.program).stem}")
def test_program_tells_the_commit(row: Row) -> None:
    """The first difference is the step the table names, with these answers; no kernel was asked."""
    assert (row.step, row.there, row.gone) == difference(row)


def test_every_commit_has_a_program() -> None:
    """Each commit with a switch has a row; those of one stable series count as well."""
    told = {row.commit for row in ROWS} | NO_PROGRAM

    # The first has no entry in the catalogue; the last cuts a leaf of 1 GiB, which /proc does not show.
    assert {"1527f926fd04", "895428ee124a", "f70405afc99b"} == set(known_commits()) - told


def test_every_program_has_a_row() -> None:
    """No program lies here unused."""
    assert {path.name for path in PROGRAMS} <= {row.program for row in ROWS}


@for_each("path", PROGRAMS, ids=lambda path: path.stem)
def test_program_is_canonical(path: Path) -> None:
    """The formatter would change nothing."""
    text = path.read_text(encoding="utf-8")

    assert text == format_text(text, str(path))


@for_each("series", RELEASES)
@for_each("path", PROGRAMS, ids=lambda path: path.stem)
def test_program_meets_its_expectations(path: Path, series: str) -> None:
    """Every release is spoken for, and leaves what the program says."""
    program = load_program(path)

    assert 1 == sum(covers(expect, series) for expect in program.expects)
    try:
        run = ModelMachine(series).run_one(program, check=True)
    except Undecided:
        return
    assert expectation_failures(program, run, series) == []
