"""A set of page numbers or frames, stored as disjoint sorted runs; costs depend on the number of runs."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class SpanSet:
    """A set of pages, stored as maximal half-open runs."""

    def __init__(self, runs: Iterable[tuple[int, int]] = ()) -> None:
        starts: list[int] = []
        ends: list[int] = []
        for start, end in sorted(runs):
            if start >= end:
                continue
            if ends and start <= ends[-1]:
                if end > ends[-1]:
                    ends[-1] = end
            else:
                starts.append(start)
                ends.append(end)
        self._starts, self._ends = starts, ends

    @classmethod
    def load(cls, runs: Iterable[tuple[int, int]]) -> SpanSet:
        """Create a set from exactly these runs, which must be sorted and must not touch."""
        spans = cls()
        for start, end in runs:
            spans._starts.append(start)
            spans._ends.append(end)
        return spans

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._starts, self._ends, strict=True))

    def __contains__(self, page: int) -> bool:
        at = bisect_right(self._starts, page) - 1
        return at >= 0 and page < self._ends[at]

    def __bool__(self) -> bool:
        """True if the set is not empty."""
        return bool(self._starts)

    def __or__(self, other: SpanSet) -> SpanSet:
        """The union of the two sets."""
        return SpanSet([*self, *other])

    def __le__(self, other: SpanSet) -> bool:
        """True if *other* contains all of these pages."""
        return all(other.covers(start, end) for start, end in self)

    def covers(self, start: int, end: int) -> bool:
        """True if every page of ``[start, end)`` is in the set."""
        at = bisect_right(self._starts, start) - 1
        return start >= end or (at >= 0 and end <= self._ends[at])

    def within(self, start: int, end: int) -> list[tuple[int, int]]:
        """The runs that overlap ``[start, end)``, clipped to it."""
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end)
        if first >= last:
            return []
        return [(max(self._starts[i], start), min(self._ends[i], end)) for i in range(first, last)]

    def add(self, start: int, end: int) -> None:
        """Add every page of ``[start, end)``."""
        if start >= end:
            return
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def discard(self, start: int, end: int) -> None:
        """Remove every page of ``[start, end)``."""
        if start >= end:
            return
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end)
        if first >= last:
            return
        starts, ends = [], []
        if self._starts[first] < start:
            starts.append(self._starts[first])
            ends.append(start)
        if self._ends[last - 1] > end:
            starts.append(end)
            ends.append(self._ends[last - 1])
        self._starts[first:last] = starts
        self._ends[first:last] = ends

    def _check(self) -> None:
        assert len(self._starts) == len(self._ends)
        for start, end in self:
            assert start < end
        for i in range(1, len(self._starts)):
            assert self._ends[i - 1] < self._starts[i], (self._starts, self._ends)
