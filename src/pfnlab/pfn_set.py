"""A set of page frames as ranges: its cost follows the number of ranges, not that of frames."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from pfnlab.units import PfnRange


class PfnSet:
    """Page frames, immutable.

    :param ranges: in any order, overlapping or not; empty ones are left out
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self, ranges: Iterable[PfnRange] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(pfns for pfns in ranges if pfns.start < pfns.end):
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(start)
                self._ends.append(end)

    def __iter__(self) -> Iterator[PfnRange]:
        """The longest ranges, ascending."""
        return map(PfnRange, self._starts, self._ends)

    def __bool__(self) -> bool:
        """True where there is any frame."""
        return bool(self._starts)

    def __eq__(self, other: object) -> bool:
        """True where both have the same frames."""
        if not isinstance(other, PfnSet):
            return NotImplemented
        return self._starts == other._starts and self._ends == other._ends

    def __hash__(self) -> int:
        return hash((*self._starts, *self._ends))

    def __or__(self, other: PfnSet) -> PfnSet:
        """The frames of either."""
        return PfnSet([*self, *other])

    def __le__(self, other: PfnSet) -> bool:
        """True where *other* has all these frames."""
        return all(pfns in other for pfns in self)

    def __contains__(self, pfns: PfnRange) -> bool:
        """True where all these frames are in the set."""
        place = bisect_right(self._starts, pfns.start) - 1
        return pfns.start >= pfns.end or (place >= 0 and pfns.end <= self._ends[place])

    def __repr__(self) -> str:
        return f"PfnSet({', '.join(f'{pfns.start:#x}-{pfns.end:#x}' for pfns in self)})"
