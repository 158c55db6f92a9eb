"""One cache mode for each page of RAM, stored as runs: for page flags (S2.1.2) and the direct map (S2.8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.mm.memtype_interval import BookRow, MemtypeEntry, MemtypeIntervals


class PageModes:
    """A mode for every pfn, initially WB."""

    def __init__(self) -> None:
        # Disjoint and never WB; adjacent runs with the same mode are merged. Bounds are pfns here.
        self._runs = MemtypeIntervals()

    def __getitem__(self, pfn: int) -> CacheMode:
        run = self.first_set(pfn, pfn + 1)
        return run.type if run else CacheMode.WB

    def first_set(self, start: int, end: int) -> MemtypeEntry | None:
        """The first run, in pfns, of non-WB pages between *start* and *end*."""
        return self._runs.first_overlap(start, end)

    def set(self, start: int, end: int, mode: CacheMode) -> None:
        """Set the mode of pages *start* to *end* (half-open) to *mode*."""
        if start >= end:
            return
        while run := self._runs.first_overlap(start, end):
            self._runs.remove(run.start, run.end)
            if run.start < start:
                self._runs.insert(run.start, start, run.type)
            if end < run.end:
                self._runs.insert(end, run.end, run.type)
        if mode == CacheMode.WB:
            return
        # Nothing overlaps any more; merge neighbours that have the same mode.
        for neighbour in (self.first_set(start - 1, start), self.first_set(end, end + 1)):
            if neighbour and neighbour.type == mode:
                self._runs.remove(neighbour.start, neighbour.end)
                start, end = min(start, neighbour.start), max(end, neighbour.end)
        self._runs.insert(start, end, mode)

    def change(self, start: int, end: int, new: Callable[[CacheMode], CacheMode]) -> bool:
        """Pass the mode of every page from *start* to *end* (half-open) through *new*.

        :return: True if any page's mode changed
        """
        changed = False
        while start < end:
            run = self.first_set(start, end)
            if run is None or run.start > start:
                stop, mode = min(end, run.start) if run else end, CacheMode.WB
            else:
                stop, mode = min(end, run.end), run.type
            if new(mode) is not mode:
                self.set(start, stop, new(mode))
                changed = True
            start = stop
        return changed

    def runs(self) -> list[MemtypeEntry]:
        """All runs that are not WB, with bounds in pfns."""
        return list(self._runs)

    def rows(self) -> list[BookRow]:
        """The same as plain numbers."""
        return self._runs.rows()

    def load(self, runs: Iterable[MemtypeEntry]) -> None:
        """Restore *runs*, as returned by :meth:`runs`, unchecked."""
        self._runs = MemtypeIntervals(runs)

    def copy(self) -> PageModes:
        """An independent copy."""
        twin = PageModes.__new__(PageModes)
        twin._runs = self._runs.copy()
        return twin

    def _check(self) -> None:
        self._runs._check()
        for run in self._runs:
            assert run.type != CacheMode.WB, self.runs()
        for left, right in pairwise(self._runs):
            assert left.end < right.start or (left.end == right.start and left.type != right.type), (
                self.runs()
            )
