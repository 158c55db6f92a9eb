"""Who else looks at a mapping: walkers of page tables and foreign readers (S7)."""

from __future__ import annotations

import errno

from pfnlab.errors import ModelledErrno
from pfnlab.mm.flags import VM_IO, VM_PFNMAP, VM_READ
from pfnlab.mm.space import MmStruct


def process_vm_readv(mm: MmStruct, vpn: int) -> None:
    """Read a few bytes through get_user_pages: VM_IO and VM_PFNMAP are refused unseen (S7.1.1).

    :raises ModelledErrno: EFAULT
    """
    with mm.mmap_lock.read():
        vma = mm.vma_lookup(vpn)
        if vma is None or vma.flags & (VM_IO | VM_PFNMAP) or not vma.flags & VM_READ:
            raise ModelledErrno(errno.EFAULT)


def read_smaps(mm: MmStruct) -> None:
    """Somebody reads /proc/PID/smaps: his walk has no use for leaves of 1 GiB and splits them (S7.5).

    Nothing is put in their place, so the next access faults. Leaves of 2 MiB he only reads.
    """
    if not mm.kernel.profile.smaps_counts_copies:
        return
    for vma in mm:
        for run in mm.tables.runs(vma.start, vma.end):
            if run.level == 3:
                mm.tables.clear(run.start, run.end)
                mm.flush_tlb(run.start, run.end)


def mincore(mm: MmStruct, start: int, end: int) -> str:
    """mincore(2): a digit a page (S7.5).

    :raises ModelledErrno: ENOMEM at a hole; what lies before it was delivered
    """
    digits = []
    with mm.mmap_lock.read():
        for vpn in range(start, end):
            vma = mm.vma_lookup(vpn)
            if vma is None:
                raise ModelledErrno(errno.ENOMEM)
            entry = mm.tables.entry(vpn)
            looks = vma.file is None or not vma.flags & VM_PFNMAP or mm.kernel.profile.mincore_walks
            there = entry is not None and looks
            digits.append("1" if there else "0")
    return "".join(digits)
