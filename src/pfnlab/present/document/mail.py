"""A document as Markdown for a mail: no HTML, and no lines that mail clients break."""

import re
import textwrap
from collections.abc import Iterator

from pfnlab.base.inert import markdown, markdown_begun, visible, visible_name
from pfnlab.present.document import blocks
from pfnlab.present.document.terminal import text_of

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
    """Yield all columns of the table as the terminal's printer lays them out, as preformatted text."""
    rows = tuple(tuple(map(_signed, row)) for row in table.rows)
    places = tuple(range(len(table.head)))
    whole = blocks.Table("", table.head, rows, places, headed=True, marked=True)
    yield from (*_wrapped(f"{table.caption}:"), "")
    yield from (f"    {line}".rstrip() for line in text_of([whole], WIDTH - 4).splitlines())


def _signed(cell: blocks.Cell) -> blocks.Cell:
    """Return a cell whose lines are single ones, with the sign of its tone as text."""
    lines = [" ".join(line.split("\n")) for line in cell.signed_lines]
    if cell.tone in blocks.SIGNS:
        lines[-1] += blocks.SIGNS[cell.tone]
    return blocks.Cell(tuple(lines))
