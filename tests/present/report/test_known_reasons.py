"""Known bugs of runs: what causes a violation, and what a program shows that violates nothing."""

from __future__ import annotations

from for_each import for_each

from pfnlab.checker.judging.judge import judged_runs
from pfnlab.present.document.run_table import kernel_blocks
from pfnlab.present.document.terminal import text_of
from pfnlab.present.report.known_reasons import KnownReason
from pfnlab.present.report.run_result import statements
from pfnlab.programs.lang.library import find_program, load_found
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.named_machines import name_machines


def result_of(name: str, *machines: str) -> RunResult:
    """A program of the library on machines, called as on the command line."""
    (found,) = judged_runs(name_machines(machines), {name: load_found(find_program(name))})
    return found


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
