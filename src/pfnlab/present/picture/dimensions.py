"""The dimensions of a picture: a state drawn alone, one among several, and either on a narrow screen."""

from __future__ import annotations

import msgspec

from pfnlab.present.picture.axis import Axis

#: The width of a picture, in pixels, and of one for a narrow screen; the widest that counts as narrow.
WIDE, NARROW, _NARROW_UP_TO = 960, 400, 560

#: The space around a picture, and between its parts.
MARGIN, SPACE = 24.0, 16.0


class Dimensions(msgspec.Struct, frozen=True):
    """Sizes, in pixels.

    :param margin: the column at the left with the names of rows
    :param vma: the height of a VMA; ``page``: of a run of entries of level 1, and so much more for each level
    :param fall: the height that links have between page tables and memory
    :param words: the names of rows: VMAs, page tables, memory, book, processors
    :param aside: the width of the column at the right for the processors; 0 where they stand below
    """

    margin: float
    vma: float
    page: float
    fall: float
    words: tuple[str, str, str, str, str]
    aside: float = 0.0


_WORDS = ("VMAs", "page table", "memory", "book", "TLBs")
_SHORT = ("vma", "pte", "mem", "book", "tlb")

#: A state alone, one of several, and either on a narrow screen.
ALONE = Dimensions(88, 38, 26, 44, _WORDS, 224)
AMONG = Dimensions(56, 26, 20, 22, _SHORT)
SLIM = Dimensions(56, 38, 24, 32, _SHORT)


class Axes(msgspec.Struct, frozen=True):
    """The axis of addresses and that of frames, in pixels from the right end of the names of rows."""

    virtual: Axis
    physical: Axis

    @property
    def width(self) -> float:
        """The width that both need."""
        return max(self.virtual.width, self.physical.width)


def is_narrow(width: float | None) -> bool:
    """True where a picture of this width is one for a narrow screen."""
    return width is not None and width <= _NARROW_UP_TO
