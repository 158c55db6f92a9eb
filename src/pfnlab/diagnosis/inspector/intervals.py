"""Ranges, possibly nested or repeated, with fast repeated lookup by place."""

from __future__ import annotations

import gc
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from operator import le, lt
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Ranged(NamedTuple, Generic[T]):
    """A half-open range of bytes and its owner."""

    start: int
    end: int
    owner: T


class Intervals(Generic[T]):
    """A fixed set of ranges; lookup time is the number of matches plus log(size), however they nest.

    Ranges are stored as columns, not objects: most of a million ranges are never looked at individually.
    All three columns are sorted by start; among ranges with the same start, the longest comes first.

    :param ranges: in any order; empty ones are dropped
    """

    def __init__(self, ranges: Iterable[tuple[int, int, T]]) -> None:
        starts, ends, owners = list[int](), list[int](), list[T]()
        for start, end, owner in ranges:
            if start < end:
                starts.append(start)
                ends.append(end)
                owners.append(owner)
        self._arrange(starts, ends, owners)

    @classmethod
    def of_columns(cls, starts: list[int], ends: list[int], owners: Sequence[T]) -> Intervals[T]:
        """Build the set from three sequences of equal length and take ownership of them."""
        if not all(map(lt, starts, ends)):
            return cls(zip(starts, ends, owners, strict=True))
        made = cls.__new__(cls)
        made._arrange(starts, ends, owners)
        return made

    def _arrange(self, starts: list[int], ends: list[int], owners: Sequence[T]) -> None:
        if not all(map(lt, starts, islice(starts, 1, None))):
            order = sorted(range(len(starts)), key=ends.__getitem__, reverse=True)
            order.sort(key=starts.__getitem__)
            starts, ends = [starts[at] for at in order], [ends[at] for at in order]
            owners = [owners[at] for at in order]
        self.starts, self.ends, self.owners = starts, ends, owners
        #: No two of them share a byte.
        self.disjoint = all(map(le, ends, islice(starts, 1, None)))
        self._width = 0
        # If no ranges nest, the ends are sorted as well and no tree is needed.
        if self.disjoint or all(map(le, ends, islice(ends, 1, None))):
            return
        # A binary tree in a list: each node has the largest end below it; leaves start at the power of two.
        width = 1
        while width < len(ends):
            width *= 2
        self._width = width
        self._largest = [0] * (2 * width)
        self._largest[width : width + len(ends)] = ends
        for node in range(width - 1, 0, -1):
            self._largest[node] = max(self._largest[2 * node], self._largest[2 * node + 1])

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[Ranged[T]]:
        """Iterate over all ranges, in order."""
        return map(Ranged, self.starts, self.ends, self.owners)

    def over(self, start: int, end: int) -> Iterator[Ranged[T]]:
        """Return the ranges that overlap *start* up to *end*, in order."""
        last = bisect_left(self.starts, end) if start < end else 0
        if self._width:
            return self._nested(start, last)
        first = bisect_right(self.ends, start, 0, last)
        return map(Ranged, self.starts[first:last], self.ends[first:last], self.owners[first:last])

    def _nested(self, start: int, last: int) -> Iterator[Ranged[T]]:
        nodes = [(1, 0, self._width)]
        while nodes:
            node, first, width = nodes.pop()
            if first >= last or self._largest[node] <= start:
                continue
            if width == 1:
                yield Ranged(self.starts[first], self.ends[first], self.owners[first])
                continue
            half = width // 2
            nodes.append((2 * node + 1, first + half, half))
            nodes.append((2 * node, first, half))

    def any_over(self, start: int, end: int) -> bool:
        """True if any range overlaps *start* up to *end*."""
        if self._width:
            return next(self.over(start, end), None) is not None
        return start < end and bisect_right(self.ends, start) < bisect_left(self.starts, end)


def uncovered(start: int, end: int, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Return the parts of *start* up to *end* outside all *ranges*, which must be sorted by start."""
    at = start
    for first, last in ranges:
        if first > at:
            yield at, min(first, end)
        at = max(at, last)
        if at >= end:
            return
    if at < end:
        yield at, end


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the cycle collector, which would scan a million acyclic values over and over."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()
