"""Markdown of the generated pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_BAR = re.compile(r"(?<!\\)\|")


def row(cells: Iterable[str]) -> str:
    """One row of a table, with its newline; an unescaped bar in a cell would end it."""
    return f"| {' | '.join(_BAR.sub('/', cell) for cell in cells)} |\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with its head."""
    return "".join(map(row, (head, ["---"] * len(head), *rows)))


def code(lines: Iterable[str]) -> str:
    """Lines of a program in a cell."""
    return "<br>".join(f"`{line}`" for line in lines)
