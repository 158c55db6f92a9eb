"""The cells of a neighbour sweep: two mappings next to each other, and one operation spanning both.

Two mappings are tried with each pair of gaps in the area and on the device: they touch, overlap by a page, or
leave a hole of one or two pages. For each, every operation has two cells: one on the pages around the border,
one on all pages of both mappings. In one of the two cells, a fork follows the operation; in one, the second
mapping lies in front of the first. Both alternate. At the end, the task reads the pages at all borders and
unmaps everything.
"""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import NamedTuple

from pfnlab.hunt.sweep.swept_mappings import NEIGHBOURS, Spot, SweptMapping
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.neighbours import GAPS, across, beside
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import ANON

#: The scope, and its kinds of mapping.
((SCOPE, MAPPINGS),) = NEIGHBOURS.items()

#: The first mapping in its area, and the device pages that it shows.
_FIRST, _SHOWN = Span("a", 8, 12), Span("bar", 8, 12)

#: The size of the device, large enough to have the other pages of :class:`.Spot` for each place in the area.
_DEVICE_PAGES = 40


class NeighbouringCell(NamedTuple):
    """A cell: two neighbouring mappings, and an operation on pages of both.

    :param area: the gap in the area, in the words of :data:`~pfnlab.programs.lang.neighbours.GAPS`
    :param device: the gap on the device; empty if one of the two is ordinary memory
    :param operation: the kind of operation
    :param front: whether the second mapping lies in front of the first
    :param whole: whether the operation covers all pages of both mappings rather than those around the border
    :param fork: whether a fork follows the operation
    """

    mapping: SweptMapping
    area: str
    device: str
    operation: str
    front: bool
    whole: bool
    fork: bool

    @property
    def scope(self) -> str:
        """The neighbour scope."""
        return SCOPE

    @property
    def table(self) -> str:
        """The table that contains it."""
        return self.mapping.name

    @property
    def kinds(self) -> tuple[str, str]:
        """Its row and its column."""
        device = f", {self.device} on the device" if self.device not in ("", self.area) else ""
        return self.operation, f"{self.area}{device}"

    def __str__(self) -> str:
        place = "all of both" if self.whole else "the border"
        side = "in front" if self.front else "behind"
        forks = ", fork" if self.fork else ""
        return f"{SCOPE}, {self.mapping.name}: {self.operation}{forks} on {place}; {side}, {self.kinds[1]}"

    @property
    def text(self) -> str:
        """The text of its program."""
        mapping = self.mapping
        second = beside(_FIRST, GAPS[self.area], _FIRST.pages, front=self.front)
        shown = beside(_SHOWN, GAPS[self.device or self.area], second.pages, front=self.front)
        # If they overlap in the area, the second replaces a page of the first.
        left = Span("a", second.end, _FIRST.end) if self.front else Span("a", _FIRST.start, second.start)
        left = left if left.pages < _FIRST.pages else _FIRST
        lower, upper = (second, left) if self.front else (left, second)
        part, device = across(lower, upper), across(_SHOWN, shown)
        if self.whole:
            part, device = Span("a", lower.start, upper.end), _joined(_SHOWN, shown)
        own = f"{mapping.via} {mapping.sharing}"
        other = f"{shown} {mapping.beside or own}"
        if mapping.beside == ANON:
            other = f"{ANON}[0:{second.pages}] private"
        spot = Spot(mapping, part.name, part.start, part.end, False, "b", device)
        after = (*spot.lines(self.operation), *(("c = fork",) if self.fork else ()))
        read = dict.fromkeys((lower.start, lower.end - 1, upper.start, upper.end - 1))
        lines = (
            *(
                "pfnlab program 1",
                f"title   {self}",
                f"device  bar: {mapping.device}, {_DEVICE_PAGES} pages",
            ),
            *("area    a: 24 pages", ""),
            f"mmap {_SHOWN} {own} rw over {_FIRST}",
            f"mmap {other} rw over {second}",
            *(f"write a[{page}] {value}" for value, page in enumerate((lower.end - 1, upper.start), 1)),
            *after,
            *(f"read a[{page}]" for page in read),
            *((f"c: read a[{upper.end - 1}]",) if self.fork else ()),
            f"munmap a[{lower.start}:{upper.end}]",
        )
        return "".join(f"{line}\n" for line in lines)

    @property
    def program(self) -> Program:
        """Its program."""
        return load_text(self.text, str(self))


def _joined(one: Span, other: Span) -> Span:
    return Span(one.name, min(one.start, other.start), max(one.end, other.end))


@cache
def neighbouring_cells() -> tuple[NeighbouringCell, ...]:
    """The cells for all kinds of mapping, row by row."""
    return tuple(cell for place, mapping in enumerate(MAPPINGS) for cell in _cells_of_mapping(place, mapping))


def _cells_of_mapping(place: int, mapping: SweptMapping) -> Iterator[NeighbouringCell]:
    # Ordinary memory has no place on the device.
    gaps = list(product(GAPS, ("",) if mapping.beside == ANON else GAPS))
    for (row, operation), (column, (area, device)) in product(enumerate(mapping.kinds), enumerate(gaps)):
        forks, in_front = (place + row + column) % 2 == 1, (row + column // len(GAPS)) % 2 == 1
        for whole in (False, True):
            yield NeighbouringCell(
                mapping, area, device, operation, in_front is not whole, whole, forks is not whole
            )
