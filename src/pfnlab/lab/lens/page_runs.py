"""Page tables as runs of virtual addresses that map consecutive physical addresses in the same way."""

from collections.abc import Iterator
from typing import NamedTuple

from pfnlab.base.units import PAGE_SHIFT, PAGE_SIZE
from pfnlab.kernel.hw.bits import PAGE_PRESENT, PAGE_PSE, PAGE_RW, pgprot_large_2_4k
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.entry import entry_pfn
from pfnlab.kernel.hw.pat import PatConfig
from pfnlab.lab.lens.view import ENTRIES, LEVEL_BITS, KernelView

#: Maximum number of tables and runs to read in one kernel: 2 TiB of single pages.
MAX_TABLES = MAX_RUNS = 1_000_000


class PageRun(NamedTuple):
    """Consecutive present entries: first virtual address, physical range up to *end*, and mode."""

    virtual: int
    start: int
    end: int
    mode: CacheMode
    writable: bool


class RunReader:
    """Reads the page tables of one kernel, whose PAT is *pat*."""

    def __init__(self, view: KernelView, pat: PatConfig) -> None:
        self._view, self._pat = view, pat
        self._levels = 5 if view.info.number("pgtable_l5_enabled", 0) else 4
        self._tables = self._runs = 0

    def runs(self, top: int, start: int, end: int) -> Iterator[PageRun]:
        """The present entries below *top*, from address *start* up to *end*, as the longest possible runs.

        :raises LensError: if a table is missing, or there are more than
            :data:`MAX_TABLES` or :data:`MAX_RUNS`
        """
        last: PageRun | None = None
        for run in self._table(top, self._levels, start >> PAGE_SHIFT, end >> PAGE_SHIFT):
            if last is None:
                last = run
            elif (
                run.virtual - last.virtual == last.end - last.start
                and run.start == last.end
                and (run.mode, run.writable) == (last.mode, last.writable)
            ):
                last = last._replace(end=run.end)
            else:
                yield self._counted(last)
                last = run
        if last is not None:
            yield self._counted(last)

    def mode(self, prot: int, level: int = 1) -> CacheMode:
        """The mode that an entry's cache bits select at this level; use level 1 for a protection."""
        return self._pat.pgprot2cachemode(prot if level == 1 else pgprot_large_2_4k(prot))

    def _counted(self, run: PageRun) -> PageRun:
        self._runs += 1
        if self._runs > MAX_RUNS:
            raise self._view.error(f"its page tables have more than {MAX_RUNS:,} runs of entries")
        return run

    def _table(self, table: int, level: int, start: int, end: int) -> Iterator[PageRun]:
        # The entries in one table that map pages start up to end, with consecutive ones merged.
        self._tables += 1
        if self._tables > MAX_TABLES:
            raise self._view.error(f"it has more than {MAX_TABLES:,} page tables to read")
        shift = LEVEL_BITS * (level - 1)
        first = start >> shift & ENTRIES - 1
        words = self._view.table(table, first, ((end - 1 >> shift) - (start >> shift)) + 1)
        page, place, count = start, 0, len(words)
        base = start >> shift
        while place < count:
            word = words[place]
            stop = min(end, base + place + 1 << shift)
            if not word & PAGE_PRESENT:
                place += 1
            elif level > 1 and not word & PAGE_PSE:
                yield from self._table(word, level - 1, page, stop)
                place += 1
            else:
                following = word + (step := PAGE_SIZE << shift)
                place += 1
                while place < count and words[place] == following:
                    following += step
                    place += 1
                stop = min(end, base + place << shift)
                physical = entry_pfn(word, level) + page - (page >> shift << shift) << PAGE_SHIFT
                yield PageRun(
                    page << PAGE_SHIFT,
                    physical,
                    physical + (stop - page << PAGE_SHIFT),
                    self.mode(word, level),
                    bool(word & PAGE_RW),
                )
            page = stop
