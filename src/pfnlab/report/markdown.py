"""Markdown of the generated pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def row(cells: Iterable[str]) -> str:
    """One row of a table, with its end of line; a bar in a cell would end it."""
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with its head."""
    return "".join(map(row, (head, ["---"] * len(head), *rows)))


def code(lines: Iterable[str]) -> str:
    """Lines of a program in a cell."""
    return "<br>".join(f"`{line}`" for line in lines)
