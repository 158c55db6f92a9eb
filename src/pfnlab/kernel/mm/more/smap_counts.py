"""The counters for a VMA in /proc/PID/smaps (S7.5.2), computed the same way for every walker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pfnlab.base.units import PAGE_SIZE

#: Fractional bits in a proportional set size (PSS_SHIFT).
_PSS_SHIFT = 12

#: Page size in kB.
_PAGE_KB = PAGE_SIZE // 1024


class SmapCounts(NamedTuple):
    """The counters for one VMA in /proc/PID/smaps, in kB."""

    rss: int
    anonymous: int
    pss: int

    @classmethod
    def of(cls, runs: Iterable[tuple[int, int]], anonymous: int) -> SmapCounts:
        """The counters for some ordinary pages.

        :param runs: pairs of a page count and how many entries map each of those pages
        :param anonymous: how many of all these pages belong to no file
        """
        pages = pss = 0
        for count, mapcount in runs:
            pages += count
            # The kernel divides in fixed point, so three thirds add up to slightly less than one.
            pss += (PAGE_SIZE << _PSS_SHIFT) // mapcount * count
        return cls(pages * _PAGE_KB, anonymous * _PAGE_KB, pss >> _PSS_SHIFT >> 10)
