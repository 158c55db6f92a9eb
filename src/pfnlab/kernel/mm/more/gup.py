"""get_user_pages: look up a task's page through its VMA, or (fast) through the entry alone (S7.1)."""

import errno

from pfnlab.base.errors import ModelledErrno
from pfnlab.kernel.hw.entry import pte_keyed, pte_mkdirty, pte_mkyoung, pte_present, pte_write
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.mm.copy_on_write import ZERO_PFN
from pfnlab.kernel.mm.fault import FaultOom, Signal, fault_in
from pfnlab.kernel.mm.flags import VM_READ, VM_WRITE, is_cow_mapping
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.vma import Vma


def get_user_page(
    mm: MmStruct,
    vpn: int,
    *,
    write: bool = False,
    force: bool = False,
    pin: bool = False,
    remote: bool = False,
) -> EntryRun:
    """The entry for page *vpn*, faulted in if necessary; kernels refuse PFN mappings outright (S7.1.1).

    :param force: ignore the VMA's protection (FOLL_FORCE)
    :param pin: copy a shared page first, so that the task keeps the pinned page (FOLL_PIN)
    :param remote: the access is made by another process, or a debugger (FOLL_REMOTE)
    :raises ModelledErrno: EFAULT; EEXIST for an entry without a page; ENOMEM if a page table is missing
    """
    walker = mm.kernel.walkers.get_user_pages
    with mm.mmap_lock.read():
        vma = mm.vma_lookup(vpn)
        if vma is None or not walker.walk_page_test(vma) or not _permits(vma, write, force):
            raise ModelledErrno(errno.EFAULT)
        while (entry := mm.table_locks.entry(vpn)) is None or not _suits(vma, entry, write, force):
            try:
                fault_in(vma, vpn, write, remote=remote)
            except Signal:
                raise ModelledErrno(errno.EFAULT) from None
            except FaultOom:
                raise ModelledErrno(errno.ENOMEM) from None
        zero = entry.page is None and entry.pfn == ZERO_PFN
        if not zero and not walker.vm_normal_page(vma, entry):
            _touch(mm, entry, vpn, write)
            raise ModelledErrno(errno.EEXIST)
        if write and entry.page is not None:
            # A forced write leaves the entry clean (FOLL_TOUCH).
            entry.page.dirty = True
        shared = entry.page is not None and entry.page.anonymous and not entry.page.exclusive
        if pin and not write and shared:
            fault_in(vma, vpn, False, unshare=True)
            entry = mm.tables.entry(vpn)
            assert entry is not None
        return entry


def get_user_page_fast(mm: MmStruct, vpn: int, *, write: bool = False) -> EntryRun:
    """The entry for page *vpn*; the VMA is not checked if the entry maps an ordinary page (S7.2).

    :raises ModelledErrno: as :func:`get_user_page`
    """
    entry = mm.tables.entry(vpn)
    has_page = entry is not None and entry.page is not None
    usable = entry is not None and has_page and pte_present(entry.bits) and not pte_keyed(entry.bits)
    if usable and mm.kernel.profile.fast_lookup_wants_a_file and _is_in_no_file(mm, vpn):
        usable = False
    if entry is not None and usable and (pte_write(entry.bits) or not write):
        return entry
    return get_user_page(mm, vpn, write=write)


def _is_in_no_file(mm: MmStruct, vpn: int) -> bool:
    """True for a driver's page, which is neither anonymous nor part of a file (S7.2.4)."""
    entry, vma = mm.tables.entry(vpn), mm.vma_lookup(vpn)
    has_page = entry is not None and entry.page is not None and not entry.page.anonymous
    return has_page and vma is not None and not vma.has_file_pages


def _touch(mm: MmStruct, entry: EntryRun, vpn: int, write: bool) -> None:
    """Mark an entry without a page as used, unless it is a leaf (follow_pfn_pte, S7.1.3)."""
    saved_dirty = mm.kernel.profile.saved_dirty
    if entry.level == 1:
        mm.tables.change(
            vpn, vpn + 1, lambda run: pte_mkyoung(pte_mkdirty(run.bits, saved_dirty) if write else run.bits)
        )


def _permits(vma: Vma, write: bool, force: bool) -> bool:
    """True if the VMA's protection allows it (check_vma_flags)."""
    if not write:
        return force or bool(vma.flags & VM_READ)
    return bool(vma.flags & VM_WRITE) or (force and is_cow_mapping(vma.flags))


def _suits(vma: Vma, entry: EntryRun, write: bool, force: bool) -> bool:
    """True if the entry can be used without a fault (can_follow_write_pte).

    If the VMA is not writable, a forced write may use a read-only entry for a private page.
    """
    if not write:
        return force or pte_present(entry.bits)
    if pte_write(entry.bits):
        return True
    forced = force and not vma.flags & VM_WRITE
    return forced and entry.page is not None and entry.page.exclusive
