"""Version 2 of the 2025 patch: the flag is ORed, and cleared by the flush that it forces.

22 January 2025, Roman Gushchin, <20250122232716.1321171-1-roman.gushchin@linux.dev>. Unlike in v1,
tlb_start_vma only ever sets the flag; tlb_flush_mmu_pfnmap, at the start of free_pgtables, clears it. No
other flush does, and nothing initializes it, although the gather is on the stack (Hugh Dickins, 22 January).
``gather_v2`` models a flag that starts out clear, ``gather_v2_junk`` one that starts out set.
"""

from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.flushes.free_vmas import FreeVmas


class GatherV2(FreeVmas):
    """Flush in tlb_flush_mmu_pfnmap, at the start of free_pgtables, which clears the flag."""

    def tlb_free_vmas(self, tlb: MmuGather, first: Vma) -> None:
        """Flush if a PFN VMA was cleared, and clear the flag."""
        super().tlb_free_vmas(tlb, first)
        if not tlb.fullmm:
            tlb.vma_pfn = False
