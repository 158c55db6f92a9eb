"""One flush before VMAs are unlinked, if the first of them is a PFN VMA: 5.10.141 and its like (B02).

The repair of the race for stable series that had no common tlb_end_vma: unmap_region tests the flags of
the VMA it begins with and forgets those behind it. A few weeks later it tested all, which is what
``free_vmas`` does. Operations that free no VMA never flush early.
"""

from __future__ import annotations

from pfnlab.kernel.mm.gather import MmuGather, is_pfn_vma
from pfnlab.kernel.mm.vma import Vma


class FirstVma:
    """Flush in unmap_region, before free_pgtables."""

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Only the first VMA is looked at."""
        if not tlb.begun:
            tlb.vma_pfn = is_pfn_vma(vma)
        tlb.begun = True

    def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Nothing is forced."""

    def unmap_region(self, tlb: MmuGather, first: Vma) -> None:
        """Flush everything cleared so far if that one was a PFN VMA."""
        if tlb.vma_pfn:
            tlb.flush_mmu_tlbonly()

    def tlb_free_vmas(self, tlb: MmuGather, first: Vma) -> None:
        """It is done."""

    def tlb_free_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """By now it is too late to ask."""
