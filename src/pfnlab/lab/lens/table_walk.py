"""Page-table walks: runs of entries in a task's tables, and the kernel's direct map of RAM."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import NamedTuple

from pfnlab.base.units import PAGE_SHIFT, PAGE_SIZE, PHYSICAL_MASK, PfnRange
from pfnlab.kernel.hw.bits import PAGE_CACHE_MASK, PAGE_PRESENT, PAGE_PROTNONE, PAGE_PSE, pgprot_large_2_4k
from pfnlab.kernel.hw.entry import entry_pfn, pte_special
from pfnlab.kernel.hw.pat import FULL_PAT
from pfnlab.lab.lens.plain import Extent, Fault, RawEntries
from pfnlab.lab.lens.view import ENTRIES, LEVEL_BITS, KernelView
from pfnlab.programs.runs.memory_faults import direct_map_level

#: Maximum number of page tables to read in one task's areas (enough to map 200 GiB).
MAX_TABLES = 100_000

#: Virtual pages and frames.
Pages = list[tuple[int, int]]

#: Reads entries of a table: its address, or an entry with it, its level, the first index, and the count.
ReadEntries = Callable[[int, int, int, int], tuple[int, ...]]

_SHARED_LEVEL = 3

#: The size of an entry in bytes.
_WORD = 8


class TableRun(NamedTuple):
    """Entries of one table, empty or with consecutive frames: the first one, their level, and their pages."""

    word: int
    level: int
    start: int
    end: int

    @property
    def pfn(self) -> int:
        """The frame of the first page, which may be inside of a large one."""
        return entry_pfn(self.word, self.level) + self.start % (1 << LEVEL_BITS * (self.level - 1))


def entry_runs(read: ReadEntries, table: int, level: int, start: int, end: int) -> Iterator[TableRun]:
    """All entries in a table and below it for pages *start* up to *end*, in ascending order."""
    shift = LEVEL_BITS * (level - 1)
    size, base = PAGE_SIZE << shift, start >> shift
    words = read(table, level, base & ENTRIES - 1, (end - 1 >> shift) - base + 1)
    page, place, count = start, 0, len(words)
    while place < count:
        word = words[place]
        place += 1
        if level > 1 and word & PAGE_PRESENT and not word & PAGE_PSE:
            stop = min(end, base + place << shift)
            yield from entry_runs(read, word, level - 1, page, stop)
        else:
            # Non-present entries store the frame inverted.
            step = 0 if not word else size if word & PAGE_PRESENT else -size
            following = word + step
            while place < count and words[place] == following:
                following += step
                place += 1
            stop = min(end, base + place << shift)
            yield TableRun(word, level, page, stop)
        page = stop


class TableWalk:
    """Reads the page-table *entries* of *task*, area by area, in runs."""

    def __init__(self, view: KernelView, task: str) -> None:
        self._view, self._task = view, task
        self.entries: list[RawEntries] = []
        self._upper_tables: dict[tuple[int, int, int], tuple[int, ...]] = {}
        #: Ordinary memory pages found so far, in ascending order if areas are walked in that order.
        self.pages: Pages = []
        self._tables = 0

    def walk(self, table: int, levels: int, area: str, start: int, end: int) -> None:
        """Read the entries for the pages of an area; LensError if the task has too many tables."""
        for run in entry_runs(self._read, table, levels, start, end):
            pfn = run.pfn
            ram = bool(run.word & (PAGE_PRESENT | PAGE_PROTNONE)) and self._view.holds(pfn)
            if ram and not pte_special(run.word):
                self.pages += [(page, pfn + page - run.start) for page in range(run.start, run.end)]
            pages = Extent(area, run.start - start, run.end - start)
            self.entries.append(RawEntries(pages, run.word, run.level, pfn, ram))

    def _read(self, table: int, level: int, first: int, count: int) -> tuple[int, ...]:
        self._tables += 1
        if self._tables > MAX_TABLES:
            raise self._view.error(f"task {self._task} has more than {MAX_TABLES:,} page tables in its areas")
        if level <= _SHARED_LEVEL:
            return self._view.table(table, first, count)
        # Areas share upper-level tables, so each part of such a table is read only once.
        place = table, first, count
        if place not in self._upper_tables:
            self._upper_tables[place] = self._view.table(table, first, count)
        return self._upper_tables[place]


_ABSENT, _USUAL = "absent", "wb"

# The bits that define how a single page is mapped.
_OF_A_PAGE = PAGE_PRESENT | PAGE_CACHE_MASK


class DirectMap:
    """Reads the page tables of the direct map; LensError if their address is unknown."""

    def __init__(self, view: KernelView) -> None:
        self._view, self._root = view, view.kernel_table
        self._base = view.word(view.symbol("page_offset_base")) >> PAGE_SHIFT

    def look(self, memory: Mapping[str, PfnRange]) -> tuple[dict[str, list[str]], list[Fault]]:
        """The direct map's view of RAM, for named ranges of frames; in a dump, skips device memory.

        :return: by name, the mode of each page, e.g. ``wb`` or ``absent``; and the inconsistencies
        """
        modes: dict[str, list[str]] = {}
        faults: list[Fault] = []
        for name, pfns in memory.items():
            if not self._view.holds(pfns.start):
                continue
            leaves = list(self._leaves(pfns))
            if any(mode != _ABSENT for _, mode in leaves):
                modes[name] = [mode for leaf, mode in leaves for _ in range(leaf.meet(pfns).nr)]
            faults += _too_wide(name, pfns, leaves)
        return modes, faults

    def other_pages(self, pfns: PfnRange) -> Iterator[tuple[int, int]]:
        """The physical address of each single-page entry that is not write-back, and its write-back value."""
        for leaf, mode in self._leaves(pfns):
            if mode in (_ABSENT, _USUAL):
                continue
            for pfn in range(*leaf.meet(pfns)):
                level, table, index = self._place(pfn)
                if level == 1:
                    (entry,) = self._view.table(table, index, 1)
                    yield (table & PHYSICAL_MASK & -PAGE_SIZE) + _WORD * index, entry & ~PAGE_CACHE_MASK

    def _place(self, pfn: int) -> tuple[int, int, int]:
        # The position of the entry that maps a page frame: its level, table and index.
        level, table = self._view.levels, self._root
        while True:
            index = self._base + pfn >> LEVEL_BITS * (level - 1) & ENTRIES - 1
            if level == 1:
                return level, table, index
            (entry,) = self._view.table(table, index, 1)
            if entry & PAGE_PSE or not entry & PAGE_PRESENT:
                return level, table, index
            level, table = level - 1, entry

    def _leaves(self, pfns: PfnRange) -> Iterator[tuple[PfnRange, str]]:
        # The entries that map these page frames, each with its frames and cache mode, e.g. ``wb``.
        pfn = pfns.start
        while pfn < pfns.end:
            level, table, index = self._place(pfn)
            last = level == 1
            (entry, *others) = self._view.table(
                table, index, min(ENTRIES - index, pfns.end - pfn) if last else 1
            )
            pages = 1 << LEVEL_BITS * (level - 1)
            start = pfn - pfn % pages
            # A larger entry is reported alone; identical single pages are reported together.
            seen = [value & _OF_A_PAGE for value in (entry, *others)] if last else [entry]
            for value, alike in groupby(seen):
                pfn = start + pages * len(list(alike))
                mode = _mode(value, level) if value & PAGE_PRESENT else _ABSENT
                yield PfnRange(start, pfn), mode
                start = pfn


def _mode(word: int, level: int) -> str:
    # The cache mode that an entry selects on a processor with a full PAT.
    return FULL_PAT.pgprot2cachemode(word if level == 1 else pgprot_large_2_4k(word)).short


def _too_wide(name: str, pfns: PfnRange, leaves: Iterable[tuple[PfnRange, str]]) -> Iterator[Fault]:
    # Entries that give the different mode to pages outside the program's as well.
    for leaf, mode in leaves:
        shared = leaf.meet(pfns)
        if mode not in (_ABSENT, _USUAL) and shared != leaf:
            pages = f"{name}[{shared.start - pfns.start}:{shared.end - pfns.start}]"
            says = f"{pages} is {mode.upper()} in the direct map by an entry for {leaf.nr} pages"
            yield Fault(direct_map_level.name, f"{says}, not only these")
