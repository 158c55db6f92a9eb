"""Runs in the Test Anything Protocol, version 14: a test point a program.

What is lost or undecided is ``not ok``, and its diagnostics say which.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from pfnlab.base.inert import one_line, tap_description, visible
from pfnlab.base.result import Outcome
from pfnlab.present.report.run_result import RunResult, asked


def tap(results: Sequence[RunResult], table: Callable[[RunResult], str]) -> str:
    """The document.

    :param table: the whole report on one program, which the diagnostics hold
    """
    return "".join(f"{line}\n" for line in _lines(results, table))


def _lines(results: Sequence[RunResult], table: Callable[[RunResult], str]) -> Iterator[str]:
    yield "TAP version 14"
    yield f"1..{len(results)}"
    yield f"# on {one_line(asked(results))}"
    for number, result in enumerate(results, 1):
        good = result.verdict.outcome is Outcome.AS_EXPECTED
        yield f"{'ok' if good else 'not ok'} {number} - {tap_description(result.name)}"
        if good:
            continue
        yield "  ---"
        # A string of JSON is one of YAML.
        yield f"  status: {json.dumps(result.status.value)}"
        yield f"  message: {json.dumps(one_line(result.why))}"
        yield f"  machines: {json.dumps(result.machines)}"
        yield "  table: |2"
        for line in visible(table(result)).splitlines():
            yield f"    {line}".rstrip()
        yield "  ..."
