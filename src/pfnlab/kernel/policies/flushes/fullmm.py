"""``free_vmas`` without its exception: PFN VMAs are flushed before they are unlinked at exit too.

Every placement found in a kernel skips fullmm, since no processor runs in an address space being torn down at
exit. Here, the end of a process is treated like any munmap. Each process has a PFN VMA, the vDSO's
``[vvar]``, so each exit and exec costs an extra flush, whatever was mapped.
"""

from pfnlab.kernel.mm.gather import MmuGather, NoForcedFlush, is_pfn_vma
from pfnlab.kernel.mm.vma import Vma


class FullMm(NoForcedFlush):
    """Flush in tlb_free_vmas, always."""

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """OR the flag in."""
        tlb.vma_pfn = tlb.vma_pfn or is_pfn_vma(vma)

    def tlb_free_vmas(self, tlb: MmuGather, first: Vma) -> None:
        """Flush everything cleared so far if it included a PFN VMA."""
        if tlb.vma_pfn:
            tlb.flush_mmu_tlbonly()
