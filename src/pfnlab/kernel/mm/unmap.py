"""Removing mappings: munmap, process exit, and the steps they share (S8.2)."""

import errno
from collections.abc import Callable

from pfnlab.base.errors import ModelledErrno
from pfnlab.kernel.hw.pgtable import TABLE_PAGES, EntryRun
from pfnlab.kernel.mm.flags import VM_IO, VM_LOCKED, VM_PFNMAP, VM_READ, VM_SEALED
from pfnlab.kernel.mm.gather import GatherCall, MmuGather
from pfnlab.kernel.mm.locks import RwLock
from pfnlab.kernel.mm.shmem import dirtied, is_dirty_file_page
from pfnlab.kernel.mm.space import TASK_PAGES, MmStruct
from pfnlab.kernel.mm.table_locks import PageTable
from pfnlab.kernel.mm.vma import Vma, accounted

#: Number of VMAs that can leave a file's reverse map at once (struct unlink_vma_file_batch).
_BATCH = 8


def _zap_page_range(
    tlb: MmuGather, vma: Vma, start: int, end: int, keep: Callable[[EntryRun], bool] | None, empties: bool
) -> None:
    """Clear the entries of ``[start, end)``, one page table after another (zap_pte_range, S6.7.1).

    If a table maps dirty file pages, it is flushed before its lock is released (S8.1.9).

    :param empties: unlink a table that becomes empty under its lock, and then free it (S5.9.11)
    """
    tables, locks = vma.mm.tables, vma.mm.table_locks
    while start < end:
        dirty = _first_dirty_table(vma, start, end, keep)
        if dirty is None or start < dirty.start:
            with locks.piece(start, end if dirty is None else dirty.start) as stop:
                _clear(tlb, vma, start, stop, keep)
                freed = tables.free_tables(start, stop, highest=1) if empties else []
        else:
            stop = min(end, dirty.start + TABLE_PAGES[1])
            with locks.holding(dirty):
                cleared = _clear(tlb, vma, start, stop, keep)
                freed = tables.free_tables(start, stop, highest=1) if empties else []
                if dirtied(cleared):
                    tlb.flush_pending()
        tlb.remove_zapped_tables(freed)
        start = stop


def _first_dirty_table(
    vma: Vma, start: int, end: int, keep: Callable[[EntryRun], bool] | None
) -> PageTable | None:
    """The first table in ``[start, end)`` where an entry to be cleared maps a dirty file page."""
    for run in vma.mm.tables.runs(start, end):
        if is_dirty_file_page(run) and not (keep is not None and keep(run)):
            return PageTable.of(run.start)
    return None


def _clear(
    tlb: MmuGather, vma: Vma, start: int, end: int, keep: Callable[[EntryRun], bool] | None
) -> list[EntryRun]:
    """Clear and return the entries in ``[start, end)``, except those to *keep*; the tables are locked."""
    tables = vma.mm.tables
    cleared = tables.clear(start, end)
    if keep is not None:
        for run in cleared:
            if keep(run):
                tables.set(run)
        cleared = [run for run in cleared if not keep(run)]
    unmap_pages(vma, cleared)
    tlb.clear(vma, cleared)
    return cleared


def unmap_pages(vma: Vma, cleared: list[EntryRun]) -> None:
    """Remove one mapping from every ordinary page that the cleared entries mapped (folio_remove_rmap_pte)."""
    for run in cleared:
        if run.page is not None:
            run.page.mapcount -= 1
            if vma.flags & VM_LOCKED and not vma.special and run.page.mapcount:
                vma.mm.kernel.mlock_batch.add(run.page)


def zap_vma(
    tlb: MmuGather,
    vma: Vma,
    start: int,
    end: int,
    *,
    keep: Callable[[EntryRun], bool] | None = None,
    empties: bool = False,
) -> None:
    """Clear entries of one VMA within a gather, between tlb_start_vma and tlb_end_vma.

    :param keep: returns True for entries that stay
    :param empties: free page tables that become empty, if this kernel does so (S5.9.11)
    """
    kernel = vma.mm.kernel
    kernel.trace.event("clear", start)
    tlb.flushes.tlb_start_vma(tlb, vma)
    cuts = start, end
    for cut in cuts:
        if vma.mm.tables.leaf_around(cut) is None:
            continue
        # At exit, the address space is locked.
        if kernel.profile.zap_asserts_mmap_lock and not tlb.fullmm and _cuts_gigabyte(vma.mm, cut):
            kernel.trace.printk("WARNING at include/linux/rwsem.h")
        vma.mm.split_leaf(cut)
    empties = empties and kernel.profile.zap_frees_tables
    _zap_page_range(tlb, vma, start, end, keep, empties)
    tlb.flushes.tlb_end_vma(tlb, vma)


def _cuts_gigabyte(mm: MmStruct, cut: int) -> bool:
    """True if *cut* is inside a 1 GiB leaf, part of which would be zapped without mmap_lock.

    The kernel's zap_pud_range asserts the lock (S6.3.8).
    """
    leaf = mm.tables.leaf_around(cut)
    return leaf is not None and leaf[1] - leaf[0] == TABLE_PAGES[2] and mm.mmap_lock.held == (0, False)


def gather_munmap(mm: MmStruct, start: int, end: int) -> list[Vma]:
    """The VMAs in ``[start, end)``, split at both ends of the range but still mapped.

    :raises ModelledErrno: EPERM if any is sealed, possibly after a VMA below it was
        split; ENOMEM at the VMA limit
    """
    keeps_middle = mm.kernel.profile.munmap_keeps_the_middle
    vmas = mm.vmas_in(start, end)
    if vmas and vmas[0].start < start and not vmas[0].flags & VM_SEALED:
        mm.split_vma(vmas[0], start, new_below=keeps_middle)
        vmas = mm.vmas_in(start, end)
    if any(vma.flags & VM_SEALED for vma in vmas):
        raise ModelledErrno(errno.EPERM)
    mm.start_write(*vmas[:-1])
    if vmas and vmas[-1].end > end:
        mm.split_vma(vmas[-1], end, new_below=not keeps_middle)
    vmas = mm.vmas_in(start, end)
    mm.start_write(*vmas)
    return vmas


def clear_vmas(
    mm: MmStruct,
    vmas: list[Vma],
    call: GatherCall = "munmap",
    *,
    whole: bool = True,
    own_tables: bool = False,
) -> None:
    """Clear entries, unlink VMAs and free page tables; VMA objects and their reservations remain (S8.2).

    The caller decides whether the VMAs stay in the address space's tree meanwhile.

    :param call: the call that removes them; ``exit`` when an address space is torn down
    :param whole: in a teardown, also clear all of the program's own mappings
    :param own_tables: also free the page tables for the program's own mappings
    """
    if not vmas:
        return
    kernel, processors = mm.kernel, mm.kernel.processors
    tlb = MmuGather(mm, call)
    with processors.inside("unmap_vmas"):
        for vma in vmas:
            kernel.tracker.unmap_vmas(vma)
            zap_vma(tlb, vma, vma.start, vma.end)
    if tlb.fullmm:
        _clear_own(tlb, whole)
    else:
        tlb.flushes.unmap_region(tlb, vmas[0])
    with processors.inside("free_pgtables"), kernel.failures.inside("free_pgtables"):
        kernel.trace.event("free_pgtables")
        tlb.flushes.tlb_free_vmas(tlb, vmas[0])
        floor, ceiling = mm.gap_around(vmas[0].start, vmas[-1].end)
        groups = _near_each_other(vmas)
        ends = [*(group[0].start for group in groups[1:]), ceiling]
        groups_with_ends = list(zip(groups, ends, strict=True))
        for group, end in groups_with_ends:
            _unlink(tlb, group)
            tlb.free_tables(floor, end)
        if own_tables:
            free_own_tables(tlb)
    tlb.finish()
    kernel.mlock_batch.unmapped()


def free_own_tables(tlb: MmuGather) -> None:
    """Free the tables for the program's own mappings, which lie above all others and are not modelled."""
    tlb.extend(0, TASK_PAGES)


def _clear_own(tlb: MmuGather, whole: bool) -> Vma:
    """Clear the program's own mappings, which are not modelled (S8.2.8).

    One of them is a PFN VMA for the vDSO's clocks. It is represented here, for the flush placement,
    as ``[vvar]``, or as ``[vvar_vclock]`` if ``[vvar]`` is modelled. The incomplete copy left by a
    failed fork does not have it.
    """
    kernel = tlb.mm.kernel
    clocks = Vma(tlb.mm, 0, 1, pgoff=0, flags=VM_READ | VM_IO | VM_PFNMAP, page_prot=0, file=None)
    has_clocks = whole and (kernel.additional_pages is None or kernel.profile.vvar_clocks_apart)
    if has_clocks:
        tlb.flushes.tlb_start_vma(tlb, clocks)
    tlb.extend(clocks.start, clocks.end)
    if has_clocks:
        tlb.flushes.tlb_end_vma(tlb, clocks)
    return clocks


def _near_each_other(vmas: list[Vma]) -> list[list[Vma]]:
    """*vmas* in groups less than a page table apart; tables are freed after each group is unlinked."""
    groups = [[vmas[0]]]
    for vma in vmas[1:]:
        if vma.start <= groups[-1][-1].end + TABLE_PAGES[1]:
            groups[-1].append(vma)
        else:
            groups.append([vma])
    return groups


def _unlink(tlb: MmuGather, vmas: list[Vma]) -> None:
    """Remove file VMAs from their files' reverse maps, one by one (unlink_file_vma) or in batches.

    A batch has at most 8 VMAs, all from one open file. It is unlinked when the next batch begins; the last
    one at the end (unlink_file_vma_batch_final).
    """
    kernel = tlb.mm.kernel
    batch: list[Vma] = []
    for vma in vmas:
        tlb.flushes.tlb_free_vma(tlb, vma)
        if not kernel.profile.unlinks_in_batches:
            with kernel.processors.inside("unlink"):
                _leave_files([vma])
            continue
        if vma.i_mapping is None:
            continue
        if batch and (batch[0].file is not vma.file or len(batch) == _BATCH):
            _leave_files(batch)
            batch = []
        batch.append(vma)
    if kernel.profile.unlinks_in_batches:
        with kernel.processors.inside("unlink"):
            _leave_files(batch)


def _leave_files(vmas: list[Vma]) -> None:
    for vma in vmas:
        if vma.i_mapping is not None:
            vma.mm.kernel.unlink_file(vma)
            vma.mm.kernel.trace.event("unlink", vma.start)


def free_vmas(mm: MmStruct, vmas: list[Vma], function: str = "vm_area_free") -> None:
    """remove_vma for each VMA: its memory is uncommitted, and the tracker frees its reservations (S4.5.4)."""
    mm.kernel.uncommit(accounted(vmas))
    for vma in vmas:
        with mm.kernel.processors.inside(function):
            if vma.file is not None and vma.file.closed is not None:
                vma.file.closed(vma)
            mm.kernel.trace.event("free", vma.start)
            mm.kernel.tracker.vm_area_free(vma)
            vma.freed = True


def do_munmap(mm: MmStruct, start: int, end: int) -> None:
    """munmap(2) for pages ``[start, end)`` (S5.10.5); holes are allowed.

    :raises ModelledErrno: EINVAL for an empty range, EPERM if sealed, ENOMEM at the VMA limit
    """
    if start >= end:
        raise ModelledErrno(errno.EINVAL)
    with mm.mmap_lock.write() as lock:
        unmap_range(mm, start, end, lock)


def unmap_range(mm: MmStruct, start: int, end: int, lock: RwLock | None = None) -> None:
    """munmap(2) under mmap_lock: detach, then clear, unlink and free (S8.2).

    :param lock: downgraded to reading once the VMAs are out of the tree
    :raises ModelledErrno: EPERM if sealed, ENOMEM at the VMA limit
    """
    vmas = gather_munmap(mm, start, end)
    detach(mm, vmas)
    if lock is not None:
        lock.downgrade()
    clear_vmas(mm, vmas)
    free_vmas(mm, vmas)


def detach(mm: MmStruct, vmas: list[Vma]) -> None:
    """Remove *vmas* from the address space's tree."""
    for vma in vmas:
        mm.unlink(vma)


def exit_mmap(mm: MmStruct, *, whole: bool = True) -> None:
    """Tear down the address space: all VMAs in address order, including sealed ones (S8.2).

    :param whole: False for a failed fork's copy, which may lack the process's own VMAs
    """
    vmas = list(mm)
    if not vmas and whole:
        tlb = MmuGather(mm, "exit")
        tlb.flushes.tlb_free_vmas(tlb, _clear_own(tlb, whole))
        tlb.finish()
    clear_vmas(mm, vmas, "exit", whole=whole)
    mm.kernel.mlock_batch.unmapped()
    detach(mm, vmas)
    free_vmas(mm, vmas, "__vm_area_free" if mm.kernel.profile.exit_frees_at_once else "vm_area_free")
