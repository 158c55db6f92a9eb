"""mmu_gather: the entries that an operation has cleared but not yet flushed (S8.1).

When a flush is forced is independent of who owns a reservation, so it is a separate seam,
:class:`FlushPlacement`. The bookkeeping here is the same for every placement.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeVar

from pfnlab.base.errors import machine_decides
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.mm.flags import VM_MIXEDMAP, VM_PFNMAP
from pfnlab.kernel.mm.vma import Vma

if TYPE_CHECKING:
    from pfnlab.kernel.mm.space import MmStruct

T = TypeVar("T")

#: The calls that use a gather.
GatherCall = Literal["munmap", "exit", "zap", "madvise", "mprotect", "fork"]


class Flushes(NamedTuple, Generic[T]):
    """One value for each kernel call that uses a gather.

    :param munmap: munmap(2) and all other calls that remove VMAs: MAP_FIXED, mremap(2), a failing mmap(2)
    :param exit: the end of an address space, through exit or exec
    :param zap: zap_page_range_single(), for drivers and for unmap_mapping_range()
    :param madvise: madvise(2)
    :param mprotect: mprotect(2)
    :param fork: teardown after a failed fork
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
        """The distinct values, in the order of the calls."""
        return list({id(value): value for value in self}.values())


#: Calls that unlink VMAs from the file's reverse map, where an owner looks for mappings to revoke.
_UNLINKING: tuple[GatherCall, ...] = ("munmap", "exit", "fork")

#: A processor could walk a page table that has already been freed.
FREED_TABLE = "freed a page table that a processor may walk"

#: The number of page tables that fill a batch: as many as fit into a page along with its
#: header (MAX_TABLE_BATCH).
MAX_TABLE_BATCH = 509

#: Upper bounds on the number of page tables for a process's own memory, and for each further thread's stack.
_OWN_TABLES, _THREAD_TABLES = 16, 4


class MmuGather:
    """One gather, from tlb_gather_mmu to tlb_finish_mmu.

    :ivar flushes: the flush placement used for this call
    :ivar fullmm: the address space is being torn down: nothing is flushed before the end
    :ivar vma_pfn: a PFN VMA is, or was, among the processed VMAs; only the placement
        sets and clears this flag
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
        #: True if an owner may be told that frames are free before their entries have been flushed.
        self._owned = False
        #: The pages spanned by the tables that the next flush will free.
        self._waiting: list[tuple[int, int]] = []
        with mm.kernel.processors.inside("tlb_gather_mmu_fullmm" if fullmm else "tlb_gather_mmu"):
            mm.kernel.trace.event("gather_full" if fullmm else "gather")
            self.flushes.tlb_gather_mmu(self)
            mm.tlb_flush_pending += 1
            mm.gathers.append(self)

    def state(self) -> tuple[bool, bool, int | None, int, int, tuple[tuple[int, int], ...]]:
        """The fields that affect behaviour, for comparison."""
        waiting = tuple(self._waiting)
        return self.fullmm, self.vma_pfn, self._start, self._end, self._tables, waiting

    @property
    def pending(self) -> bool:
        """True if anything was cleared since the last flush."""
        return self._start is not None

    def extend(self, start: int, end: int) -> None:
        """Record that entries for pages ``[start, end)`` changed, so old translations may be cached."""
        self._start = start if self._start is None else min(self._start, start)
        self._end = max(self._end, end)

    def clear(self, vma: Vma, cleared: Iterable[EntryRun]) -> None:
        """Record cleared entries of *vma* as pending; once unlinked, an owner may ask for its frames."""
        for run in cleared:
            self.extend(run.start, run.end)
            self._owned |= self._unlinks and run.page is None and vma.i_mapping is not None

    def extend_all(self, ranges: Iterable[tuple[int, int]]) -> None:
        """:meth:`extend` for several ranges."""
        for start, end in ranges:
            self.extend(start, end)

    def free_tables(self, floor: int, ceiling: int) -> None:
        """tlb_remove_table for the page tables in ``[floor, ceiling)`` (S8.1.11, S8.1.12)."""
        self._remove_tables(self.mm.tables.free_tables(floor, ceiling))

    def remove_zapped_tables(self, freed: Iterable[tuple[int, int, int]]) -> None:
        """Free tables that a zap removed (pte_free_tlb, S5.9.11)."""
        behind = self.mm.kernel.profile.zap_flushes_behind
        self._remove_tables(
            [(first + pages * behind, last + pages * behind, pages) for first, last, pages in freed]
        )

    def _remove_tables(self, freed: list[tuple[int, int, int]]) -> None:
        if not freed:
            return
        kernel = self.mm.kernel
        if kernel.processors.driven:
            self._waiting += [(start, end - 1 + pages) for start, end, pages in freed]
        if not kernel.profile.tables_in_batches:
            self.extend_all((start, end) for start, end, _ in freed)
            return
        waiting = self._tables + sum(-(-(end - start) // pages) for start, end, pages in freed)
        if self.fullmm:
            self._leave_room(waiting)
        # The order decides whether a batch is flushed before the last table is added.
        if waiting > MAX_TABLE_BATCH:
            freed = in_walk_order(freed)
        for start, end, pages in freed:
            while start < end:
                if not self._tables and kernel.failures.fails("__get_free_page"):
                    # No batch can be allocated, so the table is freed alone.
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
        """Raise Undecided if the number of full batches depends on the process's own tables."""
        tasks = sum(task.mm is self.mm for task in self.mm.kernel.exiting.values())
        own = _OWN_TABLES + _THREAD_TABLES * max(0, tasks - 1)
        if waiting % MAX_TABLE_BATCH + own >= MAX_TABLE_BATCH:
            raise machine_decides(
                "the page tables of the process's own memory decide whether a full batch of them is flushed"
            )

    def flush_mmu_tlbonly(self) -> None:
        """tlb_flush_mmu_tlbonly: flush the pending range, if any, because a placement forces it (S8.1.6).

        This is needed only if an owner may ask for the freed frames; otherwise
        tlb_finish_mmu is early enough.
        """
        if self._start is not None and not self._owned:
            self.mm.kernel.trace.needless += 1
        self.flush_pending()

    def flush_pending(self) -> None:
        """Flush the pending range, if any."""
        if self._start is None:
            return
        if self.fullmm:
            self.mm.flush_tlb()
        else:
            self.mm.flush_tlb(self._start, self._end)
        self._start, self._end, self._owned = None, 0, False
        self.flushes.tlb_reset_range(self)

    def finish(self) -> None:
        """tlb_finish_mmu: flush the pending range, or everything if another gather is active (S8.1.8)."""
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
        """Free the tables, which a processor may still walk if it has cached translations from them."""
        kernel = self.mm.kernel
        if not self._waiting:
            return
        remembered = [run for task in kernel.tasks.values() if task.mm is self.mm for run in task.tlb.state()]
        if any(start <= run.start < end for run in remembered for start, end in self._waiting):
            kernel.trace.misuses.add(FREED_TABLE)
        self._waiting.clear()


def in_walk_order(freed: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Sort runs of freed tables into free_pgd_range() order, each after the tables below it (S8.1.11)."""
    runs = sorted((-pages, start, end - 1 + pages) for start, end, pages in freed)
    least = -runs[-1][0] if runs else 0
    spans: list[tuple[int, int, int]] = []
    borders: list[int] = []
    for negated, start, stop in runs:
        pages = -negated
        # The lowest tables stay together until a table above them is freed.
        lowest = pages == least
        within = borders[bisect_right(borders, start) : bisect_left(borders, stop)]
        cuts = [start, *(within if lowest else range(start + pages, stop, pages)), stop]
        spans += [(high, pages, low) for low, high in pairwise(cuts)]
        if not lowest:
            borders = sorted({*borders, *cuts})
    return [(low, high - pages + 1, pages) for high, pages, low in sorted(spans)]


def is_pfn_vma(vma: Vma) -> bool:
    """True if *vma* may map frames without a reference count (VM_PFNMAP, VM_MIXEDMAP)."""
    return bool(vma.flags & (VM_PFNMAP | VM_MIXEDMAP))


class FlushPlacement:
    """The places where pending flushes of PFN VMAs are forced: one method for each possible place.

    The gather's flag ``vma_pfn`` is set, ORed, cleared and read only by the placement.

    A user-defined policy may leave out tlb_gather_mmu, tlb_reset_range and unmap_region.

    Every placement must flush after the entries are cleared and before the VMA leaves the file's reverse map.
    Otherwise unmap_mapping_range can return while old translations are still in use (S8.3).
    """

    def tlb_gather_mmu(self, tlb: MmuGather) -> None:
        """Called at the start of a gather, with the flag clear."""

    def tlb_reset_range(self, tlb: MmuGather) -> None:
        """Called after the pending range has been flushed, for whatever reason (__tlb_reset_range).

        The flush may have happened in the middle of a VMA. A flush with nothing pending does not call this.
        """

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Called when entries of *vma* are about to be cleared or changed."""

    def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Called when entries of *vma* have been cleared or changed."""

    def unmap_region(self, tlb: MmuGather, first: Vma) -> None:
        """Called after all VMAs have been cleared, before free_pgtables, but not in the teardown at exit."""

    def tlb_free_vmas(self, tlb: MmuGather, first: Vma) -> None:
        """Called at the start of free_pgtables, before any VMA is unlinked; *first* will be the first."""

    def tlb_free_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Called in the free_pgtables loop, before *vma* is unlinked; no kernel flushes here."""


class NoForcedFlush(FlushPlacement):
    """Never force a flush for PFN VMAs: everything waits for tlb_finish_mmu, as before 5.19 (S8.3).

    Other placements document only how they differ from this one.
    """
