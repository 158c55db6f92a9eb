"""One flush before VMAs are unlinked, since 6.16 (S8.1.5).

Version 6 of the 2025 patch, 22 May (<20250522012838.163876-1-roman.gushchin@linux.dev>), which landed as
bfe125f1b187. It uses the flag from v5 (``gather_v5``), set to 0 at the start of a gather and never cleared.

The flag lasts as long as the gather: if any of the VMAs cleared is a PFN VMA, a single flush for all of them
is forced at the start of free_pgtables. Operations that free no VMA flush in tlb_finish_mmu as usual.
"""

from pfnlab.kernel.mm.gather import MmuGather, NoForcedFlush, is_pfn_vma
from pfnlab.kernel.mm.vma import Vma


class FreeVmas(NoForcedFlush):
    """Flush in tlb_free_vmas."""

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """OR the flag in."""
        if not tlb.fullmm:
            tlb.vma_pfn = tlb.vma_pfn or is_pfn_vma(vma)

    def tlb_free_vmas(self, tlb: MmuGather, first: Vma) -> None:
        """Flush everything cleared so far if it included a PFN VMA."""
        if not tlb.fullmm and tlb.vma_pfn:
            tlb.flush_mmu_tlbonly()
