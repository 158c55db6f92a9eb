"""Known bugs of runs: what causes a violation, and what a program shows that violates nothing."""

from __future__ import annotations

import msgspec
import pytest
from for_each import for_each

from pfnlab.checker.judging.judge import judged_runs
from pfnlab.kernel.bugs.known_bugs import all_bugs, bugs_shown_by
from pfnlab.present.document.run_table import kernel_blocks
from pfnlab.present.document.terminal import text_of
from pfnlab.present.report.known_reasons import KnownReason, bugs_without_violation
from pfnlab.present.report.run_result import statements
from pfnlab.programs.lang.library import find_program, load_found
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.named_machines import name_machines


def result_of(name: str, *machines: str) -> RunResult:
    """A program of the library on machines, called as on the command line."""
    (found,) = judged_runs(name_machines(machines), {name: load_found(find_program(name))})
    return found


def shown(name: str, machine: str) -> list[str]:
    """The numbers of the bugs that no violation names."""
    result = result_of(name, machine)
    return [one.number for one in bugs_without_violation(result, result.runs[0])]


@for_each(
    "name, machine, numbers",
    [
        ("copied-page-mode", "model:7.3", ["N05"]),
        ("copied-page-mode", "model:7.3,copied_keeps_mode=off", []),
        ("munmap-middle", "model:7.3", []),
        ("driver-narrowed", "model:7.3", ["P05"]),
        ("driver-narrowed", "model:6.12", []),
        ("driver-leaf-mode", "model:6.12", ["C12"]),
        ("driver-leaf-mode", "model:6.12.22", []),
    ],
)
def test_a_run_names_the_bugs_that_its_program_shows(name: str, machine: str, numbers: list[str]) -> None:
    """Those without which the model runs it differently: on 6.12.22 C12 has no effect there."""
    assert numbers == shown(name, machine)


def test_a_bug_that_a_violation_names_is_not_named_again() -> None:
    """Neither it nor its measurements: A06 has N03 and N08."""
    assert [] == shown("munmap-middle", "model:6.12.31")


def test_a_program_of_that_name_alone_shows_nothing() -> None:
    """The bug's data means the program of litmus/."""
    result = result_of("munmap-first", "model:7.3")
    called = msgspec.structs.replace(
        result, source=msgspec.structs.replace(result.source, name="copied-page-mode")
    )

    assert [] == list(bugs_without_violation(called, called.runs[0]))


def test_a_clean_run_does_not_end_without_its_bug() -> None:
    """In the verdict, and in a row of many kernels."""
    result = result_of("copied-page-mode", "model:7.3")

    lines = [statement.line for statement in statements(result)]
    assert lines.index("no leak, no violation: model:7.3") + 1 == next(
        at for at, text in enumerate(lines) if text.startswith("known bug N05: A page copied on write")
    )
    assert "no leak, no violation; known bug N05" in text_of(kernel_blocks(result), 200)


@for_each("machine", ["model:6.12.25", "model:6.12,without=e9f180d7cfde"])
def test_a_fix_is_that_of_the_series(machine: str) -> None:
    """A16 was fixed in 6.15, and in 6.12.31."""
    runs = result_of("munmap-middle", machine).runs

    reason = KnownReason.of("A16: it leaks", runs)

    assert ("known bug A16", ", fixed in 6.12.31") == (reason.name, reason.fixed)


@pytest.mark.parametrize("number", [one.number for one in all_bugs() if one.shown and one.kind.is_fault])
def test_the_quick_search_finds_the_programs_of_a_bug(number: str) -> None:
    """Whatever folder a program is in."""
    names = [row.program for one in all_bugs() if one.number == number for row in one.shown]

    assert [] == [name for name in names if number not in [one.number for one in bugs_shown_by(name)]]
