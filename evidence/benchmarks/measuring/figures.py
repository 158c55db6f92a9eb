"""The figures in a benchmark's table: numbers with a unit, and which direction is better."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

#: The environment variable that names a file to which every table appends its figures as JSON lines.
RECORD = "PFNLAB_BENCH_RECORD"

#: Units for which more is better, and units for which less is.
RATES = ("/s",)
COSTS = ("s", "ms", "µs", "us", "ns", "bytes", "B", "KiB", "MiB", "GiB")

_CELL = re.compile(r"(?P<number>\d[\d,]*(?:\.\d+)?) ?(?P<unit>[^\d\s].*)?")
#: Units of bare numbers, by words in a title or a column head.
_WORDS = {"milliseconds": "ms", "seconds": "s", "bytes": "bytes"}


class Figure(NamedTuple):
    """One number in a table.

    :param name: the table title, row and column
    :param unit: as in the cell; empty if neither the cell nor its context has one
    """

    name: str
    value: float
    unit: str


def figures_of(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[Figure]:
    """
    Yield the figures in a table.

    Bracketed text in a title, e.g. the machine's load, is not part of a figure's name. A row without figures
    is a heading and becomes part of the names below it.
    """
    table = re.sub(r" *\([^)]*\)", "", title).strip()
    heading = ""
    for name, *cells in rows:
        found = False
        for column, cell in zip(head[1:], cells, strict=True):
            match = _CELL.fullmatch(cell.strip())
            if match is None:
                continue
            found = True
            unit = match["unit"] or _unit_around(table, column)
            row = f"{heading}{name}".strip()
            yield Figure(f"{table}: {row}: {column}", float(match["number"].replace(",", "")), unit)
        if not found:
            heading = f"{name.strip()} "


def worse(unit: str, before: float, after: float) -> float | None:
    """Return how much worse *after* is, as a fraction of *before* (0.1: a tenth); None for other units."""
    if before <= 0 or after <= 0:
        return None
    if unit in COSTS:
        return after / before - 1
    return before / after - 1 if unit.endswith(RATES) else None


def record(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Add a table's figures to the file that :data:`RECORD` names, if any."""
    path = os.environ.get(RECORD)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            for figure in figures_of(title, head, rows):
                print(json.dumps(figure), file=file)


def recorded(path: Path) -> list[Figure]:
    """The figures in such a file."""
    return [Figure(*json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _unit_around(title: str, column: str) -> str:
    words = f"{title} {column}".split()
    return next((unit for word, unit in _WORDS.items() if word in words), "")
