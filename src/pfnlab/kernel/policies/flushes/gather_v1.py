"""Version 1 of the patch of 2025: the flush moves to the start of free_pgtables, the flag is unchanged.

21 January 2025, Roman Gushchin, <20250121200929.188542-1-roman.gushchin@linux.dev>. Its difference from
``end_vma``: the place of the flush. The flag is still assigned for each VMA, so at this point it is that of
the last one: ordinary memory after a PFN mapping hides it. v2 ors it ("fixed the vma_pfn flag setting").
"""

from pfnlab.kernel.mm.gather import MmuGather, is_pfn_vma
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.flushes.free_vmas import FreeVmas


class GatherV1(FreeVmas):
    """Flush at the start of free_pgtables, if the last VMA requires it."""

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Assign the flag."""
        if not tlb.fullmm:
            tlb.vma_pfn = is_pfn_vma(vma)
