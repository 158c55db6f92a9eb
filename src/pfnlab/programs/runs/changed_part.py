"""The part in which two sequences differ, so that the rest need not be examined again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class ChangedPart(NamedTuple):
    """The part of a sequence that has changed; empty if `start` equals both ends.

    :param start: the index of its first element, in both sequences
    :param end_before: the index after its last element, in the earlier sequence
    :param end: the index after its last element, in the later sequence
    """

    start: int
    end_before: int
    end: int

    def around(self, start: int, end: int) -> ChangedPart:
        """The part, extended to include elements *start* up to *end* of the later sequence."""
        if start >= end:
            return self
        if self.start == self.end == self.end_before:
            # Outside the part, the indices of the two sequences correspond.
            return ChangedPart(start, end, end)
        first, last = min(self.start, start), max(self.end, end)
        return ChangedPart(first, self.end_before + last - self.end, last)


def changed_part(before: Sequence[Any], after: Sequence[Any]) -> ChangedPart:
    """The part that differs, between the longest common start and the longest common end.

    Elements are compared by value, which costs almost nothing if they are the same object.
    """
    return changed_rows((before,), (after,))


def changed_rows(before: Sequence[Sequence[Any]], after: Sequence[Sequence[Any]]) -> ChangedPart:
    """The changed part of two tables' rows; the tables are given as columns."""
    columns = list(zip(before, after, strict=True))
    counts = len(before[0]), len(after[0])
    most = min(counts)
    start = min(_alike(had, has, most) for had, has in columns)
    if start == max(counts):
        return ChangedPart(start, start, start)
    behind = min(_alike(had[start:][::-1], has[start:][::-1], most - start) for had, has in columns)
    return ChangedPart(start, counts[0] - behind, counts[1] - behind)


def _alike(before: Sequence[Any], after: Sequence[Any], most: int) -> int:
    """The number of equal elements at the start of both sequences, up to *most*."""
    low, high = 0, most
    # The interpreter itself compares slices, much faster than a loop over their elements would.
    while low < high:
        middle = (low + high + 1) // 2
        if before[low:middle] == after[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
