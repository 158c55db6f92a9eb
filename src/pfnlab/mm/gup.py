"""get_user_pages: the kernel gets hold of a task's page, by its VMA or fast by its entry (S7.1)."""

from __future__ import annotations

import errno

from pfnlab.errors import ModelledErrno
from pfnlab.hw.entry import pte_present, pte_write
from pfnlab.hw.pgtable import Run
from pfnlab.mm.fault import fault_in
from pfnlab.mm.flags import VM_IO, VM_PFNMAP, VM_READ, VM_WRITE, is_cow_mapping
from pfnlab.mm.space import MmStruct
from pfnlab.mm.vma import Vma


def get_user_page(
    mm: MmStruct, vpn: int, *, write: bool = False, force: bool = False, pin: bool = False
) -> Run:
    """The entry of page *vpn*, faulted in where necessary; PFN mappings are refused unseen (S7.1.1).

    :param force: whatever the VMA's protection is (FOLL_FORCE)
    :param pin: a page that others share is copied first, so that it stays what it is (FOLL_PIN)
    :raises ModelledErrno: EFAULT
    """
    with mm.mmap_lock.read():
        vma = mm.vma_lookup(vpn)
        if vma is None or vma.flags & (VM_IO | VM_PFNMAP) or not _permits(vma, write, force):
            raise ModelledErrno(errno.EFAULT)
        while (entry := mm.tables.entry(vpn)) is None or not _suits(entry, write, force):
            fault_in(vma, vpn, write)
        if pin and not write and entry.page is not None and not entry.page.exclusive:
            fault_in(vma, vpn, False, unshare=True)
            entry = mm.tables.entry(vpn)
            assert entry is not None
        return entry


def get_user_page_fast(mm: MmStruct, vpn: int, *, write: bool = False) -> Run:
    """The entry of page *vpn*, without a look at the VMA where there is an ordinary page (S7.2).

    :raises ModelledErrno: EFAULT
    """
    entry = mm.tables.entry(vpn)
    usable = entry is not None and entry.page is not None and pte_present(entry.bits)
    if entry is not None and usable and (pte_write(entry.bits) or not write):
        return entry
    return get_user_page(mm, vpn, write=write)


def _permits(vma: Vma, write: bool, force: bool) -> bool:
    """Whether the VMA's protection allows it (check_vma_flags)."""
    if not write:
        return force or bool(vma.flags & VM_READ)
    return bool(vma.flags & VM_WRITE) or (force and is_cow_mapping(vma.flags))


def _suits(entry: Run, write: bool, force: bool) -> bool:
    """Whether the entry needs no fault: a forced write may go through a read-only one of the task's own."""
    if not write:
        return force or pte_present(entry.bits)
    return pte_write(entry.bits) or (force and entry.page is not None and entry.page.exclusive)
