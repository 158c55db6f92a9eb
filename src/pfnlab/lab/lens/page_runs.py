"""Page tables as runs of virtual addresses that map consecutive physical addresses in the same way."""

from collections.abc import Iterator
from typing import NamedTuple

from pfnlab.base.units import PAGE_SHIFT
from pfnlab.kernel.hw.bits import PAGE_PRESENT, PAGE_RW, pgprot_large_2_4k
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pat import PatConfig
from pfnlab.lab.lens.table_walk import TableRun, entry_runs
from pfnlab.lab.lens.view import KernelView

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
        self._tables = self._runs = 0

    def runs(self, top: int, start: int, end: int) -> Iterator[PageRun]:
        """The present entries below *top*, from address *start* up to *end*, as the longest possible runs.

        :raises LensError: if a table is missing, or there are more than
            :data:`MAX_TABLES` or :data:`MAX_RUNS`
        """
        last: PageRun | None = None
        for run in entry_runs(self._read, top, self._view.levels, start >> PAGE_SHIFT, end >> PAGE_SHIFT):
            if not run.word & PAGE_PRESENT:
                continue
            one = self._page_run(run)
            if last is None:
                last = one
            elif (
                one.virtual - last.virtual == last.end - last.start
                and one.start == last.end
                and (one.mode, one.writable) == (last.mode, last.writable)
            ):
                last = last._replace(end=one.end)
            else:
                yield self._counted(last)
                last = one
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

    def _page_run(self, run: TableRun) -> PageRun:
        pfn = run.pfn
        return PageRun(
            run.start << PAGE_SHIFT,
            pfn << PAGE_SHIFT,
            pfn + run.end - run.start << PAGE_SHIFT,
            self.mode(run.word, run.level),
            bool(run.word & PAGE_RW),
        )

    def _read(self, table: int, level: int, first: int, count: int) -> tuple[int, ...]:
        self._tables += 1
        if self._tables > MAX_TABLES:
            raise self._view.error(f"it has more than {MAX_TABLES:,} page tables to read")
        return self._view.table(table, first, count)
