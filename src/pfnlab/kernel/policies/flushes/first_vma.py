"""One flush before VMAs are unlinked if the first of them is a PFN VMA: 5.10.141 and similar (B02).

The first stable form of the 2022 fix (895428ee124a, 526a9ce7e134), for series that had no common tlb_end_vma:
unmap_region tests the flags of the first VMA and ignores the others. A few weeks later it tested them all
(``any_vma``). Operations that free no VMA never flush early.
"""

from pfnlab.kernel.mm.gather import MmuGather, NoForcedFlush, is_pfn_vma
from pfnlab.kernel.mm.vma import Vma


class FirstVma(NoForcedFlush):
    """Flush in unmap_region, before free_pgtables."""

    def unmap_region(self, tlb: MmuGather, first: Vma) -> None:
        """Flush everything cleared so far if the first VMA is a PFN VMA."""
        if is_pfn_vma(first):
            tlb.flush_mmu_tlbonly()
