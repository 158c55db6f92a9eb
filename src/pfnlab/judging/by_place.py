"""The content of an address space, found by where it lies, however much there is of it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Generic, NamedTuple, Protocol, TypeVar

from pfnlab.programs.lang.span import Span


class Placed(Protocol):
    """A thing in the address space of a task: a VMA, or a run of page-table entries."""

    @property
    def task(self) -> str:
        """The task whose address space it is."""

    @property
    def span(self) -> Span:
        """Its pages."""


T = TypeVar("T", bound=Placed)


class _Area(NamedTuple, Generic[T]):
    """
    The things in one area of a task, by their first pages.

    :param numbered: with its number among all things
    :param starts: the first page of each
    :param furthest: the furthest end of all until each
    """

    numbered: list[tuple[int, T]]
    starts: list[int]
    furthest: list[int]


class ByPlace(Generic[T]):
    """
    Things that lie in address spaces, found by their pages; they may overlap.

    :param things: in any order
    """

    def __init__(self, things: Iterable[T]) -> None:
        found: dict[tuple[str, str], list[tuple[int, T]]] = {}
        for number, thing in enumerate(things):
            found.setdefault((thing.task, thing.span.name), []).append((number, thing))
        self._areas: dict[tuple[str, str], _Area[T]] = {}
        for key, numbered in found.items():
            numbered.sort(key=lambda pair: pair[1].span.start)
            spans = [thing.span for _, thing in numbered]
            self._areas[key] = _Area(
                numbered, [span.start for span in spans], list(accumulate((span.end for span in spans), max))
            )

    def overlapping(self, task: str, span: Span) -> list[T]:
        """Those that have a page of *span* in the address space of *task*, in the order they were given."""
        area = self._areas.get((task, span.name))
        if area is None:
            return []
        first = bisect_right(area.furthest, span.start)
        behind = bisect_left(area.starts, span.end)
        return [
            thing
            for _, thing in sorted(
                (pair for pair in area.numbered[first:behind] if pair[1].span.end > span.start),
                key=lambda pair: pair[0],
            )
        ]
