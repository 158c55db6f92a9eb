"""fork(2): which VMAs are copied, which entries, and what a failure leaves (S3.5, S4.8, S5.11)."""

from __future__ import annotations

import errno
from typing import NoReturn

from pfnlab.errors import ModelledErrno
from pfnlab.hw.entry import pte_mkclean, pte_mkold, pte_wrprotect
from pfnlab.mm.flags import (
    VM_ACCOUNT,
    VM_DONTCOPY,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_SHARED,
    VM_WIPEONFORK,
    is_cow_mapping,
)
from pfnlab.mm.space import MmStruct
from pfnlab.mm.unmap import clear_vmas, detach, exit_mmap, free_vmas
from pfnlab.mm.vma import Vma


def dup_mmap(parent: MmStruct, *, commits: bool = True) -> MmStruct:
    """A copy of the address space for a child.

    :param commits: there is memory to commit to what is private and writable
    :raises ModelledErrno: ENOMEM, whatever went wrong inside; the half-made child is torn down (S3.5.4)
    """
    child = MmStruct(parent.kernel)
    with parent.mmap_lock.write():
        for src in parent:
            if not src.flags & VM_DONTCOPY:
                _copy_vma(src, child, commits)
        if not commits:
            # The program's own memory, which is not modelled, comes last.
            _refuse_commit(parent, child)
        parent.flush_tlb()
    return child


def _refuse_commit(parent: MmStruct, child: MmStruct) -> NoReturn:
    """__vm_enough_memory() says no.

    :raises ModelledErrno: ENOMEM
    """
    kernel = parent.kernel
    what = "bytes: 4096 not" if kernel.profile.overcommit_names_bytes else "no"
    who = f"pid: {kernel.current_pid}, comm: {kernel.current_comm}"
    kernel.trace.printk(f"__vm_enough_memory: {who}, {what} enough memory for the allocation")
    _fail(parent, child)


def _copy_vma(src: Vma, child: MmStruct, commits: bool) -> None:
    """One VMA of the parent: copied, linked, then its entries.

    :raises ModelledErrno: ENOMEM
    """
    parent, kernel = src.mm, src.mm.kernel
    if src.flags & VM_ACCOUNT and not commits:
        _refuse_commit(parent, child)
    if kernel.fails("vm_area_dup"):
        _fail(parent, child)
    kernel.trace.event("dup", src.start)
    dst = src.dup(child)
    dst.flags &= ~(VM_LOCKED | VM_LOCKONFAULT)
    kernel.tracker.vm_area_dup(src, dst)
    child.link(dst)
    if dst.file is not None:
        kernel.link_file(dst, src)
        kernel.trace.event("link", dst.start)
    if src.flags & VM_WIPEONFORK:
        dst.anon_vma = None
        return
    try:
        with kernel.processors.inside("copy_page_range"):
            kernel.trace.event("copy_range", src.start)
            if src.special or src.anon_vma is not None:
                _copy_page_range(dst, src)
    except ModelledErrno:
        _fail(parent, child)


def _fail(parent: MmStruct, child: MmStruct) -> NoReturn:
    """The half-made child is torn down; whatever went wrong, fork answers ENOMEM (S3.5.4)."""
    if parent.kernel.profile.failed_fork_unmaps:
        vmas = list(child)
        clear_vmas(child, vmas, tables=False)
        detach(child, vmas)
        free_vmas(child, vmas)
        parent.flush_tlb()
    else:
        parent.flush_tlb()
        exit_mmap(child, whole=False)
    raise ModelledErrno(errno.ENOMEM)


def _tables(src: Vma) -> int:
    """How many page tables a copy of the VMA's entries needs."""
    tables = src.mm.tables
    return tables.span_count(src.start, src.end) - tables.absent(src.start, src.end)


def _copy_page_range(dst: Vma, src: Vma) -> None:
    """Copy entries: COW ones lose write permission on both sides, shared ones start clean (S5.11.2).

    :raises ModelledErrno: the tracker refuses, or there is no room for a page table
    """
    kernel = src.mm.kernel
    kernel.tracker.copy_page_range(dst, src)
    if kernel.fails("__pte_alloc", _tables(src)):
        kernel.tracker.copy_page_range_failed(dst, src)
        raise ModelledErrno(errno.ENOMEM)
    saved_dirty = src.mm.kernel.profile.saved_dirty
    cow = is_cow_mapping(src.flags)
    if cow:
        src.mm.tables.change(src.start, src.end, lambda run: pte_wrprotect(run.bits, saved_dirty))
    dst.mm.tables.copy_tables(src.mm.tables, src.start, src.end)
    for run in src.mm.tables.runs(src.start, src.end):
        bits = pte_mkclean(run.bits) if src.flags & VM_SHARED else run.bits
        if run.page is not None:
            run.page.mapcount += 1
            run.page.exclusive = False
        dst.mm.tables.set(run._replace(bits=pte_mkold(bits)))
