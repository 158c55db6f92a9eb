"""The blocks of a document, before they are written as HTML, Markdown or terminal lines.

Texts are plain: they may contain anything, and the writers escape them. Only a :class:`Figure` contains
markup, which ``picture/`` draws and :mod:`pfnlab.present.document.drawings` checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec

#: The tone of a cell or sentence: as expected, different from the first, a violation, or of little interest.
#: It is never conveyed by colour alone: :data:`SIGNS` are printed as well. A title is in the tone ``head``.
Tone = Literal["", "good", "lit", "bad", "pale", "head"]
#: The sign printed after a text in a given tone.
SIGNS: dict[str, str] = {"lit": " <"}


class Cell(msgspec.Struct, frozen=True):
    """A table cell, monospaced if it is *code*; a line that ends in *loud* is bad, whatever the tone."""

    lines: tuple[str, ...] = ()
    tone: Tone = ""
    code: bool = False
    loud: str = ""

    @property
    def signed_lines(self) -> tuple[str, ...]:
        """The lines, or a dash if there are none for the sign of its tone to follow."""
        return self.lines or ("-",) * (self.tone in SIGNS)

    @property
    def whole_tone(self) -> Tone:
        """The tone of the cell as a whole: its own, or ``bad`` if one of its lines is."""
        is_bad = self.loud and any(line.endswith(self.loud) for line in self.lines)
        return self.tone or ("bad" if is_bad else "")

    @property
    def text(self) -> str:
        """The lines joined into one."""
        return "; ".join(self.lines)


def cell(text: str, tone: Tone = "", *, code: bool = False) -> Cell:
    """Return a cell that has a single line."""
    return Cell((text,) if text else (), tone, code)


def cells(*texts: str | Cell, code: bool = True) -> tuple[Cell, ...]:
    """Return a row of one-line cells; the first is a name, monospaced if it is *code*."""
    first, *rest = texts
    named = cell(first, code=code) if isinstance(first, str) else first
    return (named, *(cell(one) if isinstance(one, str) else one for one in rest))


class Paragraph(msgspec.Struct, frozen=True):
    """One or more sentences.

    :param rows: the maximum number of lines in a terminal, which cuts off the rest; 0 for any number
    :param tail: text at its end that is never cut off
    :param whole: whether a terminal leaves its lines whole, e.g. a line of a log
    """

    text: str
    tone: Tone = ""
    rows: int = 0
    tail: str = ""
    whole: bool = False


class Brief(msgspec.Struct, frozen=True):
    """Paragraphs on a screen, and between them as many sentences as *most* lines have room for.

    :param around: the paragraphs before and after the sentences
    :param indent: the indentation of the sentences
    """

    around: tuple[tuple[Paragraph, ...], tuple[Paragraph, ...]]
    sentences: tuple[str, ...]
    most: int
    indent: str = ""


class Facts(msgspec.Struct, frozen=True):
    """Names and their values, e.g. ``kernel``, ``command``; names in *code* have commands as values."""

    rows: tuple[tuple[str, tuple[str, ...]], ...]
    code: frozenset[str] = frozenset({"again"})


class Bullets(msgspec.Struct, frozen=True):
    """Lines of equal weight; in an item with several lines, the others are below the first."""

    items: tuple[str | tuple[str, ...], ...]

    @property
    def groups(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield each item together with the lines below it."""
        for item in self.items:
            first, *rest = (item,) if isinstance(item, str) else item
            yield first, tuple(rest)


def below(lead: str, lines: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Yield a bullet item, and the lines below it indented by two columns; nothing if there are no lines."""
    if found := tuple(f"  {line}" for line in lines):
        yield (lead, *found)


class Table(msgspec.Struct, frozen=True):
    """A table whose first column names the rows.

    :param glance: the columns shown in a terminal, in that order; if empty, a terminal
        does not show the table
    :param below: a chapter for some of the rows: a terminal shows it below the row, a
        document before the table
    :param under: the columns by which a terminal indents lines below a row, and the minimum
        width of the first column
    :param headed: whether a terminal also shows the caption and the column names
    :param listed: whether a terminal shows the caption, with the rows indented below it, and a
        new line for each line of a cell
    :param marked: whether columns are machines side by side, and a row ends in a mark if one differs
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    glance: tuple[int, ...] = ()
    below: tuple[Chapter | None, ...] = ()
    under: int = 4
    headed: bool = False
    listed: bool = False
    marked: bool = False


def named_rows(
    caption: str, rows: Iterable[Iterable[str]], head: tuple[str, ...] = ("", "")
) -> Iterator[Table]:
    """Yield a list of names with texts, below a caption if there is one; nothing without rows."""
    if found := tuple(cells(*row, code=False) for row in rows):
        yield Table(caption, head, found, tuple(range(len(head))), listed=True)


def headed(
    caption: str,
    head: tuple[str, ...],
    rows: Iterable[tuple[Cell, ...]],
    columns: int,
    below: Iterable[Chapter] = (),
) -> Iterator[Table]:
    """Yield a table with a header, its first *columns* columns also in a terminal; nothing without rows."""
    if found := tuple(rows):
        yield Table(caption, head, found, tuple(range(columns)), tuple(below), headed=True)


class Code(msgspec.Struct, frozen=True):
    """Preformatted text; unless *glance* is None, a terminal shows *glance* instead."""

    caption: str
    text: str
    glance: str | None = None


class Figure(msgspec.Struct, frozen=True):
    """A drawing: a checked SVG element, with a title and a description."""

    caption: str
    svg: str


class DrawnFigures(msgspec.Struct, frozen=True):
    """Figures that are drawn on demand, because drawing takes time and a terminal shows no figures."""

    figures: Callable[[], Iterable[Figure]]


class Chapter(msgspec.Struct, frozen=True):
    """Blocks under a heading, *folded* until the reader opens it; the table of contents links to *anchor*."""

    title: str
    blocks: tuple[Block, ...]
    folded: bool = False
    anchor: str = ""


class ContentsEntry(msgspec.Struct, frozen=True):
    """An entry in a table of contents; *anchor* is empty if the result has no chapter."""

    title: str
    word: str
    tone: Tone
    says: str
    anchor: str


class Contents(msgspec.Struct, frozen=True):
    """A list of all results, each linked to its chapter."""

    entries: tuple[ContentsEntry, ...]


Block = Paragraph | Brief | Facts | Bullets | Table | Code | Figure | DrawnFigures | Chapter | Contents


class Document(msgspec.Struct, frozen=True):
    """A complete document; *says* is its result in one sentence."""

    title: str
    says: str
    blocks: tuple[Block, ...]
