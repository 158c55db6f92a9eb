"""Entries taken away while their VMAs live: by a driver, by a revocation (S6.7)."""

from __future__ import annotations

from collections.abc import Callable

from pfnlab.hw.pgtable import Run
from pfnlab.mm.flags import VM_MIXEDMAP, VM_PFNMAP
from pfnlab.mm.gather import MmuGather
from pfnlab.mm.kernel import Kernel
from pfnlab.mm.unmap import Steps, zap_vma
from pfnlab.mm.vma import MappedFile, Vma
from pfnlab.units import PfnRange


def zap_page_range_single(vma: Vma, start: int, end: int, *, even_cows: bool = True) -> Steps[None]:
    """Clear entries of pages ``[start, end)`` of a living VMA, with a gather of its own.

    :param even_cows: copied pages go too
    """
    tlb = MmuGather(vma.mm)
    vma.mm.kernel.tracker.zap_page_range_single(vma)
    keep: Callable[[Run], bool] | None = None if even_cows else lambda run: run.page is not None
    zap_vma(tlb, vma, start, end, keep=keep)
    yield "zapped"
    tlb.finish()


def zap_vma_ptes(vma: Vma, start: int, end: int) -> Steps[None]:
    """zap_vma_ptes (zap_special_vma_range): in silence nothing unless the range is a PFN VMA's (S6.7.4)."""
    taken = VM_PFNMAP | VM_MIXEDMAP if vma.mm.kernel.profile.zap_takes_mixed else VM_PFNMAP
    if not vma.flags & taken or start < vma.start or end > vma.end:
        return
    yield from zap_page_range_single(vma, start, end)


def unmap_mapping_range(
    kernel: Kernel, belongs: Callable[[MappedFile], bool], pages: PfnRange, *, even_cows: bool
) -> Steps[None]:
    """Clear what every mapping of a file has of *pages*, whoever has it mapped (S6.7.2).

    :param belongs: whether a file shares the address space object that is unmapped
    :param pages: file offsets in pages, as vm_pgoff counts them
    """
    for vma in list(kernel.i_mmap):
        if vma.file is None or not belongs(vma.file):
            continue
        start = max(pages.start, vma.pgoff) - vma.pgoff + vma.start
        end = min(pages.end, vma.pgoff + vma.nr) - vma.pgoff + vma.start
        if start < end:
            yield from zap_page_range_single(vma, start, end, even_cows=even_cows)


def revoke_iomem(kernel: Kernel, pages: PfnRange) -> Steps[None]:
    """A driver claims *pages*: user mappings of them go, when strict (S9.1.5).

    /dev/mem and the PCI files share one address space object for all of physical memory.
    """
    if kernel.platform.io_strict_devmem:
        yield from unmap_mapping_range(kernel, lambda file: file.iomem, pages, even_cows=True)
