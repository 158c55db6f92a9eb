"""mmu_gather: the entries an operation has cleared and not yet flushed (S8.1).

The time at which a pending flush is forced does not depend on the owner of a reservation: it is a seam of its
own, :class:`FlushPlacement`. The bookkeeping here is the same for every placement.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, Protocol, TypeVar

from pfnlab.base.errors import Undecided, Why
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.mm.flags import VM_MIXEDMAP, VM_PFNMAP
from pfnlab.kernel.mm.vma import Vma

if TYPE_CHECKING:
    from pfnlab.kernel.mm.space import MmStruct

T = TypeVar("T")

#: The calls that have gathers.
GatherCall = Literal["munmap", "exit", "zap", "madvise", "mprotect", "fork"]


class Flushes(NamedTuple, Generic[T]):
    """A value for each call of the kernel that has a gather.

    :param munmap: munmap(2) and all else that takes VMAs away: MAP_FIXED, mremap(2), an mmap(2) that fails
    :param exit: the end of an address space, by exit or exec
    :param zap: zap_page_range_single(), for drivers and unmap_mapping_range()
    :param madvise: madvise(2)
    :param mprotect: mprotect(2)
    :param fork: the copy of a fork that is refused
    """

    munmap: T
    exit: T
    zap: T
    madvise: T
    mprotect: T
    fork: T

    @classmethod
    def all(cls, value: T) -> Flushes[T]:
        """The same value for every call."""
        return cls(*[value] * len(cls._fields))

    def each(self) -> list[T]:
        """The different values, in the order of the calls."""
        return list({id(value): value for value in self}.values())


#: Those that take VMAs out of their files' reverse maps, where an owner finds what it revokes.
_UNLINKING: tuple[GatherCall, ...] = ("munmap", "exit", "fork")

#: A processor could walk a page table after it was freed.
FREED_TABLE = "freed a page table that a processor may walk"

#: How many page tables a gather frees at once, as fit into a page beside its header (MAX_TABLE_BATCH).
MAX_TABLE_BATCH = 509

#: How many page tables a process has at most for memory of its own, and for the stack of each further thread.
_OWN_TABLES, _THREAD_TABLES = 16, 4


class MmuGather:
    """One gather, from tlb_gather_mmu to tlb_finish_mmu.

    :ivar flushes: the placement of that call
    :ivar fullmm: the address space is dying: nothing is flushed before the end
    :ivar vma_pfn: a VMA of PFNs is, or was, among the VMAs worked on; the placement alone sets and clears it
    """

    def __init__(self, mm: MmStruct, call: GatherCall) -> None:
        self.mm = mm
        self.flushes: FlushPlacement = getattr(mm.kernel.flushes, call)
        self.fullmm = fullmm = call == "exit"
        self._unlinks = call in _UNLINKING
        self.vma_pfn = False
        self._start: int | None = None
        self._end = 0
        self._tables = 0
        #: Whether an owner may be told that frames are free, of which nothing was flushed since they went.
        self._owned = False
        #: Of the tables that go with the next flush, the pages.
        self._waiting: list[tuple[int, int]] = []
        with mm.kernel.processors.inside("tlb_gather_mmu_fullmm" if fullmm else "tlb_gather_mmu"):
            mm.kernel.trace.event("gather_full" if fullmm else "gather")
            self.flushes.tlb_gather_mmu(self)
            mm.tlb_flush_pending += 1
            mm.gathers.append(self)

    def state(self) -> tuple[bool, bool, int | None, int, int, tuple[tuple[int, int], ...]]:
        """All its fields that decide anything, for comparison."""
        waiting = tuple(self._waiting)
        return self.fullmm, self.vma_pfn, self._start, self._end, self._tables, waiting

    @property
    def pending(self) -> bool:
        """True where anything was cleared since the last flush."""
        return self._start is not None

    def extend(self, start: int, end: int) -> None:
        """Entries of pages ``[start, end)`` changed and old translations may be cached."""
        self._start = start if self._start is None else min(self._start, start)
        self._end = max(self._end, end)

    def clear(self, vma: Vma, cleared: Iterable[EntryRun]) -> None:
        """Entries of *vma* are gone and pending; where *vma* goes, an owner may ask for their frames."""
        for run in cleared:
            self.extend(run.start, run.end)
            self._owned |= self._unlinks and run.page is None and vma.i_mapping is not None

    def extend_all(self, ranges: Iterable[tuple[int, int]]) -> None:
        """:meth:`extend` for several ranges."""
        for start, end in ranges:
            self.extend(start, end)

    def free_tables(self, floor: int, ceiling: int) -> None:
        """tlb_remove_table for the page tables of ``[floor, ceiling)`` (S8.1.11, S8.1.12)."""
        self._remove_tables(self.mm.tables.free_tables(floor, ceiling))

    def remove_zapped_tables(self, freed: Iterable[tuple[int, int, int]]) -> None:
        """The same for tables that a zap has taken away (pte_free_tlb, S5.9.11)."""
        behind = self.mm.kernel.profile.zap_flushes_behind
        self._remove_tables(
            [(first + pages * behind, last + pages * behind, pages) for first, last, pages in freed]
        )

    def _remove_tables(self, freed: list[tuple[int, int, int]]) -> None:
        kernel = self.mm.kernel
        if kernel.processors.driven:
            self._waiting += [(start, end - 1 + pages) for start, end, pages in freed]
        if not kernel.profile.tables_in_batches:
            self.extend_all((start, end) for start, end, _ in freed)
            return
        waiting = self._tables + sum(-(-(end - start) // pages) for start, end, pages in freed)
        if self.fullmm:
            self._leave_room(waiting)
        # Their order shows where a batch is flushed before the last of them.
        if waiting > MAX_TABLE_BATCH:
            freed = in_walk_order(freed)
        for start, end, pages in freed:
            while start < end:
                if not self._tables and kernel.failures.fails("__get_free_page"):
                    # There is no batch for this one: it is freed alone.
                    self.extend(start, start + 1)
                    if kernel.profile.lone_table_flushes:
                        self.flush_pending()
                    self._let_tables_go()
                    start += pages
                    continue
                stop = min(end, start + (MAX_TABLE_BATCH - self._tables - 1) * pages + 1)
                tables = (stop - start) // pages + 1
                self.extend(start, stop)
                self._tables += tables
                start += tables * pages
                if self._tables == MAX_TABLE_BATCH:
                    self._tables = 0
                    self.flush_pending()

    def _leave_room(self, waiting: int) -> None:
        """Undecided where the process's own tables decide how many batches so many waiting ones fill."""
        tasks = sum(task.mm is self.mm for task in self.mm.kernel.exiting.values())
        own = _OWN_TABLES + _THREAD_TABLES * max(0, tasks - 1)
        if waiting % MAX_TABLE_BATCH + own >= MAX_TABLE_BATCH:
            raise Undecided(
                "the page tables of the process's own memory decide whether a full batch of them is flushed",
                Why.MACHINE_DECIDES,
            )

    def flush_mmu_tlbonly(self) -> None:
        """tlb_flush_mmu_tlbonly: a placement forces a flush of the pending range, if there is one (S8.1.6).

        Nothing needs it unless frames went that an owner may ask for: the rest can wait for tlb_finish_mmu.
        """
        if self._start is not None and not self._owned:
            self.mm.kernel.trace.needless += 1
        self.flush_pending()

    def flush_pending(self) -> None:
        """Flush the pending range, if there is one."""
        if self._start is None:
            return
        if self.fullmm:
            self.mm.flush_tlb()
        else:
            self.mm.flush_tlb(self._start, self._end)
        self._start, self._end, self._owned = None, 0, False
        self.flushes.tlb_reset_range(self)

    def finish(self) -> None:
        """tlb_finish_mmu: flush the pending range; with another gather under way, everything (S8.1.8)."""
        with self.mm.kernel.processors.inside("tlb_finish_mmu"):
            self.mm.kernel.trace.event("finish")
            if self.fullmm or self.mm.tlb_flush_pending > 1:
                self.mm.flush_tlb()
            else:
                self.flush_pending()
            self._let_tables_go()
            self.mm.tlb_flush_pending -= 1
            self.mm.gathers.remove(self)

    def _let_tables_go(self) -> None:
        """The tables are free now: a processor that remembers translations of one may walk it still."""
        kernel = self.mm.kernel
        if not self._waiting:
            return
        remembered = [run for task in kernel.tasks.values() if task.mm is self.mm for run in task.tlb.state()]
        if any(start <= run.start < end for run in remembered for start, end in self._waiting):
            kernel.trace.misuses.add(FREED_TABLE)
        self._waiting.clear()


def in_walk_order(freed: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Runs of freed tables as free_pgd_range() has them: a table follows those that it leads to (S8.1.11)."""
    runs = sorted((-pages, start, end - 1 + pages) for start, end, pages in freed)
    least = -runs[-1][0] if runs else 0
    spans: list[tuple[int, int, int]] = []
    borders: list[int] = []
    for negated, start, stop in runs:
        pages = -negated
        # The lowest tables stay together up to where one above them is freed.
        lowest = pages == least
        within = borders[bisect_right(borders, start) : bisect_left(borders, stop)]
        cuts = [start, *(within if lowest else range(start + pages, stop, pages)), stop]
        spans += [(high, pages, low) for low, high in pairwise(cuts)]
        if not lowest:
            borders = sorted({*borders, *cuts})
    return [(low, high - pages + 1, pages) for high, pages, low in sorted(spans)]


class NoForcedFlush:
    """No flush is forced for PFN VMAs: everything waits for tlb_finish_mmu, as before 5.19 (S8.3).

    Other placements say what they do beside this.
    """

    def tlb_gather_mmu(self, tlb: MmuGather) -> None:
        """The flag is not set yet."""

    def tlb_reset_range(self, tlb: MmuGather) -> None:
        """The flag stays."""

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Nothing is remembered."""

    def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Nothing is forced."""

    def unmap_region(self, tlb: MmuGather, first: Vma) -> None:
        """Nothing is forced."""

    def tlb_free_vmas(self, tlb: MmuGather, first: Vma) -> None:
        """Nothing is forced."""

    def tlb_free_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Nothing is forced."""


def is_pfn_vma(vma: Vma) -> bool:
    """True where pages of *vma* may be frames without a count (VM_PFNMAP, VM_MIXEDMAP)."""
    return bool(vma.flags & (VM_PFNMAP | VM_MIXEDMAP))


class FlushPlacement(Protocol):
    """When pending flushes of PFN VMAs are forced: one method for each place the kernel could do it.

    The flag of the gather, ``vma_pfn``, is the placement's alone, which sets, ors, clears and reads it.

    A user's policy may leave out tlb_gather_mmu, tlb_reset_range and unmap_region.

    The rule every placement must keep: after the entries are cleared, before the VMA leaves the file's
    reverse map, or unmap_mapping_range can return while old translations still answer (S8.3).
    """

    def tlb_gather_mmu(self, tlb: MmuGather) -> None:
        """A gather begins, with a flag that is not set."""

    def tlb_reset_range(self, tlb: MmuGather) -> None:
        """A flush has flushed what was pending, wherever it came from (__tlb_reset_range).

        It may have come in the middle of a VMA. A flush that finds nothing pending does not get here.
        """

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Entries of *vma* are about to be cleared or changed."""

    def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Entries of *vma* have been cleared or changed."""

    def unmap_region(self, tlb: MmuGather, first: Vma) -> None:
        """All VMAs have been cleared, and free_pgtables is next; not in an address space that dies."""

    def tlb_free_vmas(self, tlb: MmuGather, first: Vma) -> None:
        """The head of free_pgtables: none is unlinked yet. *first* is the one that will be next."""

    def tlb_free_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """*vma* is the next to be unlinked, in the loop of free_pgtables; no kernel asks here."""
