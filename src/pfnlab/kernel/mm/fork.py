"""fork(2): which VMAs and entries it copies, and what a failure leaves (S3.5, S4.8, S5.11)."""

import errno
from typing import NoReturn

from pfnlab.base.errors import ModelledErrno, Undecided, Why, no_rule
from pfnlab.kernel.hw.entry import pte_mkclean, pte_mkold, pte_wrprotect
from pfnlab.kernel.mm.failures import check_chosen, vm_area_dup
from pfnlab.kernel.mm.flags import (
    VM_DONTCOPY,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_MIXEDMAP,
    VM_PFNMAP,
    VM_SHARED,
    VM_WIPEONFORK,
    is_cow_mapping,
)
from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.mm.space import OWN_PAGE, MmStruct
from pfnlab.kernel.mm.unmap import clear_vmas, detach, exit_mmap, free_own_tables, free_vmas
from pfnlab.kernel.mm.vma import AnonVma, Vma, accounted

#: The functions called to copy the program's own memory, in order, with what each one creates.
_OWN_NEEDS = {"vm_area_dup": "mappings", "__pte_alloc": "page tables"}


def dup_mmap(parent: MmStruct, *, commits: bool = True) -> MmStruct:
    """Copy the address space to a child.

    :param commits: there is enough memory to commit for private writable mappings
    :raises ModelledErrno: ENOMEM for any failure; the incomplete child is torn down (S3.5.4)
    :raises Undecided: if the forced failure hits a later page table, or a later mapping, of
        the process's own memory
    """
    child = MmStruct(parent.kernel)
    child.limit_as, child.limit_data = parent.limit_as, parent.limit_data
    unmaps = parent.kernel.profile.failed_fork_unmaps
    failed = own_memory = False
    with parent.mmap_lock.write():
        vmas = [vma for vma in parent if vma.start < OWN_PAGE]
        try:
            for src in vmas:
                if parent.kernel.current_comm in parent.kernel.doomed:
                    raise ModelledErrno(errno.EINTR)
                parent.start_write(src)
                if not src.flags & VM_DONTCOPY:
                    _copy_vma(src, child, commits)
            if not commits:
                # The program's own memory, which is not modelled, comes last.
                _refuse_commit(parent)
            # That memory consists of several mappings, and needs page tables too.
            for function, things in _OWN_NEEDS.items():
                if parent.kernel.failures.fails(function):
                    own_memory = function == "__pte_alloc"
                    raise ModelledErrno(errno.ENOMEM)
                if parent.kernel.failures.awaits(function):
                    raise Undecided(
                        f"the model does not know how many {things} a process's own memory needs", Why.NO_RULE
                    )
            for src in [vma for vma in parent if vma.start >= OWN_PAGE and not vma.flags & VM_DONTCOPY]:
                parent.start_write(src)
                _copy_vma(src, child, commits)
        except ModelledErrno:
            failed = True
            if unmaps:
                _unmap(child, own_memory)
        # The stacks come last, so they are copied only if everything else was.
        parent.forking = not failed
        parent.flush_tlb()
        parent.forking = parent.stacks_shared = False
    if failed:
        # fork returns ENOMEM for any failure; the incomplete child has no task (S3.5.4).
        if not unmaps:
            exit_mmap(child, whole=own_memory)
        raise ModelledErrno(errno.ENOMEM)
    return child


def _unmap(child: MmStruct, own_memory: bool) -> None:
    """Unmap the copied VMAs like munmap (S3.5.7).

    :param own_memory: part of the program's own memory was also copied
    """
    vmas = list(child)
    if own_memory and not vmas:
        _clear_own_memory(child)
    clear_vmas(child, vmas, "fork", own_tables=own_memory)
    detach(child, vmas)
    free_vmas(child, vmas)


def _clear_own_memory(child: MmStruct) -> None:
    """Clear a copy that contains nothing but the process's own mappings."""
    tlb = MmuGather(child, "fork")
    child.kernel.trace.event("free_pgtables")
    free_own_tables(tlb)
    tlb.finish()


def _refuse_commit(parent: MmStruct) -> NoReturn:
    """__vm_enough_memory() refuses: ENOMEM."""
    kernel = parent.kernel
    amount = "bytes: 4096 not" if kernel.profile.overcommit_names_bytes else "no"
    task = f"pid: {kernel.current_pid}, comm: {kernel.current_comm}"
    kernel.trace.printk(f"__vm_enough_memory: {task}, {amount} enough memory for the allocation")
    raise ModelledErrno(errno.ENOMEM)


def _copy_vma(src: Vma, child: MmStruct, commits: bool) -> None:
    """Copy one VMA of the parent, link it, then copy its entries."""
    kernel = src.mm.kernel
    committed = accounted([src])
    if committed and not commits:
        _refuse_commit(src.mm)
    # The parent was granted the same amount before.
    kernel.committed += committed
    try:
        dst = _linked_copy(src, child)
    except ModelledErrno:
        kernel.uncommit(committed)
        raise
    if src.flags & VM_WIPEONFORK:
        dst.anon_vma = None
    else:
        with kernel.processors.inside("copy_page_range"), kernel.failures.inside("copy_page_range"):
            kernel.trace.event("copy_range", src.start)
            if _vma_needs_copy(src):
                _copy_page_range(dst, src)
    if not kernel.profile.fork_opens_first:
        _open(dst, src)


def _linked_copy(src: Vma, child: MmStruct) -> Vma:
    """Copy and link a VMA of the parent, without its entries."""
    kernel = src.mm.kernel
    dst = vm_area_dup(src, child)
    if src.anon_vma is not None:
        dst.anon_vma = AnonVma(inherited=True)
    dst.flags &= ~(VM_LOCKED | VM_LOCKONFAULT)
    dst.tracked_like(src)
    if kernel.profile.fork_opens_first:
        _open(dst, src)
    child.link(dst)
    if dst.i_mapping is not None:
        kernel.link_file(dst, src)
        kernel.trace.event("link", dst.start)
    return dst


def _open(dst: Vma, src: Vma) -> None:
    """vm_ops->open() of the copied VMA."""
    if dst.file is not None and dst.file.opened is not None:
        dst.file.opened(dst, src)


def _vma_needs_copy(src: Vma) -> bool:
    """vma_needs_copy(): a fault would not restore its entries, or the kernel cannot rely on it (S5.11.1a)."""
    if src.anon_vma is not None:
        return True
    left = src.file is not None and src.file.fault_reconstructs and not src.mm.kernel.profile.fork_copies_vfio
    return bool(src.flags & (VM_PFNMAP | VM_MIXEDMAP)) and not left


def _copy_page_range(dst: Vma, src: Vma) -> None:
    """Copy entries: COW entries become read-only on both sides, shared ones start clean (S5.11.2).

    :raises ModelledErrno: if the tracker refuses, or a page table could not be allocated
    :raises Undecided: if the VMA contains part of a 1 GiB leaf
    """
    kernel = src.mm.kernel
    if any(src.mm.tables.leaf_around(border) is not None for border in (src.start, src.end)):
        # Smaller leaves are cleared when a VMA is split (S6.3.3).
        raise no_rule("a fork of a VMA with a part of a leaf of 1 GiB")
    kernel.tracker.copy_page_range(dst, src)
    # A VMA below it may share a table with it.
    there = src.mm.tables.table_starts(src.start, src.end, present=True)
    needed = [first for first in there if not dst.mm.tables.has_table(first, 1)]
    if needed:
        # At an address chosen by the kernel, the child may share a table with the program's own memory.
        check_chosen(src.mm, src.start)
    table_count = kernel.failures.failing("__pte_alloc", len(needed))
    if table_count is not None:
        # What already exists determines what the teardown finds (A03) and flushes (S3.5.8).
        reached = needed[table_count]
        if reached > src.start:
            _copy_entries(dst, src, reached)
        dst.mm.tables.allocate(reached, reached + 1, 2)
        kernel.tracker.copy_page_range_failed(dst, src)
        raise ModelledErrno(errno.ENOMEM)
    _copy_entries(dst, src, src.end)


def _copy_entries(dst: Vma, src: Vma, end: int) -> None:
    """Copy the entries of *src* up to page *end*."""
    saved_dirty = src.mm.kernel.profile.saved_dirty
    cow = is_cow_mapping(src.flags)

    def copy(start: int, stop: int) -> None:
        if cow:
            src.mm.tables.change(start, stop, lambda run: pte_wrprotect(run.bits, saved_dirty))
        dst.mm.tables.copy_tables(src.mm.tables, start, stop)
        for run in src.mm.tables.runs(start, stop):
            # A leaf is copied as it is (S5.11.4).
            bits = pte_mkclean(run.bits) if src.flags & VM_SHARED and run.level == 1 else run.bits
            if run.page is not None:
                run.page.mapcount += 1
                run.page.exclusive = False
            dst.mm.tables.set(run._replace(bits=pte_mkold(bits)))

    src.mm.table_locks.in_pieces(src.start, end, copy)
