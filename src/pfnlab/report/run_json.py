"""``pfnlab run --json``: one program's runs as one JSON object.

The form is fixed by ``schemas/run.schema.json``; keys are never renamed, only added with a new format
number. Several programs make one object a line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from pfnlab.programs.runs.compare import Difference, Expectation, Verdict
from pfnlab.programs.runs.observation import BookEntry, Run
from pfnlab.report.step_json import field_item, plain, step_item

#: The value of ``format``.
FORMAT = "pfnlab-run/1"


def run_object(name: str, program_hash: str, runs: Sequence[Run], verdict: Verdict) -> dict[str, Any]:
    """The object for one program.

    :param name: what the program is called: its file without folder and ending, where no other is called so
    """
    return {
        "format": FORMAT,
        "program": {"name": name, "hash": program_hash},
        "machines": [_machine(run) for run in runs],
        "agree": verdict.agree,
        "differences": [_difference(found) for found in verdict.differences],
        "expectations": [_expectation(held) for held in verdict.expectations],
    }


def run_line(name: str, program_hash: str, runs: Sequence[Run], verdict: Verdict) -> str:
    """The object on one line."""
    return json.dumps(run_object(name, program_hash, runs, verdict), ensure_ascii=False)


def run_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the object."""
    text = files("pfnlab.report").joinpath("schemas/run.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _machine(run: Run) -> dict[str, Any]:
    return {
        "machine": run.machine,
        "kernel": run.kernel,
        "lost": run.lost,
        "steps": [plain(step_item(step)) for step in run.steps],
    }


def _difference(found: Difference) -> dict[str, Any]:
    return {
        "step": found.step,
        "op": found.op,
        "field": found.field,
        "values": [{"machine": seen.machine, "value": field_item(seen.value)} for seen in found.values],
    }


def _expectation(held: Expectation) -> dict[str, Any]:
    expect = held.expect
    leaked = (BookEntry(leak.span, leak.mode) for leak in expect.leaked)
    return {
        "machine": held.machine,
        "series": held.series,
        "first": expect.first,
        "last": expect.last,
        "leaked": field_item(tuple(leaked)),
        "left": field_item(held.left),
        "holds": held.holds,
    }
