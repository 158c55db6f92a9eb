"""The page tables of one process, stored as runs of equal entries.

A run is a range of virtual pages whose entries have the same bits and consecutive frames, so a 1 TiB mapping
costs no more than a 64 KiB one. The tables themselves (which spans have a PTE, PMD and PUD table) are
recorded too, because a walker can tell an empty entry from a missing table (S12.3.5).

An entry above the lowest level is a leaf, e.g. of 2 MiB. A run of leaves keeps its level, and clearing or
changing part of a leaf clears or changes all of it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from pfnlab.kernel.hw.spans import SpanSet


class Page:
    """An ordinary memory page: anonymous, or belonging to a file or a driver.

    :ivar value: its content, of which loads and stores access the first 32 bits
    :ivar mapcount: how many entries map it, in all processes together
    :ivar exclusive: PG_anon_exclusive: a single process owns it and may write to it without copying (S6.4.3)
    :ivar anonymous: it does not belong to a file
    :ivar dirty: for a file page: the kernel knows that it was written
    :ivar maker: the task that created it; recorded only if every task runs on its own processor (S5.9.10)
    :ivar batched: it was in a locked VMA and no longer is, so a processor's batch may
        still hold a reference to it
    """

    __slots__ = ("anonymous", "batched", "dirty", "exclusive", "maker", "mapcount", "value")

    def __init__(self, value: int, *, anonymous: bool = True) -> None:
        self.value = value
        self.anonymous = anonymous
        self.dirty = self.batched = False
        self.mapcount = 0
        self.exclusive = anonymous
        self.maker = ""


class EntryRun(NamedTuple):
    """A run of equal entries for the virtual pages ``[start, end)``.

    :param pfn: the first page's frame; the others follow consecutively (unused if ``page`` is set)
    :param bits: the entries' flag bits in the 4K layout
    :param page: the ordinary page, if the run has just one; None for special entries
    :param level: 1 for 4K entries, 2 for 2 MiB leaves
    """

    start: int
    end: int
    pfn: int
    bits: int
    page: Page | None = None
    level: int = 1

    def cut(self, start: int, end: int) -> EntryRun:
        """The part of the run inside ``[start, end)``."""
        if start <= self.start and self.end <= end:
            return self
        start, end = max(start, self.start), min(end, self.end)
        return EntryRun(start, end, self.pfn + start - self.start, self.bits, self.page, self.level)


#: A run's level.
_LEVEL = itemgetter(EntryRun._fields.index("level"))

#: Pages spanned by one table at each level: 2 MiB for a PTE table, 1 GiB for a PMD table,
#: 512 GiB for a PUD table.
TABLE_PAGES = {1: 1 << 9, 2: 1 << 18, 3: 1 << 27}

#: Pages mapped by one entry at each level.
LEAF_PAGES = {1: 1, 2: TABLE_PAGES[1], 3: TABLE_PAGES[2]}


class PageTables:
    """The entries and page tables of one address space."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._runs: list[EntryRun] = []
        self._tables = {level: SpanSet() for level in TABLE_PAGES}

    @property
    def entries(self) -> Sequence[EntryRun]:
        """All runs in address order, read-only."""
        return self._runs

    def state(self) -> tuple[list[EntryRun], list[tuple[tuple[int, int], ...]]]:
        """All runs, and per level (lowest first) the pages that have a table."""
        return list(self._runs), [tuple(self._tables[level]) for level in TABLE_PAGES]

    def load(self, runs: list[EntryRun], tables: Sequence[Iterable[tuple[int, int]]]) -> None:
        """Restore a state returned by :meth:`state`, without checking it.

        :param tables: if empty, only tables that contain an entry are assumed to exist
        """
        self._runs, self._starts = runs, [run.start for run in runs]
        if tables:
            self._tables = {
                level: SpanSet.load(spans) for level, spans in zip(TABLE_PAGES, tables, strict=True)
            }
        else:
            for run in runs:
                self.allocate(run.start, run.end, run.level)

    def runs(self, start: int, end: int) -> list[EntryRun]:
        """The runs inside ``[start, end)``, clipped to it, in address order."""
        first, last = self._places(start, end)
        return [run.cut(start, end) for run in self._runs[first:last]]

    def _places(self, start: int, end: int) -> tuple[int, int]:
        """The places of the runs that overlap ``[start, end)``: the first, and the one after the last."""
        first = bisect_right(self._starts, start) - 1
        if first < 0 or self._runs[first].end <= start:
            first += 1
        return first, bisect_left(self._starts, end, first)

    def _run_at(self, vpn: int) -> EntryRun | None:
        """The run that contains the entry for page *vpn*, or None if that is empty."""
        at = bisect_right(self._starts, vpn) - 1
        return self._runs[at] if at >= 0 and vpn < self._runs[at].end else None

    def entry(self, vpn: int) -> EntryRun | None:
        """The entry for one virtual page, or None if it is empty."""
        run = self._run_at(vpn)
        return None if run is None else run.cut(vpn, vpn + 1)

    def clear(self, start: int, end: int) -> list[EntryRun]:
        """Empty the entries in ``[start, end)`` and return them; the tables stay.

        A leaf is cleared as a whole even if only part of it lies in the range.
        """
        first, last = self._places(start, end)
        if first >= last or start >= end:
            return []
        lowest, highest = self._runs[first], self._runs[last - 1]
        keep = []
        if lowest.start < start:
            start -= start % LEAF_PAGES[lowest.level]
            if lowest.start < start:
                keep.append(lowest.cut(0, start))
        if highest.end > end:
            end += -end % LEAF_PAGES[highest.level]
            if highest.end > end:
                keep.append(highest.cut(end, highest.end))
        cleared = [run.cut(start, end) for run in self._runs[first:last]]
        self._runs[first:last] = keep
        self._starts[first:last] = [run.start for run in keep]
        return cleared

    def leaf_around(self, vpn: int) -> tuple[int, int] | None:
        """The pages of the large leaf around *vpn*; None if there is none, or if *vpn* is its first page."""
        run = self._run_at(vpn)
        if run is None or (within := vpn % LEAF_PAGES[run.level]) == 0:
            return None
        return vpn - within, vpn - within + LEAF_PAGES[run.level]

    def has_leaf(self, level: int) -> bool:
        """True if any entry at *level* maps something."""
        return level in map(_LEVEL, self._runs)

    def has_table(self, vpn: int, level: int) -> bool:
        """True if there is a table for *level* entries at *vpn*."""
        return vpn in self._tables[level]

    def set(self, run: EntryRun) -> None:
        """Install a run where all entries are empty, creating the tables it needs."""
        at = bisect_left(self._starts, run.start)
        self._runs.insert(at, run)
        self._starts.insert(at, run.start)
        self.allocate(run.start, run.end, run.level)

    def change(self, start: int, end: int, bits: Callable[[EntryRun], int]) -> None:
        """Replace the bits of each entry in ``[start, end)`` by the result of *bits*; frames stay."""
        for run in self.clear(start, end):
            self.set(run._replace(bits=bits(run)))

    def allocate(self, start: int, end: int, lowest: int = 1) -> None:
        """Create the tables for entries in ``[start, end)``, down to level *lowest*."""
        if self._tables[lowest].covers(start, end):
            # So does every level above.
            return
        for level, pages in TABLE_PAGES.items():
            if level >= lowest:
                self._tables[level].add(start - start % pages, end + -end % pages)

    def absent(self, start: int, end: int) -> int:
        """Number of PTE tables missing for entries in ``[start, end)``."""
        pages = TABLE_PAGES[1]
        low, high = start - start % pages, end + -end % pages
        present = sum(last - first for first, last in self._tables[1].within(low, high))
        return (high - low - present) // pages

    def table_starts(self, start: int, end: int, *, present: bool) -> list[int]:
        """The first page in ``[start, end)`` of each PTE table there that is *present*, or is missing."""
        pages = TABLE_PAGES[1]
        firsts = range(start - start % pages, end, pages)
        return [max(first, start) for first in firsts if (first in self._tables[1]) == present]

    def copy_tables(self, source: PageTables, start: int, end: int, shift: int = 0) -> None:
        """Create the tables that *source* has for ``[start, end)``, shifted by *shift* pages."""
        for level in TABLE_PAGES:
            for low, high in source._tables[level].within(start, end):
                self.allocate(low + shift, high + shift, level)

    def move_table(self, start: int, shift: int, level: int) -> bool:
        """Move the *level* table at *start*, if any, with all its contents, by *shift* pages.

        :return: True if there was a table
        """
        if start not in self._tables[level]:
            return False
        end = start + TABLE_PAGES[level]
        runs = self.clear(start, end)
        for sublevel in range(1, level + 1):
            for low, high in self._tables[sublevel].within(start, end):
                self._tables[sublevel].discard(low, high)
                self.allocate(low + shift, high + shift, sublevel)
        for run in runs:
            self.set(run._replace(start=run.start + shift, end=run.end + shift))
        return True

    def free_tables(self, floor: int, ceiling: int, highest: int = 3) -> list[tuple[int, int, int]]:
        """Free every table whose whole span lies in ``[floor, ceiling)``, where no entries are left.

        :param highest: the highest table level to free
        :return: for each run of tables, the pages that a flush must cover (from the first page of the first
            table to that of the last), and the number of pages spanned by each table
        """
        freed = []
        for level, pages in TABLE_PAGES.items():
            low, high = floor + -floor % pages, ceiling - ceiling % pages
            if low >= high or level > highest:
                continue
            if spans := self._tables[level].within(low, high):
                freed += [(start, end - pages + 1, pages) for start, end in spans]
                self._tables[level].discard(low, high)
        return freed

    def missing(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """The empty entries in ``[start, end)``, as ``(start, end, level)``.

        *level* tells where the walk stops: 1 at an empty entry in a PTE table, 2 at a missing PTE table, 3 at
        a missing PMD table, 4 at a missing PUD table.
        """
        at = start
        for run in [*self.runs(start, end), EntryRun(end, end, 0, 0)]:
            while at < run.start:
                level, stop = self._walk(at, run.start)
                yield at, stop, level
                at = stop
            at = run.end

    def _walk(self, vpn: int, end: int) -> tuple[int, int]:
        """The level at which a walk to *vpn* stops, and the end of the range with the same result."""
        for level in (3, 2, 1):
            spans = self._tables[level].within(vpn, end)
            if not spans or spans[0][0] > vpn:
                return level + 1, spans[0][0] if spans else end
            end = spans[0][1]
        return 1, end

    def _check(self) -> None:
        assert self._starts == [run.start for run in self._runs]
        for run in self._runs:
            assert run.start < run.end
            assert run.page is None or (run.end, run.level) == (run.start + 1, 1)
            for vpn in (run.start, run.end, run.pfn * (run.page is None)):
                assert vpn % LEAF_PAGES[run.level] == 0, run
            for level, pages in TABLE_PAGES.items():
                for vpn in (run.start, run.end - 1):
                    assert (vpn in self._tables[level]) == (level >= run.level), (run, level, pages)
        for before, after in zip(self._runs, self._runs[1:], strict=False):
            assert before.end <= after.start, (before, after)
        for spans in self._tables.values():
            spans._check()
