"""A part as lines of a terminal, to be read at a glance.

A report shows all of a part; a terminal shows neither drawings nor what is folded, nor what made it, for
the command was typed there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from pfnlab.base.inert import one_line, visible
from pfnlab.present.document.blocks import Block, Bullets, Code, Facts, Paragraph, Table
from pfnlab.present.document.part import MADE, Part

_GAP = "  "


def terminal(part: Part) -> str:
    """The lines, without the end of the last: blocks, then facts."""
    first = (Paragraph(part.first),) if part.first else ()
    facts = [f"{name}: {value}" for name, values in part.facts if name not in MADE for value in values]
    return "\n".join(map(visible, _blocks((*first, *part.blocks, Bullets(tuple(facts))))))


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    """The lines of *blocks*; a table stands apart, unless it is a list with which everything begins."""
    written = [(block, lines) for block in blocks if (lines := list(_block(block)))]
    apart = written and not isinstance(written[0][0], Table)
    for place, (block, lines) in enumerate(written):
        if apart and place and Table in (type(block), type(written[place - 1][0])):
            yield ""
        yield from lines


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph():
            yield block.text
        case Bullets():
            for item, below in block.groups:
                yield from (item, *(f"  {line}" for line in below))
        case Code():
            yield from visible(block.text if block.glance is None else block.glance).splitlines()
        case Facts():
            for name, values in block.rows:
                # A line of its own from its first column on: who selects that line has the command.
                yield from (f"  {name}:", *values)
        case Table() if block.glance:
            yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    rows = [[one_line(row[place].text) for place in table.glance] for row in table.rows]
    head = [table.head[place] for place in table.glance]
    shown = [head, *rows] if table.headed else rows
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    widths[:1] = [max(width, table.under - len(_GAP)) for width in widths[:1]]
    if table.headed:
        yield from (table.caption, _row(head, widths))
    for row, chapter in zip_longest(rows, table.below):
        yield _row(row, widths)
        for block in chapter.blocks if chapter is not None else ():
            indent = "" if isinstance(block, Facts) else " " * table.under
            yield from (f"{indent}{line}".rstrip() for line in _block(block))


def _row(texts: Sequence[str], widths: Sequence[int]) -> str:
    """The cells of a row in columns; a number stands at the right of its column."""
    cells = (
        text.rjust(width) if text.replace(",", "").isdigit() else text.ljust(width)
        for text, width in zip(texts, widths, strict=True)
    )
    return _GAP.join(cells).rstrip()
