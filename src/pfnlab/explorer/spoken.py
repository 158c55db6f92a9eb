"""A state as a table, in the order of the picture from top to bottom: what a screen reader says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pfnlab.programs.lang.ops import MAIN_TASK
from pfnlab.programs.runs.compare import Verdict
from pfnlab.programs.runs.observation import Run

#: What processors remember: of a run, not of a step that is compared.
_REMEMBERED = "tlbs"

#: What each part of a state is called, by its field.
PARTS = {
    "result": "result",
    "value": "value",
    "log": "kernel log",
    "vmas": "VMA",
    "ptes": "entries",
    "book": "book",
    "tracked": "tracked",
    "prots": "mode of VMA",
    "direct_map": "direct map",
    "tlbs": "processors remember",
    "flushes": "TLB flushes",
    "events": "order",
}

#: The fields in the order of the picture.
_ORDER = (
    *("result", "value", "vmas", "prots", "ptes", "direct_map", "book", "tracked"),
    *(_REMEMBERED, "flushes", "log", "events"),
)


def rows(runs: Sequence[Run], verdict: Verdict, step: int) -> list[dict[str, Any]]:
    """The rows of the table of one step: a part, and a cell of lines for each machine.

    :param verdict: of the runs together; real kernels do not tell what processors remember, so that is shown
        and never said to differ
    :param step: counted from 0; of a machine that did not get there all cells are empty
    """
    differing = {difference.field for difference in verdict.differences if difference.step == step}
    answer = []
    for field in _ORDER:
        cells = [lines(field, run, step) for run in runs]
        if not any(cells):
            continue
        before = [lines(field, run, step - 1) for run in runs]
        changed = [
            0 < step <= len(run.steps) and earlier != cell
            for run, earlier, cell in zip(runs, before, cells, strict=True)
        ]
        answer.append(
            {
                "part": PARTS[field],
                "field": field,
                "cells": cells,
                "differs": field in differing,
                "changed": changed,
            }
        )
    return answer


def lines(field: str, run: Run, step: int) -> list[str]:
    """One field of a step as lines; none where it is empty, was not seen, or the run did not get there."""
    seen: Sequence[Any] = run.tlbs if field == _REMEMBERED else run.steps
    if not 0 <= step < len(seen):
        return []
    value = seen[step] if field == _REMEMBERED else getattr(seen[step], field)
    if value is None or value == 0 or value == ():
        return []
    if not isinstance(value, tuple):
        return [str(value)]
    return [_line(field, item) for item in value]


def _line(field: str, item: Any) -> str:
    if field == "vmas":
        task = "" if item.task == MAIN_TASK else f"{item.task}: "
        return f"{task}{item.span} {item.perms} {item.file} {item.flags}"
    if field == "ptes":
        task = "" if item.task == MAIN_TASK else f"{item.task}: "
        target = f" to {item.target}" if item.target is not None else ""
        return f"{task}{item.span}{target} {item.entry}"
    if field == _REMEMBERED:
        target = f" to {item.target}" if item.target is not None else ""
        return f"{item.task}: {item.span}{target} {item.entry}{' STALE' if item.stale else ''}"
    return str(item)
