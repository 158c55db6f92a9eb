"""Tables of the site: a row of one that does not fit is a block, with the column before each cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: The characters that a row has room for next to both sidebars, 1280 pixels wide.
WIDTH = 92

#: The white space of a cell, in characters.
_PADDING = 3

#: More columns than this do not fit on a phone.
_PHONE = 2


def needed(rows: Sequence[Sequence[str]]) -> int:
    """The least width of a table in characters: its longest words, with the white space around them."""
    columns = zip(*rows, strict=True)
    words = ([word for cell in column for word in (cell.split() or [""])] for column in columns)
    return sum(max(map(len, of_column)) + _PADDING for of_column in words)


def label_cells(app: Any, doctree: Any) -> None:
    """Mark tables that do not fit, and put the column before each cell, for the style sheet to show."""
    from docutils import nodes

    for table in doctree.findall(nodes.table):
        (head,), (body,) = table.findall(nodes.thead), table.findall(nodes.tbody)
        names = [entry.astext() for entry in head.findall(nodes.entry)]
        rows = [[entry.astext() for entry in row.children] for row in body.children]
        if needed([names, *rows]) > WIDTH:
            table["classes"].append("blocks")
        elif len(names) > _PHONE:
            table["classes"].append("phone")
        for row in body.children:
            for name, entry in zip(names, row.children, strict=True):
                if name and entry.children:
                    entry.children[0].insert(0, nodes.inline("", f"{name}: ", classes=["column"]))
