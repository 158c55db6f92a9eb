"""Text in pieces, each with the style it has where there are colours; elsewhere it is plain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

#: Characters that a terminal acts on instead of showing: bell, backspace, vertical tab, form feed, return.
_ACTING = dict.fromkeys((7, 8, 11, 12, 13))


class StyledPiece(NamedTuple):
    """A piece of text.

    :param style: as rich names it, ``bold red``; empty for none
    """

    text: str
    style: str


class StyledText:
    """A text that grows piece by piece.

    Rich, which prints it in colours, takes longer to import than a small program runs: only a terminal needs
    it.
    """

    def __init__(self, text: str = "", style: str = "") -> None:
        self.pieces: list[StyledPiece] = []
        self.append(text, style)

    def append(self, text: str, style: str = "") -> None:
        """Add a piece."""
        shown = text.translate(_ACTING)
        if shown:
            self.pieces.append(StyledPiece(shown, style))

    def add(self, other: StyledText) -> None:
        """Add the pieces of another text."""
        self.pieces += other.pieces

    def rstrip(self) -> None:
        """Remove white space at the end."""
        while self.pieces:
            last = self.pieces.pop()
            if kept := last.text.rstrip():
                self.pieces.append(last._replace(text=kept))
                return

    @property
    def plain(self) -> str:
        """The text without styles."""
        return "".join(piece.text for piece in self.pieces)


def lines_of(texts: Iterable[StyledText]) -> StyledText:
    """Texts with the end of a line between them."""
    whole = StyledText()
    for at, text in enumerate(texts):
        if at:
            whole.append("\n")
        whole.add(text)
    return whole
