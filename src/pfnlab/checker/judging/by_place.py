"""The content of an address space, found by where it lies, however much there is of it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Generic, NamedTuple, Protocol, TypeVar

from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.changed_part import ChangedPart, changed_part


class Placed(Protocol):
    """A thing in the address space of a task: a VMA, or a run of page-table entries."""

    @property
    def task(self) -> str:
        """The task whose address space it is."""

    @property
    def span(self) -> Span:
        """Its pages."""


T = TypeVar("T", bound=Placed)

#: The number of an area of a task, and the pages of something there.
_Place = tuple[int, int, int]


class _Area(NamedTuple):
    """The things in one area of a task, by their first pages.

    :param indices: of each among all things
    :param starts: the first page of each
    :param ends: the page behind the last of each
    :param furthest: the furthest end of all until each
    """

    indices: list[int]
    starts: list[int]
    ends: list[int]
    furthest: list[int]

    def indices_of(self, span: Span) -> list[int]:
        """The indices, ascending, of those that have a page of *span*."""
        first = bisect_right(self.furthest, span.start)
        behind = bisect_left(self.starts, span.end)
        return sorted(self.indices[at] for at in range(first, behind) if self.ends[at] > span.start)


class ByPlace(Generic[T]):
    """Things that lie in address spaces, found by their pages; they may overlap.

    Those of one task and area mostly stand together, in ascending order and apart from each other. So their
    places are one ascending list, in which little changes from one step to the next.
    """

    def __init__(self, things: Iterable[T] = ()) -> None:
        self.things: Sequence[T] = ()
        self._set(tuple(things))

    def _set(self, things: Sequence[T]) -> None:
        self.things = things
        #: The areas by task and name, numbered as they come.
        self._numbers: dict[tuple[str, str], int] = {}
        self._places = [self._place(thing) for thing in things]
        self._areas = None if _ascending(self._places) else _areas(self._places)

    def _place(self, thing: T) -> _Place:
        span = thing.span
        number = self._numbers.setdefault((thing.task, span.name), len(self._numbers))
        return number, span.start, span.end

    def replace(self, things: Sequence[T]) -> ChangedPart:
        """Have *things* instead; the part in which they are not those it had."""
        part = changed_part(self.things, things)
        if self._areas is not None:
            self._set(things)
            return part
        new = [self._place(thing) for thing in things[part.start : part.end]]
        self._places[part.start : part.end_before] = new
        self.things = things
        if not _ascending(self._places[max(part.start - 1, 0) : part.end + 1]):
            self._set(things)
        return part

    def indices(self, task: str, span: Span) -> Sequence[int]:
        """The indices, ascending, of those that have a page of *span* in the address space of *task*."""
        number = self._numbers.get((task, span.name))
        if number is None:
            return ()
        if self._areas is not None:
            return self._areas[number].indices_of(span)
        first = bisect_right(self._places, (number, span.start))
        if first and self._places[first - 1][0] == number and self._places[first - 1][2] > span.start:
            first -= 1
        return range(first, bisect_left(self._places, (number, span.end)))

    def overlapping(self, task: str, span: Span) -> Sequence[T]:
        """Those that have a page of *span* in the address space of *task*, in the order they were given."""
        return [self.things[index] for index in self.indices(task, span)]


def _ascending(places: Sequence[_Place]) -> bool:
    """True where each lies behind the one before it: in the same area, or in one with a later number."""
    return all(start < end for _, start, end in places) and all(
        end <= start if number == next_number else number < next_number
        for (number, _, end), (next_number, start, _) in pairwise(places)
    )


def _areas(places: Sequence[_Place]) -> dict[int, _Area]:
    """The things in each area, by its number, where they do not stand in ascending order."""
    found: dict[int, list[tuple[int, int, int]]] = {}
    for index, (number, start, end) in enumerate(places):
        found.setdefault(number, []).append((start, end, index))
    areas = {}
    for number, placed in found.items():
        placed.sort(key=lambda one: one[0])
        starts, ends, indices = (list(column) for column in zip(*placed, strict=True))
        areas[number] = _Area(indices, starts, ends, list(accumulate(ends, max)))
    return areas
