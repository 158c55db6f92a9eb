"""A state as a table, in the order of the picture from top to bottom: what a screen reader says of it."""

from __future__ import annotations

from typing import Any

from pfnlab.programs.lang.ops import MAIN_TASK
from pfnlab.programs.runs.compare import FIELDS
from pfnlab.programs.runs.observation import Run, Step

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
    "flushes": "TLB flushes",
    "events": "order",
}

#: The fields in the order of the picture.
_ORDER = (
    *(
        "result",
        "value",
        "vmas",
        "prots",
        "ptes",
        "direct_map",
        "book",
        "tracked",
        "flushes",
        "log",
        "events",
    ),
)


def rows(runs: list[Run], step: int) -> list[dict[str, Any]]:
    """The rows of the table of one step: a part, and a cell of lines for each machine.

    :param step: counted from 0; of a machine that did not get there all cells are empty
    """
    steps = [run.steps[step] if step < len(run.steps) else None for run in runs]
    before = [run.steps[step - 1] if 0 < step <= len(run.steps) else None for run in runs]
    answer = []
    for field in _ORDER:
        cells = [lines(field, seen) for seen in steps]
        if not any(cells):
            continue
        answer.append(
            {
                "part": PARTS[field],
                "field": field,
                "cells": cells,
                "differs": len({tuple(cell) for cell in cells}) > 1,
                "changed": [
                    earlier is not None and lines(field, earlier) != cell
                    for earlier, cell in zip(before, cells, strict=True)
                ],
            }
        )
    return answer


def lines(field: str, step: Step | None) -> list[str]:
    """One field of a step as lines; none where it is empty or was not seen."""
    assert field in FIELDS
    value = getattr(step, field) if step is not None else None
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
    return str(item)
