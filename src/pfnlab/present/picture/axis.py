"""The axis: from single pages to terabytes, in order but not to scale.

Every border of anything drawn is a tick. The distance between two ticks grows with the logarithm of the
number of pages; a stretch of more than :data:`BREAK_PAGES` is drawn broken, with its size written out. A
drawing has one axis, so a border is in the same place in every panel and on every machine.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import log2

import msgspec

from pfnlab.base.units import PAGE_SIZE, size_text
from pfnlab.present.picture.canvas import text_width
from pfnlab.programs.lang.span import Span

#: The maximum number of pages drawn without a break.
BREAK_PAGES = 64
#: The space between two areas or devices, and the minimum width between two ticks, for few
#: ticks and for many.
GAP, _LEAST, _LEAST_OF_MANY, _MANY = 16.0, 12.0, 8.0, 80
_TICK_SIZE = 10
_PAGES_OF_MIB = (1 << 20) // PAGE_SIZE


class Stretch(msgspec.Struct, frozen=True):
    """The pages between two ticks."""

    name: str
    start: int
    end: int

    @property
    def broken(self) -> bool:
        """True if it is drawn with a break."""
        return self.end - self.start > BREAK_PAGES

    @property
    def size(self) -> str:
        """Its real size, written out."""
        return size_words(self.end - self.start)


def size_words(pages: int) -> str:
    """Format a page count, e.g. as ``1 TiB``, or in pages if it is not a whole number of MiB."""
    return size_text(pages * PAGE_SIZE) if pages % _PAGES_OF_MIB == 0 else f"{pages:,} pages"


class Axis:
    """Page positions, in pixels from the left. *borders* are ticks by name; one tick is a box without
    pages."""

    def __init__(self, borders: Mapping[str, Iterable[int]], width: float) -> None:
        self._ticks = {name: sorted(set(ticks)) or [0] for name, ticks in borders.items()}
        self.stretches = [
            Stretch(name, before, after)
            for name, ticks in self._ticks.items()
            for before, after in pairwise(ticks)
        ]
        boxes = [name for name, ticks in self._ticks.items() if len(ticks) == 1]
        gaps = GAP * max(len(self._ticks) - 1, 0)
        least = [_least(stretch, len(self.stretches)) for stretch in self.stretches]
        fixed = gaps + sum(map(_box_width, boxes))
        widths = _shared(least, [1 + log2(one.end - one.start) for one in self.stretches], width - fixed)
        self._places: dict[tuple[str, int], float] = {}
        at, number = 0.0, 0
        for name, ticks in self._ticks.items():
            self._places[name, ticks[0]] = at
            if len(ticks) == 1:
                at += _box_width(name)
            for tick in ticks[1:]:
                at += widths[number]
                number += 1
                self._places[name, tick] = at
            at += GAP
        self.width = max(at - GAP, 0.0)

    @property
    def names(self) -> list[str]:
        """The names of the areas or devices on the axis, from left to right."""
        return list(self._ticks)

    def ticks(self, name: str) -> list[int]:
        """Return the borders in *name*."""
        return self._ticks[name]

    def at(self, name: str, page: int) -> float:
        """Return the position of a border."""
        return self._places[name, page]

    def span(self, span: Span) -> tuple[float, float]:
        """Return both ends of *span*, or if it has no pages, those of the area or device that it is in."""
        if span.pages <= 0:
            return self.whole(span.name)
        return self.at(span.name, span.start), self.at(span.name, span.end)

    def whole(self, name: str) -> tuple[float, float]:
        """Return both ends of the area or device called *name*."""
        ticks = self._ticks[name]
        left = self._places[name, ticks[0]]
        return left, left + _box_width(name) if len(ticks) == 1 else self._places[name, ticks[-1]]


def _least(stretch: Stretch, count: int) -> float:
    if stretch.broken:
        return text_width(stretch.size, _TICK_SIZE) + 12
    return _LEAST if count <= _MANY else _LEAST_OF_MANY


def _box_width(name: str) -> float:
    return max(40.0, text_width(name, 12) + 16)


def _shared(least: list[float], units: list[float], width: float) -> list[float]:
    """Return widths that are proportional to *units* and fill *width*, none below its minimum."""
    if sum(least) >= width:
        return least
    low, high = 0.0, width
    for _ in range(50):
        middle = (low + high) / 2
        if sum(map(max, least, (middle * unit for unit in units))) > width:
            high = middle
        else:
            low = middle
    return [max(small, low * unit) for small, unit in zip(least, units, strict=True)]


#: Picture widths in pixels: the usual one, the one for a narrow screen, and the widest that counts as narrow.
WIDE, NARROW, _NARROW_UP_TO = 960, 400, 560
#: The space around a picture, and between its parts.
MARGIN, SPACE = 24.0, 16.0


class Dimensions(msgspec.Struct, frozen=True):
    """Sizes, in pixels.

    :param margin: the width of the column on the left, which has the row names
    :param vma: the height of a VMA; ``page`` is the height of a run of level 1 entries, and what each
        higher level adds to it
    :param fall: the height of the links between page tables and memory
    """

    margin: float
    vma: float
    page: float
    fall: float


#: The names of rows, the same in every picture.
ROW_NAMES = {"vma": "VMAs", "pte": "PTEs", "memory": "memory", "book": "book", "tlb": "TLBs"}
#: Dimensions for a single state, for one of several, and for either on a narrow screen.
ALONE = Dimensions(68, 38, 26, 44)
AMONG = Dimensions(68, 26, 20, 22)
SLIM = Dimensions(68, 38, 24, 32)


class Axes(msgspec.Struct, frozen=True):
    """The axis for addresses and the axis for frames, in pixels from the right end of the row names."""

    virtual: Axis
    physical: Axis

    @property
    def width(self) -> float:
        """The width that both axes need."""
        return max(self.virtual.width, self.physical.width)


def is_narrow(width: float | None) -> bool:
    """Return True if a picture this wide is meant for a narrow screen."""
    return width is not None and width <= _NARROW_UP_TO
