"""Ranges that are asked again and again which of them lie over a place; they may nest and repeat."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import le
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Ranged(NamedTuple, Generic[T]):
    """A half-open range of bytes and its owner."""

    start: int
    end: int
    owner: T


class Intervals(Generic[T]):
    """
    A fixed set of ranges: a question costs the answers and a logarithm of the set, however they nest.

    :param ranges: in any order; empty ones are left out
    """

    def __init__(self, ranges: Iterable[tuple[int, int, T]]) -> None:
        self._ranges = sorted(
            (Ranged(start, end, owner) for start, end, owner in ranges if start < end),
            key=lambda ranged: (ranged.start, -ranged.end),
        )
        self._starts = [ranged.start for ranged in self._ranges]
        # Where no range nests in another the ends are in order too, and need no tree.
        self._ends = [ranged.end for ranged in self._ranges]
        self._width = 0
        if all(map(le, self._ends, islice(self._ends, 1, None))):
            return
        # A binary tree in a list: a node has the largest end below it, leaves begin at the power of two.
        width = 1
        while width < len(self._ranges):
            width *= 2
        self._width = width
        self._ends = [0] * (2 * width)
        self._ends[width : width + len(self._ranges)] = [ranged.end for ranged in self._ranges]
        for node in range(width - 1, 0, -1):
            self._ends[node] = max(self._ends[2 * node], self._ends[2 * node + 1])

    def __len__(self) -> int:
        return len(self._ranges)

    def __iter__(self) -> Iterator[Ranged[T]]:
        """All of them, by start; of several with one start the longest first."""
        return iter(self._ranges)

    def over(self, start: int, end: int) -> Iterator[Ranged[T]]:
        """Those that share a byte with *start* up to *end*, in order."""
        last = bisect_left(self._starts, end)
        if not last or start >= end:
            return
        if not self._width:
            yield from self._ranges[bisect_right(self._ends, start) : last]
            return
        nodes = [(1, 0, self._width)]
        while nodes:
            node, first, width = nodes.pop()
            if first >= last or self._ends[node] <= start:
                continue
            if width == 1:
                yield self._ranges[first]
                continue
            half = width // 2
            nodes.append((2 * node + 1, first + half, half))
            nodes.append((2 * node, first, half))

    def any_over(self, start: int, end: int) -> bool:
        """True where one of them shares a byte with *start* up to *end*."""
        return next(self.over(start, end), None) is not None


def uncovered(start: int, end: int, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The parts of *start* up to *end* in none of *ranges*, which come in order of their starts."""
    at = start
    for first, last in ranges:
        if first > at:
            yield at, min(first, end)
        at = max(at, last)
        if at >= end:
            return
    if at < end:
        yield at, end
