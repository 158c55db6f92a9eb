"""Blocks as lines for a terminal of a given width: the only printer of text results.

Text is wrapped at blanks, never inside a word, so that names, commits and paths stay whole. A table shrinks
its widest columns; if that is not enough, its columns are shown in groups one below another, each with the
first column. In a file or a pipe nothing is wrapped: each row of a table and each sentence is a single line,
which grep and diff can use (docs/output.md).
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from pfnlab.base.inert import one_line, visible
from pfnlab.base.result import PlainText
from pfnlab.base.terminal_text import ANY_WIDTH, terminal_width
from pfnlab.present.document.blocks import (
    Block,
    Brief,
    Bullets,
    Cell,
    Chapter,
    Code,
    Facts,
    Paragraph,
    Table,
    Tone,
)

if TYPE_CHECKING:
    from pfnlab.present.document.part import Part

#: The gap between columns, between machines side by side, and the mark at the end of a row that differs.
_GAP, _APART, MARK = 2, 3, "<"
#: The width that a column keeps if it can, and the least width of text.
_READABLE, _LEAST = 16, 20
#: The codes of a terminal for each tone, and for names of columns and titles.
_CODES: dict[Tone, str] = {"bad": "1;31", "lit": "1;33", "head": "1"}

_Paint = Callable[[str, Tone], str]


def _plain(text: str, tone: Tone) -> str:
    return text


def _coloured(text: str, tone: Tone) -> str:
    return f"\x1b[{_CODES[tone]}m{text}\x1b[0m" if text.strip() and tone in _CODES else text


def printed(*blocks: Block) -> PlainText:
    """Return blocks as a verb's text."""
    return PlainText(text_of(blocks))


def terminal(part: Part, width: int | None = None) -> str:
    """Return the lines of a part, without a final newline."""
    return text_of(part.shown, width).removesuffix("\n")


def text_of(blocks: Iterable[Block], width: int | None = None, *, coloured: bool = False) -> str:
    """Return the lines of *blocks*, each ending in a newline.

    :param width: the number of columns; by default the terminal's, and in a file or a pipe any number
    """
    columns = terminal_width(ANY_WIDTH) if width is None else width
    lines = _lines(blocks, max(columns, _LEAST), _coloured if coloured else _plain)
    return "".join(f"{line}\n" for line in lines)


def _lines(blocks: Iterable[Block], width: int, paint: _Paint) -> Iterator[str]:
    """Yield the lines of *blocks*, with space around tables, except for a list at the start."""
    written = [(block, lines) for block in blocks if (lines := list(_block_lines(block, width, paint)))]
    begins = written[0][0] if written else None
    apart = not isinstance(begins, Table) or begins.headed or begins.listed
    for place, (block, lines) in enumerate(written):
        if apart and place and Table in (type(block), type(written[place - 1][0])):
            yield ""
        yield from lines


def _block_lines(block: Block, width: int, paint: _Paint) -> Iterator[str]:
    match block:
        case Paragraph():
            yield from (paint(line, block.tone) for line in _paragraph(block, width))
        case Brief():
            yield from _brief(block, width)
        case Bullets():
            for item, below in block.groups:
                yield from folded(item, width)
                for line in below:
                    yield from folded(f"  {line}", width)
        case Code():
            yield from visible(block.text if block.glance is None else block.glance).splitlines()
        case Facts():
            for name, values in block.rows:
                # On a line of its own, from the first column, so that it can be copied.
                yield from (f"  {name}:", *map(visible, values))
        case Table() if block.glance and block.rows:
            yield from _table_lines(block, width, paint)


def folded(text: str, width: int, hang: int = 2) -> list[str]:
    """Return the lines of *text*, wrapped to *width*, all but the first indented by *hang* more columns."""
    lines = []
    for line in visible(text).split("\n"):
        if len(line) <= width:
            lines.append(line)
            continue
        indent = len(line) - len(line.lstrip()) + hang
        lines += _wrapped(line, width, " " * min(indent, width // 2))
    return lines


def _wrapped(text: str, width: int, rest: str = "", first: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cut(text: str, width: int) -> str:
    """Truncate the text to one line."""
    return text if len(text) <= width else f"{text[: width - 4].rstrip()} ..."


def _paragraph(block: Paragraph, width: int) -> list[str]:
    if block.whole:
        return visible(block.text).split("\n")
    if block.rows == 1:
        return [_cut(visible(block.text), width - len(block.tail)) + block.tail]
    lines = folded(f"{block.text}{block.tail}", width)
    most = block.rows or len(lines)
    if len(lines) > most:
        lines[most - 1 :] = [_cut(f"{lines[most - 1]} {lines[most].lstrip()}", width)]
    return lines


def _brief(block: Brief, width: int) -> Iterator[str]:
    """Yield the paragraphs, of the elastic one as many sentences as there is room for, but at least one."""
    above, below = ([line for one in some for line in _paragraph(one, width)] for some in block.around)
    room = block.most - len(above) - len(below)
    lines: list[str] = []
    text = ""
    for sentence in block.sentences:
        text = f"{text} {sentence}".strip()
        more = folded(f"{block.indent}{text}", width, 0)
        if lines and len(more) > room:
            break
        lines = more
    yield from (*above, *lines, *below)


# ---- Tables


def _table_lines(table: Table, width: int, paint: _Paint) -> Iterator[str]:
    """Yield the caption, if it is shown, and each group of columns."""
    if table.caption and (table.headed or table.listed):
        yield from folded(table.caption, width)
    indent = "  " if table.listed and table.caption else ""
    width -= len(indent)
    heads = [Cell((table.head[place],), "head") for place in table.glance]
    rows = [heads] if table.headed else []
    rows += [[row[place] for place in table.glance] for row in table.rows]
    texts = [[_cell_lines(cell, table) for cell in row] for row in rows]
    lines = [[line for cell in column for line in (*cell, "")] for column in zip(*texts, strict=True)]
    natural = [max(map(len, column)) for column in lines]
    natural[0] = max(natural[0], table.under - _GAP)
    # A word longer than half a line, e.g. an address, does not widen its column.
    words = [max(len(word) for line in column for word in (*line.split(), "")) for column in lines]
    least = [min(word, width // 2) for word in words]
    gap = _APART if table.marked else _GAP
    inner = width - len(MARK) - 1 if table.marked else width
    groups = _groups(natural, least, inner, gap)
    for number, group in enumerate(groups):
        yield from [""] * bool(number)
        columns = [0, *group]
        widths = _fit([natural[one] for one in columns], [least[one] for one in columns], inner, gap)
        below = table.below if number == len(groups) - 1 else ()
        for row, cells, chapter in zip_longest(rows, texts, (*[None] * table.headed, *below)):
            own = [row[one] for one in columns]
            is_lit = table.marked and any(cell.tone == "lit" for cell in own)
            shown = _row_lines(own, [cells[one] for one in columns], widths, table, paint)
            for place, line in enumerate(shown):
                mark = f" {MARK}" if is_lit and not place else ""
                yield f"{indent}{line}{mark}".rstrip()
            yield from _chapter_lines(chapter, table.under, width, paint)


def _chapter_lines(chapter: Chapter | None, under: int, width: int, paint: _Paint) -> Iterator[str]:
    for block in chapter.blocks if chapter is not None else ():
        indent = "" if isinstance(block, Facts) else " " * under
        lines = _block_lines(block, width - len(indent), paint)
        yield from (f"{indent}{line}".rstrip() for line in lines)


def _cell_lines(cell: Cell, table: Table) -> list[str]:
    """Return the lines of a cell: its own, if the table keeps them, otherwise a single one."""
    if table.marked:
        return [visible(line).expandtabs() for line in cell.lines]
    return list(map(one_line, cell.lines)) if table.listed else [one_line(cell.text)]


def _groups(natural: Sequence[int], least: Sequence[int], width: int, gap: int) -> list[range]:
    """Return the columns after the first to show side by side: all, or as few groups as are readable."""
    needs = [gap + max(min(whole, _READABLE), word) for whole, word in zip(natural, least, strict=True)]
    needs[0] = max(needs[0], gap + min(natural[0], width // 3))
    others = len(needs) - 1
    groups = [range(1, 1)]
    for count in range(1, others + 1):
        each = -(-others // count)
        groups = [range(at, min(at + each, others + 1)) for at in range(1, others + 1, each)]
        if needs[0] - gap + max(sum(needs[one] for one in group) for group in groups) <= width:
            break
    return groups


def _fit(natural: Sequence[int], least: Sequence[int], width: int, gap: int) -> list[int]:
    """Return the widths of columns, so that the line fits if words allow it: the first column takes at most a
    third, and wide columns share the space that narrow ones do not need."""
    room = width - gap * (len(natural) - 1)
    columns, places = list(natural), range(len(natural))
    if sum(columns) <= room:
        return columns
    if len(columns) > 1:
        columns[0] = min(columns[0], max(width // 3, least[0]))
        left = room - columns[0]
        for place, one in enumerate(order := sorted(range(1, len(columns)), key=lambda one: natural[one])):
            columns[one] = min(natural[one], max(left // (len(order) - place), least[one]))
            left -= columns[one]
    narrowest = [_LEAST // 2] * (len(least) - 1)
    for bound in (least, (least[0], *narrowest), (_LEAST // 2, *narrowest)):
        while sum(columns) > room and (loose := [one for one in places if columns[one] > bound[one]]):
            columns[max(loose, key=lambda one: (columns[one], one))] -= 1
    return columns


def _row_lines(
    row: Sequence[Cell], texts: Sequence[Sequence[str]], widths: Sequence[int], table: Table, paint: _Paint
) -> Iterator[str]:
    """Yield the lines of a row, each cell wrapped in its column; numbers are right-aligned."""
    gap = _APART if table.marked else _GAP
    hangs = "  " if table.marked else "", *[""] * len(row)
    wrapped = [
        [piece for line in lines for piece in _in_column(line, width, hang)]
        for lines, width, hang in zip(texts, widths, hangs[: len(row)], strict=True)
    ]
    for height in range(max(map(len, wrapped), default=0)):
        pieces = []
        for cell, lines, width in zip(row, wrapped, widths, strict=True):
            text = lines[height] if height < len(lines) else ""
            painted = paint(text, "bad" if cell.loud and text.endswith(cell.loud) else cell.tone)
            blank = " " * (width - len(text))
            is_number = text.replace(",", "").isdigit() and not table.marked
            pieces.append(f"{blank}{painted}" if is_number else f"{painted}{blank}")
        yield (" " * gap).join(pieces)


def _in_column(line: str, width: int, hang: str) -> list[str]:
    """Return the lines of one line of a cell, all but the first behind *hang* and its own indent."""
    if len(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    return _wrapped(line.lstrip(), width, f"{indent}{hang}", indent)
