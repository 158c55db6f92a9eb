"""The output of ``pfnlab check``."""

from __future__ import annotations

from collections.abc import Iterable

from pfnlab.checker.check import CheckResult
from pfnlab.checker.differ import DifferResult
from pfnlab.document.check_part import differ_part, part
from pfnlab.document.terminal import terminal
from pfnlab.lab.running.named_machines import name_machines, side_by_side
from pfnlab.programs.runs.compare import judge
from pfnlab.programs.runs.look import LookLevel
from pfnlab.report.table import render
from pfnlab.verbs.check import CheckRequest


def show_checks(request: CheckRequest, results: Iterable[CheckResult | DifferResult]) -> None:
    """Print each result as it comes; a difference with the runs of its program."""
    for at, result in enumerate(results):
        if request.as_json:
            print(result.as_json())
        elif isinstance(result, CheckResult):
            print("\n" * bool(at) + terminal(part(result)))
        else:
            print(terminal(differ_part(result)))
            if (program := result.program) is not None:
                (runs,) = side_by_side(name_machines(result.machines), [program], LookLevel.PROC)
                verdict = judge(program, runs, {})
                print(f"\n{render(program, runs, verdict, width=120).plain}", end="")
