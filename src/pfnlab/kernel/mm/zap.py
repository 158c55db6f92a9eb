"""Clearing entries in live VMAs: by a driver, or to revoke mappings (S6.7)."""

import errno
from collections.abc import Callable

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.mm.flags import VM_MIXEDMAP, VM_PFNMAP
from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.unmap import zap_vma
from pfnlab.kernel.mm.vma import AddressSpace, MappedFile, Vma

#: The page after the last that a file offset can address.
END_OF_FILE = 1 << 52


def zap_page_range_single(vma: Vma, start: int, end: int, *, even_cows: bool = True) -> None:
    """Clear the entries for pages ``[start, end)`` of a live VMA, in a separate gather.

    :param even_cows: clear copied pages too
    :raises ModelledErrno: if the tracker refuses, which no real kernel's tracker does
    """
    tlb = MmuGather(vma.mm, "zap")
    keep: Callable[[EntryRun], bool] | None = None if even_cows else _is_copy
    tracker = vma.mm.kernel.tracker
    try:
        tracker.zap_page_range_single(vma, start, end)
        zap_vma(tlb, vma, start, end, keep=keep)
    finally:
        tlb.finish()
        vma.mm.kernel.mlock_batch.unmapped()
    tracker.zap_page_range_single_flushed(vma, start, end)


def _is_copy(run: EntryRun) -> bool:
    """True for an entry that stays if copied pages stay: its page is neither the file's nor the driver's."""
    return run.page is not None and run.page.anonymous


def zap_vma_ptes(vma: Vma, start: int, end: int) -> None:
    """zap_vma_ptes (zap_special_vma_range); has no effect unless the range is in a PFN VMA (S6.7.4)."""
    flags = VM_PFNMAP | VM_MIXEDMAP if vma.mm.kernel.profile.zap_takes_mixed else VM_PFNMAP
    if not vma.flags & flags or start < vma.start or end > vma.end:
        return
    zap_page_range_single(vma, start, end)


def unmap_mapping_range(
    kernel: Kernel, pages: PfnRange, mapping: AddressSpace, *, even_cows: bool, file: MappedFile | None = None
) -> None:
    """Clear the entries for *pages* in every mapping of a file, in any process (S6.7.2).

    :param pages: file offsets in pages, as in vm_pgoff; up to END_OF_FILE for a truncation
    :param mapping: the file's address space object
    :param file: needed for shared anonymous memory, where all files share one such object here
    :raises ModelledErrno: if the tracker refuses for some mapping; those before it have been cleared
    """
    with kernel.i_mmap_rwsem(mapping).read():
        vmas = [vma for vma in kernel.i_mmap if vma.file is not None and vma.file.mapping == mapping]
        vmas = [vma for vma in vmas if file is None or vma.file is file]
        for vma in vmas:
            start = max(pages.start, vma.pgoff) - vma.pgoff + vma.start
            end = min(pages.end, vma.pgoff + vma.nr) - vma.pgoff + vma.start
            if start < end:
                zap_page_range_single(vma, start, end, even_cows=even_cows)


def revoke_iomem(kernel: Kernel, pages: PfnRange) -> None:
    """Revoke user mappings of *pages* when a driver claims them, if the kernel is strict (S9.1.5).

    /dev/mem and, since 636b21b50152, the PCI files share one address space object for all of physical memory.
    If /dev/mem may still map the first and last page, as it may below 1 MiB, nothing is revoked.

    :raises ModelledErrno: EBUSY if the tracker refuses for some mapping; the claiming
        driver does not learn why
    """
    borders = (pages.start, pages.end - 1)
    if all(kernel.platform.devmem_is_allowed(pfn) for pfn in borders):
        return
    if kernel.platform.io_strict_devmem:
        try:
            unmap_mapping_range(kernel, pages, "iomem", even_cows=True)
        except ModelledErrno:
            raise ModelledErrno(errno.EBUSY) from None
