"""``pfnlab run --json``: one program's runs as one JSON object.

The form is fixed by ``pfnlab/schemas/run.schema.json``. Several programs make one object a line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pfnlab.made import made
from pfnlab.programs.lang.form import program_hash
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.compare import Difference, Expectation, Verdict
from pfnlab.programs.runs.observation import BookEntry, Reason, Run
from pfnlab.programs.runs.violation import Violation
from pfnlab.report.step_json import field_item, plain, step_item

#: The value of ``format``.
FORMAT = "pfnlab-run/1"


def run_object(name: str, program: Program, runs: Sequence[Run], verdict: Verdict) -> dict[str, Any]:
    """The object for one program.

    :param name: its name in reports: its file without folder and ending, where no other has that name
    """
    return {
        "format": FORMAT,
        "made": made(),
        "program": {"name": name, "hash": program_hash(program), "text": format_program(program)},
        "machines": [_machine(run, verdict) for run in runs],
        "compared": list(verdict.compared),
        "agree": verdict.agree,
        "differences": [_difference(difference) for difference in verdict.differences],
        "expectations": [_expectation(expectation) for expectation in verdict.expectations],
    }


def run_line(name: str, program: Program, runs: Sequence[Run], verdict: Verdict) -> str:
    """The object on one line."""
    return json.dumps(run_object(name, program, runs, verdict), ensure_ascii=False)


def _machine(run: Run, verdict: Verdict) -> dict[str, Any]:
    # A machine may be named twice.
    own = [item.alarm for item in verdict.alarms if item.machine == run.machine]
    alarm = next((alarm for alarm in own if alarm in (run.alarm, *run.warnings)), None)
    return {
        "machine": run.machine,
        "kernel": run.kernel,
        "lost": _says(run.lost),
        "undecided": _says(run.undecided),
        "steps": [plain(step_item(step)) for step in run.steps],
        "alarm": _alarm(alarm),
        "violations": [
            _violation(violation) for violation in verdict.violations if violation.machine == run.machine
        ],
    }


def _says(reason: Reason | None) -> str | None:
    return None if reason is None else reason.says


def _alarm(alarm: Alarm | None) -> dict[str, Any] | None:
    if alarm is None:
        return None
    return {
        "kind": alarm.kind,
        "title": alarm.title,
        "step": alarm.step,
        "op": alarm.op,
        "log": list(alarm.log),
    }


def _violation(violation: Violation) -> dict[str, Any]:
    return {
        "property": violation.name,
        "step": violation.step,
        "op": violation.op,
        "says": violation.says,
        "known": violation.known or None,
    }


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "step": difference.step,
        "op": difference.op,
        "field": difference.field,
        "values": [{"machine": item.machine, "value": field_item(item.value)} for item in difference.values],
    }


def _expectation(expectation: Expectation) -> dict[str, Any]:
    expect = expectation.expect
    leaked = (BookEntry(leak.span, leak.mode) for leak in expect.leaked)
    return {
        "machine": expectation.machine,
        "series": expectation.series,
        "first": expect.first,
        "last": expect.last,
        "leaked": field_item(tuple(leaked)),
        "left": field_item(expectation.left),
        "holds": expectation.holds,
    }
