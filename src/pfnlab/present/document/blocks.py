"""The blocks of a document, before they are written as HTML, Markdown or terminal lines.

Texts are plain: they may contain anything, and the writers escape them. Only :class:`Figure` contains markup,
drawn by ``picture/`` and checked by :mod:`pfnlab.present.document.drawings`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar, Literal

import msgspec

#: The tone of a cell or a sentence: as expected, different from the first, a violation, or of little
#: interest. Never shown by colour alone: :data:`SIGNS` are printed too.
Tone = Literal["", "good", "lit", "bad", "pale"]
#: The sign printed after a text with a tone.
SIGNS: dict[str, str] = {"lit": " <"}


class Cell(msgspec.Struct, frozen=True):
    """A table cell, in monospace if it is *code*."""

    lines: tuple[str, ...] = ()
    tone: Tone = ""
    code: bool = False

    @property
    def text(self) -> str:
        """The lines joined into one."""
        return "; ".join(self.lines)


def cell(text: str, tone: Tone = "", *, code: bool = False) -> Cell:
    """Return a cell with one line."""
    return Cell((text,) if text else (), tone, code)


def cells(*texts: str | Cell, code: bool = True) -> tuple[Cell, ...]:
    """Return a row of one-line cells; the first is a name, in monospace if it is *code*."""
    first, *rest = texts
    named = cell(first, code=code) if isinstance(first, str) else first
    return (named, *(cell(one) if isinstance(one, str) else one for one in rest))


class Paragraph(msgspec.Struct, frozen=True):
    """One or more sentences.

    :param wrapped: whether a terminal wraps it at its width
    """

    kind: ClassVar[str] = "paragraph"
    text: str
    tone: Tone = ""
    wrapped: bool = False


class Facts(msgspec.Struct, frozen=True):
    """Names and their values, e.g. ``kernel``, ``command``; the values of names in *code* are commands."""

    kind: ClassVar[str] = "facts"
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    code: frozenset[str] = frozenset({"again"})


class Bullets(msgspec.Struct, frozen=True):
    """Lines of equal weight; an item with several lines has the others below its first."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str | tuple[str, ...], ...]

    @property
    def groups(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield each item with the lines below it."""
        for item in self.items:
            first, *rest = (item,) if isinstance(item, str) else item
            yield first, tuple(rest)


def listed(lead: str, lines: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Yield a bullet item with its lines below it, each indented by two columns; nothing without lines."""
    if below := tuple(f"  {line}" for line in lines):
        yield (lead, *below)


class Table(msgspec.Struct, frozen=True):
    """A table whose first column names its rows.

    :param glance: the columns that a terminal shows, in that order; if empty, it does not show the table
    :param below: a chapter for some rows: a terminal shows it below the row, a document before the table
    :param under: the columns by which a terminal indents lines below a row, and the minimum width of its
        first column
    :param headed: whether a terminal shows the caption and the column names too
    :param wrapped: whether a terminal shows the caption and wraps the last column at its width
    """

    kind: ClassVar[str] = "table"
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    glance: tuple[int, ...] = ()
    below: tuple[Chapter | None, ...] = ()
    under: int = 4
    headed: bool = False
    wrapped: bool = False


def headed(
    caption: str,
    head: tuple[str, ...],
    rows: Iterable[tuple[Cell, ...]],
    columns: int,
    below: Iterable[Chapter] = (),
) -> Iterator[Table]:
    """Yield a table with its header; a terminal shows the first *columns* columns. Nothing without rows."""
    if found := tuple(rows):
        yield Table(caption, head, found, tuple(range(columns)), tuple(below), headed=True)


class Code(msgspec.Struct, frozen=True):
    """Preformatted text; if *glance* is not None, a terminal shows that instead."""

    kind: ClassVar[str] = "code"
    caption: str
    text: str
    glance: str | None = None


class Figure(msgspec.Struct, frozen=True):
    """A drawing: a checked SVG element with a title and a description."""

    kind: ClassVar[str] = "figure"
    caption: str
    svg: str


class DrawnFigures(msgspec.Struct, frozen=True):
    """Figures drawn on demand, because drawing takes time and a terminal shows none."""

    kind: ClassVar[str] = "drawn"
    figures: Callable[[], Iterable[Figure]]


class Chapter(msgspec.Struct, frozen=True):
    """Blocks under a heading, *folded* until the reader opens it; the table of contents links to *anchor*."""

    kind: ClassVar[str] = "chapter"
    title: str
    blocks: tuple[Block, ...]
    folded: bool = False
    anchor: str = ""


class ContentsEntry(msgspec.Struct, frozen=True):
    """One entry in a table of contents; *anchor* is empty for a result without a chapter."""

    title: str
    word: str
    tone: Tone
    says: str
    anchor: str


class Contents(msgspec.Struct, frozen=True):
    """The list of all results, each linked to its chapter."""

    kind: ClassVar[str] = "contents"
    entries: tuple[ContentsEntry, ...]


Block = Paragraph | Facts | Bullets | Table | Code | Figure | DrawnFigures | Chapter | Contents


class Document(msgspec.Struct, frozen=True):
    """A complete document; *says* is the result in one sentence."""

    title: str
    says: str
    blocks: tuple[Block, ...]
