"""Draws neighbours in a random program: mappings next to earlier ones, and calls spanning two of them.

Two mappings touch, overlap by a page, or leave a hole of one or two pages, in the area and on the device.
"""

from collections.abc import Mapping, Sequence
from random import Random

from msgspec.structs import replace

from pfnlab.programs.cases.mapping_kinds import driver_ways
from pfnlab.programs.cases.neighbours import GAPS, across, beside
from pfnlab.programs.lang import ops
from pfnlab.programs.lang.device_ops import DriverMap
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import ANON, PERF

#: How often a new mapping lies next to an earlier one, and how often it is then mapped like that one,
#: and how often in front of it.
_BESIDE, _ALIKE, _IN_FRONT = 0.6, 0.6, 0.4

#: How often a range lies at the border of a mapping, and how often pages of a device end with its last page.
_AT_BORDER, _TO_END = 0.4, 0.3

#: The pages of a new neighbour.
_SIZES = (1, 1, 2, 2, 3, 4)

#: How many mappings follow the first one at once, and how often one of the driver does, if there may be some.
FOLLOWING, DRIVEN = (1, 1, 2), 0.5

#: The earlier mappings that a new one may lie next to.
_LATEST = 4

#: The guest driver's methods that can fill a mapping of any size at any place.
_ANY_SIZE = frozenset(how for how, kind in driver_ways().items() if kind.any_size)


class DrawnNeighbours:
    """The mappings in a neighbour program, and ranges at their borders.

    :param devices: the pages of each device; *areas*: the same for areas
    """

    def __init__(self, random: Random, devices: Mapping[str, int], areas: Mapping[str, int]) -> None:
        self._random, self._devices, self._areas = random, devices, areas
        #: Every mapping so far, with its range in an area.
        self._mapped: list[tuple[Span, ops.Mmap]] = []

    def add(self, place: Span, call: ops.Mmap) -> None:
        """Record that *call* maps *place*."""
        if place.pages and place.end <= self._areas[place.name]:
            self._mapped.append((place, call))

    def moved(self, call: ops.Mmap, *, always: bool = False) -> ops.Mmap:
        """*call* next to an earlier mapping, in its area and if possible on its device; often unchanged.

        :param always: whether to move it wherever there is room
        """
        draw = self._random
        if not self._mapped or call.source.name == PERF or not (always or draw.random() < _BESIDE):
            return call
        place, first = draw.choice(self._mapped[-_LATEST:])
        pages, front, alike = draw.choice(_SIZES), draw.random() < _IN_FRONT, draw.random() < _ALIKE
        area, device = (draw.choice(list(GAPS.values())) for _ in range(2))
        for side in (front, not front):
            over = beside(place, area, pages, front=side)
            shown = beside(first.source, device, pages, front=side)
            if not _fits(over, self._areas):
                continue
            if call.source.name == ANON:
                return replace(call, name=None, over=over, source=Span(ANON, 0, pages))
            if not _fits(shown, self._devices):
                continue
            if alike and _has_any_size(first):
                return replace(first, name=None, over=over, source=shown)
            if call.source.name == shown.name and _has_any_size(call):
                return replace(call, name=None, over=over, source=shown)
        return call

    def range(self, name: str) -> Span | None:
        """Draw pages in area *name* at the border of a mapping; None for any other pages."""
        return self._at_border([place for place, _ in self._mapped if place.name == name], self._areas)

    def shown(self, name: str) -> Span | None:
        """Draw pages of device *name* at the border of pages that a mapping shows; None for any others."""
        return self._at_border(
            [call.source for _, call in self._mapped if call.source.name == name], self._devices
        )

    def _at_border(self, spans: Sequence[Span], extents: Mapping[str, int]) -> Span | None:
        draw = self._random
        if not spans or draw.random() >= _AT_BORDER:
            return None
        one, other = draw.choice(spans), draw.choice(spans)
        found = draw.choice(
            (
                across(one, other),
                across(one, other),
                # All pages of both, their last page, and one page past the end.
                Span(one.name, min(one.start, other.start), max(one.end, other.end)),
                Span(one.name, one.end - 1, one.end),
                Span(one.name, one.end - 1, one.end + 1),
            )
        )
        return found if _fits(found, extents) else None

    def page(self, name: str) -> Span | None:
        """Draw the first or the last page of a mapping in area *name*; None for any other page."""
        draw = self._random
        places = [place for place, _ in self._mapped if place.name == name]
        if not places or draw.random() >= _AT_BORDER:
            return None
        place = draw.choice(places)
        first = draw.choice((place.start, place.end - 1, place.end - 1))
        return Span(name, first, first + 1)

    def ends(self) -> bool:
        """Draw whether pages of a device end with its last page."""
        return self._random.random() < _TO_END


def _fits(span: Span, extents: Mapping[str, int]) -> bool:
    return 0 <= span.start < span.end <= extents.get(span.name, 0)


def _has_any_size(call: ops.Mmap) -> bool:
    """True if *call* maps a device in a way that has no special requirements."""
    filled: DriverMap | None = call.driver
    return filled is None or filled.how in _ANY_SIZE
