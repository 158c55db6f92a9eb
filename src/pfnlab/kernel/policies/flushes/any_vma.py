"""One flush before VMAs are unlinked if any of them is a PFN VMA: the second stable form of the 2022 fix.

Posted by Jann Horn in September 2022; landed in 4.9.y to 5.15.y (891f03f688de; for 4.9
<20220916100441.352669614@linuxfoundation.org>). unmap_region goes through the whole list of VMAs, where
``first_vma`` checks only the first. By then all of them have been cleared, so it is equivalent to use the
flags that tlb_start_vma records here.
"""

from pfnlab.kernel.mm.gather import MmuGather, NoForcedFlush, is_pfn_vma
from pfnlab.kernel.mm.vma import Vma


class AnyVma(NoForcedFlush):
    """Flush in unmap_region, before free_pgtables."""

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Record the VMAs that unmap_region will go through."""
        tlb.vma_pfn = tlb.vma_pfn or is_pfn_vma(vma)

    def unmap_region(self, tlb: MmuGather, first: Vma) -> None:
        """Flush everything cleared so far if any of the VMAs is a PFN VMA."""
        if tlb.vma_pfn:
            tlb.flush_mmu_tlbonly()
