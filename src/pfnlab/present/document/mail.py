"""A document as Markdown for a mail: no HTML, and no lines that mail clients break."""

import re
import textwrap
from collections.abc import Iterator, Sequence

from pfnlab.base.inert import markdown, markdown_begun, one_line, visible, visible_name
from pfnlab.present.document import blocks

#: The width in columns: mail clients break longer lines.
WIDTH = 72


def mail(document: blocks.Document) -> str:
    """Return the text, without folded parts and without drawings (tables have their numbers)."""
    lines = [f"# {markdown(document.title)}", "", *_wrapped(document.says), ""]
    for block in document.blocks:
        lines += _block(block, 2)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip("\n") + "\n"


def _wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    """Wrap *text* into escaped lines of whole words, the first prefixed with *first*, others with *rest*."""
    width = WIDTH - len(rest)
    pieces = textwrap.wrap(markdown(text), width, break_long_words=False, break_on_hyphens=False)
    return [f"{rest if number else first}{markdown_begun(piece)}" for number, piece in enumerate(pieces)]


def _block(block: blocks.Block, level: int) -> Iterator[str]:
    match block:
        case blocks.Paragraph():
            yield from _wrapped(block.text)
        case blocks.Facts():
            yield from _facts(block)
        case blocks.Bullets():
            for item, below in block.groups:
                yield from _wrapped(item, "- ", "  ")
                for line in below:
                    yield from _wrapped(line, "  - ", "    ")
        case blocks.Table():
            yield from _table(block)
        case blocks.Code():
            yield from (*_wrapped(f"{block.caption}:"), "")
            for line in block.text.split("\n"):
                yield f"    {visible(line)}".replace("\t", "    ").rstrip()
        case blocks.Figure() | blocks.DrawnFigures():
            return
        case blocks.Contents():
            for entry in block.entries:
                yield from _wrapped(_entry(entry), "- ", "  ")
        case blocks.Chapter():
            # A mail leaves out folded parts; expected results are in the list.
            if block.folded:
                return
            yield from ("", f"{'#' * min(level, 6)} {markdown(block.title)}", "")
            for inside in block.blocks:
                yield from _block(inside, level + 1)
    yield ""


def _entry(entry: blocks.ContentsEntry) -> str:
    return entry.says if entry.anchor else ", ".join(filter(None, (entry.title, entry.word, entry.says)))


def _facts(block: blocks.Facts) -> Iterator[str]:
    for name, values in block.rows:
        if name in block.code:
            # On a line of its own, unchanged, so that the command can be copied.
            yield from (f"- {name}:", "")
            yield from (f"      {visible_name(value)}" for value in values)
            yield ""
        else:
            for value in values:
                yield from _wrapped(f"{name}: {value}", "- ", "  ")


def _table(table: blocks.Table) -> Iterator[str]:
    """Yield the table as preformatted text aligned with spaces, or as a list if it is too wide."""
    yield from (*_wrapped(f"{table.caption}:"), "")
    rows = [[_lines(cell) for cell in row] for row in table.rows]
    columns = [[[one_line(name)] for name in table.head], *rows]
    widths = [
        max((len(line) for row in columns for line in row[place]), default=0)
        for place in range(len(table.head))
    ]
    if sum(widths) + 2 * (len(widths) - 1) + 4 <= WIDTH:
        yield from _drawn(columns, widths)
        return
    for row in rows:
        yield from _listed(table.head, row)


def _drawn(rows: Sequence[Sequence[Sequence[str]]], widths: Sequence[int]) -> Iterator[str]:
    for number, row in enumerate(rows):
        for line in range(max(map(len, row), default=0)):
            cells = [cell[line] if line < len(cell) else "" for cell in row]
            drawn = "  ".join(text.ljust(width) for text, width in zip(cells, widths, strict=True))
            yield f"    {drawn}".rstrip()
        if not number:
            yield f"    {'  '.join('-' * width for width in widths)}"


def _listed(head: Sequence[str], row: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a row as lines: the first cells joined into one line, each other cell on its own line."""
    if not row:
        return
    if row[0]:
        yield f"    {'; '.join(row[0])}"
    width = max(map(len, map(one_line, head[1:])), default=0)
    for name, lines in zip(head[1:], row[1:], strict=False):
        for number, line in enumerate(lines):
            yield f"      {one_line(name) if not number else '':<{width}}  {line}".rstrip()


def _lines(cell: blocks.Cell) -> list[str]:
    lines = [visible(line).replace("\n", " ").replace("\t", " ").rstrip() for line in cell.lines]
    if lines and cell.tone in blocks.SIGNS:
        lines[-1] += blocks.SIGNS[cell.tone]
    # A pale row belongs to the row above it.
    return [f"  {line}" for line in lines] if cell.tone == "pale" else lines
