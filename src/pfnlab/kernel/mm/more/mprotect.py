"""mprotect(2), which works VMA by VMA, so changes made before an error remain (S5.10.2)."""

import errno
from contextlib import suppress

from pfnlab.base.errors import ModelledErrno
from pfnlab.kernel.hw.entry import (
    pte_dirty,
    pte_mkwrite,
    pte_modify,
    pte_needs_flush,
    pte_soft_dirty,
    pte_write,
)
from pfnlab.kernel.hw.pgtable import LEAF_PAGES, EntryRun
from pfnlab.kernel.mm.flags import (
    VM_ACCESS,
    VM_ACCOUNT,
    VM_EXEC,
    VM_LOCKED,
    VM_PKEY,
    VM_SEALED,
    VM_SHARED,
    VM_WRITE,
)
from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.mm.populate import populate_once
from pfnlab.kernel.mm.rlimit import may_expand_vm
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.table_locks import PageTable
from pfnlab.kernel.mm.vma import Vma

#: The level of a 1 GiB leaf.
_GIGABYTE = 3

#: VM_MAYREAD is VM_READ shifted by this much; likewise for the other two.
_MAY_SHIFT = 4


def do_mprotect(mm: MmStruct, start: int, end: int, access: int, *, keyed: bool = False) -> None:
    """Set the access bits of pages ``[start, end)`` to *access*.

    :param keyed: also set the protection key that the process has allocated (S5.13)
    :raises ModelledErrno: ENOMEM at a hole, EACCES for more access than the file allows, EPERM if sealed
    """
    if start == end:
        return
    with mm.mmap_lock.write():
        if keyed and not mm.kernel.profile.configuration.protection_keys:
            raise ModelledErrno(errno.EINVAL)
        if mm.vma_lookup(start) is None:
            raise ModelledErrno(errno.ENOMEM)
        tlb = MmuGather(mm, "mprotect")
        try:
            _mprotect(tlb, start, end, access, keyed)
        finally:
            tlb.finish()


def _mprotect(tlb: MmuGather, start: int, end: int, access: int, keyed: bool) -> None:
    mm = tlb.mm
    at = start
    while at < end:
        vma = mm.vma_lookup(at)
        if vma is None:
            raise ModelledErrno(errno.ENOMEM)
        flags = (vma.flags & ~VM_ACCESS) | access
        if keyed:
            flags |= VM_PKEY
        elif access == VM_EXEC and mm.kernel.profile.configuration.protection_keys:
            # An execute-only key replaces any other key.
            flags &= ~VM_PKEY
        if access & ~(flags >> _MAY_SHIFT) & VM_ACCESS:
            raise ModelledErrno(errno.EACCES)
        if vma.flags & VM_SEALED:
            raise ModelledErrno(errno.EPERM)
        stop = min(vma.end, end)
        if flags != vma.flags:
            _mprotect_fixup(tlb, vma, at, stop, flags)
        at = stop


def _mprotect_fixup(tlb: MmuGather, vma: Vma, start: int, end: int, flags: int) -> None:
    """Split the VMA, change it, and then change its entries."""
    mm = vma.mm
    committed = 0
    if flags & VM_WRITE:
        # If neither the old nor the new kind of memory may grow, the kind is not the reason for a refusal.
        nr = end - start
        if not may_expand_vm(mm, flags, nr) and may_expand_vm(mm, vma.flags, nr):
            raise ModelledErrno(errno.ENOMEM)
        if not vma.flags & (VM_ACCOUNT | VM_WRITE | VM_SHARED):
            flags |= VM_ACCOUNT
            mm.kernel.commit(nr)
            committed = nr
    elif mm.kernel.profile.unfaulted_unaccounted and vma.is_anonymous and vma.anon_vma is None:
        flags &= ~VM_ACCOUNT
    given_back = end - start if vma.flags & VM_ACCOUNT & ~flags else 0
    to_be_copied = vma.flags & (VM_LOCKED | VM_WRITE | VM_SHARED) == VM_LOCKED
    try:
        vma = mm.modify(vma, start, end, flags)
    except ModelledErrno:
        mm.kernel.uncommit(committed)
        raise
    mm.kernel.uncommit(given_back)
    vma.set_page_prot()
    _change_protection(tlb, vma, start, end)
    if to_be_copied and vma.flags & VM_WRITE:
        with suppress(ModelledErrno):
            populate_once(vma, start, end)


def _change_protection(tlb: MmuGather, vma: Vma, start: int, end: int) -> None:
    """Adapt entries to vm_page_prot; they become writable at once only if writes need not fault.

    A 1 GiB leaf is also flushed at the end, whatever changed (S6.3.9).
    """
    saved_dirty = vma.mm.kernel.profile.saved_dirty
    needs_dirty = bool(vma.flags & VM_SHARED) or vma.mm.kernel.profile.upgrades_dirty_only
    upgrade = bool(vma.flags & VM_WRITE) and (vma.file_wants_writenotify or not vma.flags & VM_SHARED)

    def new_bits(run: EntryRun) -> int:
        bits = pte_modify(run.bits, vma.page_prot, saved_dirty)
        if upgrade and not pte_write(bits) and (pte_dirty(bits) or not needs_dirty):
            owned = bool(vma.flags & VM_SHARED) or (run.page is not None and run.page.exclusive)
            if owned and (pte_soft_dirty(bits) or not vma.tracks_soft_dirty):
                bits = pte_mkwrite(bits, saved_dirty)
        # change_huge_pud does not check whether a 1 GiB leaf needs this.
        if run.level == _GIGABYTE or pte_needs_flush(run.bits, bits):
            tlb.extend(run.start, run.end)
        return bits

    kernel = vma.mm.kernel
    with kernel.processors.inside("change_protection"):
        kernel.trace.event("change_prot", start)
        tlb.flushes.tlb_start_vma(tlb, vma)
        _flush_gigabytes(vma, start, end)
        vma.mm.table_locks.in_pieces(
            start, end, lambda first, stop: vma.mm.tables.change(first, stop, new_bits)
        )
        tlb.flushes.tlb_end_vma(tlb, vma)


def _flush_gigabytes(vma: Vma, start: int, end: int) -> None:
    """change_pud_range: flush each 1 GiB leaf as it changes; one changed only in part is cleared (S6.3.9)."""
    cuts = start, end
    for cut in cuts:
        vma.mm.split_leaf(cut)
    pages = LEAF_PAGES[_GIGABYTE]
    runs = [run for run in vma.mm.tables.runs(start, end) if run.level == _GIGABYTE]
    leaves = [leaf for run in runs for leaf in range(run.start, run.end, pages)]
    for leaf in leaves:
        with vma.mm.table_locks.holding(PageTable.of(leaf, _GIGABYTE)):
            vma.mm.flush_tlb(leaf, leaf + pages)
