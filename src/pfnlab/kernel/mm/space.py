"""mm_struct: one address space with its VMAs and page tables, and how VMAs split and merge."""

from __future__ import annotations

import errno
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from pfnlab.base.errors import ModelledErrno, no_rule
from pfnlab.kernel.hw.pgtable import TABLE_PAGES, EntryRun, PageTables
from pfnlab.kernel.mm.failures import vm_area_dup
from pfnlab.kernel.mm.flags import VM_LOCKED
from pfnlab.kernel.mm.locks import RwLock
from pfnlab.kernel.mm.processors import Need
from pfnlab.kernel.mm.table_locks import PageTable, TableLocks
from pfnlab.kernel.mm.vma import Origin, Vma
from pfnlab.kernel.mm.vma_locks import VmaLocks

if TYPE_CHECKING:
    from pfnlab.kernel.mm.gather import MmuGather
    from pfnlab.kernel.mm.kernel import Kernel

#: Pages in the user address space without five-level hints (TASK_SIZE), and vm.max_map_count.
TASK_PAGES = (1 << 47) // 4096 - 1
MAX_MAP_COUNT = 65530

#: The first page of a process's own memory, above everything that programs map. The process has page tables
#: there for as long as it lives. Of this memory, only vvar is modelled.
OWN_PAGE = TASK_PAGES + 1 - 64

#: Addresses chosen by the kernel start here and go down; every area lies below. The process's own memory may
#: have page tables there.
CHOSEN_PAGE = 1 << 34

#: Number of VMAs that a newly started process has (program, heap, stack, vdso, vvar ...).
OWN_VMAS = 8


class MmStruct:
    """One address space.

    :ivar def_flags: VM_LOCKED after mlockall(MCL_FUTURE): flags for future mappings
    :ivar limit_as: RLIMIT_AS, and
    :ivar limit_data: RLIMIT_DATA of its process, both in pages of the VMAs here; None if
        there is no limit (S5.14)
    :ivar locked_leak: pages that locked_vm counts although they are in no locked VMA (S5.8.9)
    :ivar tlb_gen: how often its translations have been flushed (mm->context.tlb_gen)
    :ivar tlb_flush_pending: how many gathers are in progress (S8.1.1)
    :ivar lookups: entries that the kernel has looked up and still uses (S7.6.3)
    :ivar mmap_lock: the lock under which the VMAs do not change
    :ivar forking: fork has copied it but is not finished
    :ivar stacks_shared: the next write to a thread's stack will copy it, which needs mmap_lock
    :ivar guests: how many tasks of other processes are working on it, which delays its teardown
    :ivar visible: a task runs in it; an unfinished copy by fork has no task yet, and flushes
        of all of it go unobserved
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.tables = PageTables()
        self.def_flags = self.locked_leak = 0
        self.limit_as: int | None = None
        self.limit_data: int | None = None
        self.tlb_gen = self.tlb_flush_pending = 0
        self.gathers: list[MmuGather] = []
        self.lookups: list[EntryRun] = []
        self.vma_locks = VmaLocks(kernel.processors)
        self.mmap_lock = RwLock(kernel.processors, Need.MMAP_LOCK, self.vma_locks.give_back)
        self.forking = self.stacks_shared = False
        self.table_locks = TableLocks(kernel.processors, self.tables)
        self.guests = 0
        self.visible = False
        self._vmas: list[Vma] = []
        self._starts: list[int] = []

    def __iter__(self) -> Iterator[Vma]:
        return iter(list(self._vmas))

    @property
    def vmas(self) -> Sequence[Vma]:
        """All VMAs in address order, read-only."""
        return self._vmas

    def start_write(self, *vmas: Vma) -> None:
        """vma_start_write: take the VMAs' own locks, waiting for whoever holds them (S8.3.9a)."""
        self.vma_locks.write(vmas)

    def load(self, vmas: list[Vma]) -> None:
        """Restore exactly these VMAs, given in address order, unchecked."""
        self._vmas, self._starts = vmas, [vma.start for vma in vmas]

    @property
    def locked(self) -> int:
        """Number of pages in its VMAs with VM_LOCKED."""
        return sum(vma.nr for vma in self._vmas if vma.flags & VM_LOCKED)

    @property
    def map_count(self) -> int:
        """Number of VMAs that the kernel would count."""
        return len(self._vmas) + OWN_VMAS - (self.kernel.additional_pages is not None)

    def flush_tlb(self, start: int | None = None, end: int | None = None) -> None:
        """flush_tlb_mm_range: flush the translations for pages ``[start, end)``, or for
        the whole address space.

        Returns once every processor running in the address space has flushed them.
        """
        processors = self.kernel.processors
        if processors.skips("flush_tlb_mm_range"):
            return
        with processors.inside("flush_tlb_mm_range"):
            self.tlb_gen += 1
            if start is not None and end is not None:
                self.kernel.trace.event("flush", start, end)
            elif self.visible:
                self.kernel.trace.event("flush_all")
            self.kernel.flush_tlbs(self, start, end)
            # Until now, the threads wrote through translations from before the copy.
            self.stacks_shared |= self.forking and start is None
            if processors.held:
                processors.wait(Need.IPI, lambda: not self.kernel.stands_in(self))

    def find_vma(self, vpn: int) -> Vma | None:
        """The VMA containing page *vpn*, or else the next one above it."""
        at = bisect_right(self._starts, vpn) - 1
        if at >= 0 and vpn < self._vmas[at].end:
            return self._vmas[at]
        return self._vmas[at + 1] if at + 1 < len(self._vmas) else None

    def vma_lookup(self, vpn: int) -> Vma | None:
        """The VMA containing page *vpn*, or None."""
        vma = self.find_vma(vpn)
        return vma if vma is not None and vma.start <= vpn else None

    def vmas_in(self, start: int, end: int) -> list[Vma]:
        """Every VMA overlapping ``[start, end)``, in address order."""
        first = bisect_right(self._starts, start) - 1
        if first < 0 or self._vmas[first].end <= start:
            first += 1
        return self._vmas[first : bisect_left(self._starts, end)]

    @staticmethod
    def kernel_chose(vpn: int) -> bool:
        """True if page *vpn* is in a mapping whose address the kernel chose."""
        return CHOSEN_PAGE <= vpn < OWN_PAGE

    def gap_around(self, start: int, end: int) -> tuple[int, int]:
        """The free range around an unmapped ``[start, end)``; in the process's own memory, that range."""
        if start >= OWN_PAGE:
            return start, end
        at = bisect_left(self._starts, start)
        floor = self._vmas[at - 1].end if at else 0
        after = bisect_left(self._starts, end)
        return floor, self._starts[after] if after < len(self._starts) else TASK_PAGES

    def link(self, vma: Vma) -> None:
        """Insert a VMA into the tree."""
        at = bisect_left(self._starts, vma.start)
        self._vmas.insert(at, vma)
        self._starts.insert(at, vma.start)

    def unlink(self, vma: Vma) -> None:
        """Remove a VMA from the tree."""
        at = bisect_left(self._starts, vma.start)
        del self._vmas[at], self._starts[at]

    def split_vma(self, vma: Vma, at: int, *, new_below: bool) -> tuple[Vma, Vma]:
        """Split a VMA at page *at* (S5.3.1); return both parts, lower part first.

        A 2 MiB leaf across the split is cleared (S6.3.5, S6.3.7).

        :param new_below: *vma* keeps the upper part; otherwise it keeps the lower part;
            a new VMA gets the other
        :raises ModelledErrno: ENOMEM at the VMA limit, or an error from the file or tracker;
            the VMA then stays whole
        """
        if self.map_count >= MAX_MAP_COUNT:
            raise ModelledErrno(errno.ENOMEM)
        self.kernel.trace.event("split", at)
        self.check_split(vma, at)
        new = vm_area_dup(vma, self)
        new.tracked_like(vma)
        self.start_write(vma, new)
        pgoff = vma.pgoff + at - vma.start
        if new_below:
            new.end = at
        else:
            new.start, new.pgoff = at, pgoff
        try:
            self.kernel.tracker.vma_prepare(vma, new)
        except ModelledErrno:
            self.kernel.trace.event("free", new.start)
            self.kernel.tracker.vm_area_free(new)
            raise
        if vma.file is not None and vma.file.opened is not None:
            vma.file.opened(new, vma)
        # The new VMA enters the file's reverse map before the old one shrinks, and the
        # address space afterwards.
        mapping = vma.i_mapping
        with self.kernel.i_mmap_rwsem(mapping).write() if mapping is not None else nullcontext():
            if mapping is not None:
                self.kernel.insert_file(new)
                self.kernel.remove_file(vma)
            self.adjust_leaf(at)
            if new_below:
                self._starts[bisect_left(self._starts, vma.start)] = at
                vma.start, vma.pgoff = at, pgoff
            else:
                vma.end = at
            if mapping is not None:
                self.kernel.insert_file(vma)
            self.link(new)
        lower, upper = (new, vma) if new_below else (vma, new)
        self.kernel.tracker.split_vma(lower, upper)
        return lower, upper

    def check_split(self, vma: Vma, at: int) -> None:
        """vm_ops->may_split: check that *vma* may be split at page *at*.

        :raises ModelledErrno: if the file or the tracker forbids it
        """
        if vma.file is not None and vma.file.may_split_errno:
            raise ModelledErrno(vma.file.may_split_errno)
        self.kernel.tracker.may_split(vma, at)

    @contextmanager
    def entering(self, vma: Vma) -> Iterator[None]:
        """Insert *vma* into its file's reverse map; the body of the context inserts it into the address
        space (vma_link, S8.2.7).
        """
        kernel, mapping = self.kernel, vma.i_mapping
        rmap_first = kernel.profile.mmap_locks_rmap_first
        if mapping is None:
            yield
        elif rmap_first:
            with kernel.i_mmap_rwsem(mapping).write():
                yield
                kernel.insert_file(vma)
        else:
            yield
            kernel.link_file(vma)
        if mapping is not None:
            kernel.trace.event("link", vma.start)

    def adjust_leaf(self, at: int) -> None:
        """vma_adjust_trans_huge: clear a leaf that crosses *at*, the new border; a 1 GiB leaf stays (S6.3.7).

        :raises Undecided: if the border is inside a 1 GiB leaf and not aligned to 2 MiB
        """
        leaf = self.tables.leaf_around(at)
        stays = leaf is not None and leaf[1] - leaf[0] == TABLE_PAGES[2]
        if not (stays and self.kernel.profile.cut_keeps_gigabyte):
            self.split_leaf(at)
        elif at % TABLE_PAGES[1]:
            raise no_rule("a VMA that is cut inside a leaf of 1 GiB, not at a border of 2 MiB")

    def split_leaf(self, at: int) -> None:
        """Clear the whole leaf around page *at*, which is not its first page, and flush at once (S6.3.3)."""
        leaf = self.tables.leaf_around(at)
        if leaf is not None and (entry := self.tables.entry(at)) is not None:
            with self.table_locks.holding(PageTable.of(at, entry.level)):
                self.tables.clear(*leaf)
                self.flush_tlb(*leaf)

    def isolate(self, vma: Vma, start: int, end: int) -> Vma:
        """Split *vma* where necessary and return the VMA for exactly ``[start, end)``."""
        if vma.start < start:
            _, vma = self.split_vma(vma, start, new_below=True)
        if vma.end > end:
            vma, _ = self.split_vma(vma, end, new_below=False)
        return vma

    def modify(self, vma: Vma, start: int, end: int, flags: int, mempolicy: str | None = None) -> Vma:
        """vma_modify(): give ``[start, end)`` of *vma* these flags; return the VMA it
        is in afterwards (S5.3.2).

        If the range merges with a neighbour, only the border between the two moves, and a VMA left empty is
        removed; otherwise *vma* is split first.

        :param mempolicy: a new memory policy; None to keep the old one
        :raises ModelledErrno: ENOMEM at the VMA limit
        """
        part = vma.dup(self)
        part.start, part.end, part.flags = start, end, flags
        part.pgoff = vma.pgoff + start - vma.start
        part.mempolicy = mempolicy or vma.mempolicy
        below = self.vma_lookup(start - 1) if start == vma.start else None
        above = self.vma_lookup(end) if end == vma.end else None
        below, above = _merging(part, below, above, "changed")
        if below is None and above is None:
            vma = self.isolate(vma, start, end)
            self.start_write(vma)
            vma.flags, vma.mempolicy = flags, part.mempolicy
            return vma
        if (vma.start, vma.end) == (start, end):
            self.start_write(*(side for side in (below, vma, above) if side is not None))
            vma.flags, vma.mempolicy = flags, part.mempolicy
            return self.merge_around(vma, "changed")
        at = bisect_left(self._starts, vma.start)
        grown = below or above
        assert grown is not None
        self.start_write(*sorted((vma, grown), key=lambda side: side.start))
        with self.relinked(grown, vma):
            if below is not None:
                below.end = vma.start = self._starts[at] = end
                vma.pgoff += part.nr
            else:
                vma.end = grown.start = self._starts[at + 1] = start
                grown.pgoff -= part.nr
        grown.flags |= flags
        grown.anon_vma = grown.anon_vma or vma.anon_vma
        return grown

    def would_merge(self, vma: Vma, origin: Origin, excluded: Vma | None = None) -> bool:
        """True if *vma*, not yet linked, would merge with a neighbour other than *excluded*."""
        return self._merging_around(vma, origin, excluded) != (None, None)

    def merge_around(self, vma: Vma, origin: Origin, excluded: Vma | None = None) -> Vma:
        """Merge *vma* with its neighbours, except *excluded*, as the kernel would (S5.3.2).

        :return: the VMA that now contains it
        """
        below, above = self._merging_around(vma, origin, excluded)
        self.start_write(*(side for side in (below, vma, above) if side is not None))
        # A new VMA that merges never existed as a VMA of its own; a VMA that grows absorbs the other.
        if (below or above) and origin == "changed":
            self.kernel.trace.event("free", vma.start)
        if above and (below or origin == "grown"):
            self.kernel.trace.event("free", vma.end)
        copy = vma if origin == "copied" else None
        if below is not None:
            self._absorb(below, vma, copy)
            vma = below
        if above is not None:
            self._absorb(vma, above, copy)
        return vma

    def _merging_around(
        self, vma: Vma, origin: Origin, excluded: Vma | None
    ) -> tuple[Vma | None, Vma | None]:
        below, above = self.vma_lookup(vma.start - 1), self.vma_lookup(vma.end)
        if excluded is not None and excluded in (below, above):
            alone = self.kernel.profile.dontunmap_beside_source_alone
            below = None if alone or below is excluded else below
            above = None if alone or above is excluded else above
        return _merging(vma, below, above, origin)

    @contextmanager
    def relinked(self, *vmas: Vma) -> Iterator[None]:
        """Inside this context, these VMAs are out of the file's reverse map, because their borders change."""
        mapping = vmas[0].i_mapping
        if mapping is None:
            yield
            return
        with self.kernel.i_mmap_rwsem(mapping).write():
            for vma in vmas:
                self.kernel.remove_file(vma)
            yield
            for vma in reversed(vmas):
                self.kernel.insert_file(vma)

    def _absorb(self, lower: Vma, upper: Vma, copy: Vma | None) -> None:
        mapping = lower.i_mapping
        # A copy is not yet in its file's reverse map, so only the other VMA is
        # re-inserted with its new borders.
        with self.kernel.i_mmap_rwsem(mapping).write() if mapping is not None else nullcontext():
            if mapping is not None:
                self.kernel.remove_file(upper if lower is copy else lower)
            self.unlink(upper)
            lower.end = upper.end
            if mapping is not None:
                self.kernel.insert_file(lower)
            if mapping is not None and copy not in (lower, upper):
                self.kernel.remove_file(upper)
        lower.flags |= upper.flags
        lower.anon_vma = lower.anon_vma or upper.anon_vma

    def _check(self) -> None:
        assert self._starts == [vma.start for vma in self._vmas]
        for vma in self._vmas:
            assert vma.mm is self
            assert vma.start < vma.end
        for before, after in zip(self._vmas, self._vmas[1:], strict=False):
            assert before.end <= after.start, (before, after)
        self.tables._check()
        self._check_tables_have_vmas()

    def _check_tables_have_vmas(self) -> None:
        covered = 0
        for run in self.tables.runs(0, TASK_PAGES):
            for vma in self.vmas_in(run.start, run.end):
                covered += min(vma.end, run.end) - max(vma.start, run.start)
            covered -= run.end - run.start
        assert covered == 0, "entries outside every VMA"


def _merging(vma: Vma, below: Vma | None, above: Vma | None, origin: Origin) -> tuple[Vma | None, Vma | None]:
    """The neighbours that *vma* merges with (S5.3.2)."""
    if vma.special or not (vma.file is None or vma.is_shmem):
        return None, None
    if origin == "grown":
        below = None
    if above is not None and not (above.continues(vma) and vma.joins(above, origin)):
        above = None
    # The oldest kernels first try to merge a new mapping with the VMA above, then the
    # result with the one below.
    first = above if origin == "mapped" and vma.mm.kernel.profile.mmap_tries_above_first else None
    if below is not None and not (vma.continues(below) and (first or vma).joins(below, origin)):
        below = None
    if below is not None and above is not None:
        # That each can merge with the range does not mean that they can merge with each other.
        differ = below.anon_vma is not above.anon_vma
        if differ and None not in (below.anon_vma, above.anon_vma):
            above = None
    return below, above
