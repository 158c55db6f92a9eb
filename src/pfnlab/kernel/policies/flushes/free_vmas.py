"""One flush before VMAs are unlinked, since 6.16 (S8.1.5).

The flag sticks to the gather: any PFN VMA among those cleared forces one flush for all of them, first
thing in free_pgtables. Operations that free no VMA flush in tlb_finish_mmu like everybody else.
"""

from __future__ import annotations

from pfnlab.kernel.mm.gather import MmuGather, is_pfn_vma
from pfnlab.kernel.mm.vma import Vma


class FreeVmas:
    """Flush in tlb_free_vmas."""

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """The flag is OR-ed in."""
        if not tlb.fullmm:
            tlb.vma_pfn = tlb.vma_pfn or is_pfn_vma(vma)

    def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """PFN VMAs wait like others."""

    def unmap_region(self, tlb: MmuGather, first: Vma) -> None:
        """Not yet."""

    def tlb_free_vmas(self, tlb: MmuGather, first: Vma) -> None:
        """Flush everything cleared so far if a PFN VMA was among it."""
        if not tlb.fullmm and tlb.vma_pfn:
            tlb.flush_mmu_tlbonly()

    def tlb_free_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Nothing is left to force."""
