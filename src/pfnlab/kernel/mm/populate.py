"""Faulting pages in ahead of use, for mlock, MAP_POPULATE and advice (S5.10.1)."""

import errno
from contextlib import nullcontext, suppress

from pfnlab.base.errors import ModelledErrno
from pfnlab.kernel.hw.entry import pte_write
from pfnlab.kernel.mm.fault import FaultOom, Signal, handle_mm_fault
from pfnlab.kernel.mm.flags import VM_ACCESS, VM_IO, VM_PFNMAP, VM_SHARED, VM_WRITE
from pfnlab.kernel.mm.page_by_page import page_by_page
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.vma import Vma


def mm_populate(mm: MmStruct, start: int, end: int, *, ignore_errors: bool = True) -> None:
    """Fault in pages of whatever is mapped once a call has released mmap_lock (S5.10.1a).

    :param ignore_errors: in each VMA, stop at the first page that cannot be filled and go on to the next VMA
    :raises ModelledErrno: as :func:`populate`, if errors are not ignored
    """
    with mm.mmap_lock.read():
        for vma in mm.vmas_in(start, end):
            with suppress(ModelledErrno) if ignore_errors else nullcontext():
                populate(vma, max(vma.start, start), min(vma.end, end))


def populate(vma: Vma, start: int, end: int, *, write: bool | None = None) -> None:
    """Fault pages in as mlock and MAP_POPULATE do, skipping PFN mappings (S5.10.1).

    If a page cannot be filled, it is retried once, after the pages before it.

    :param write: fault as a write or a read; None: write if the mapping is private and writable
    :raises ModelledErrno: EFAULT if no handler fills an entry, or if no access is allowed; ENOMEM if no page
        table could be allocated
    :raises Undecided: if there are too many pages
    """
    while start < end:
        start += populate_once(vma, start, end, write=write)


def populate_once(vma: Vma, start: int, end: int, *, write: bool | None = None) -> int:
    """Fault pages in, making a single attempt (populate_vma_page_range, faultin_page_range).

    :return: how many pages come before the first that cannot be filled
    :raises ModelledErrno: if the first page cannot be filled
    """
    if vma.flags & (VM_IO | VM_PFNMAP):
        return end - start
    if not vma.flags & VM_ACCESS or vma.execute_only:
        raise ModelledErrno(errno.EFAULT)
    if write is None:
        write = vma.flags & (VM_WRITE | VM_SHARED) == VM_WRITE
    try:
        for vpn in page_by_page(start, end):
            try:
                _populate_page(vma, vpn, write)
            except (Signal, FaultOom) as refused:
                if vpn == start:
                    raise ModelledErrno(
                        errno.ENOMEM if isinstance(refused, FaultOom) else errno.EFAULT
                    ) from None
                return vpn - start
    finally:
        vma.mm.kernel.mlock_batch.drain()
    return end - start


def _populate_page(vma: Vma, vpn: int, write: bool) -> None:
    # A handler fills an entry in a private mapping read-only; a write then copies it.
    while (entry := vma.mm.table_locks.entry(vpn)) is None or (write and not pte_write(entry.bits)):
        handle_mm_fault(vma.mm, vpn, write)
