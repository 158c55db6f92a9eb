"""Version 1 of the patch of 2025: the flush goes to the head of free_pgtables, the flag stays as it was.

21 January 2025, Roman Gushchin, <20250121200929.188542-1-roman.gushchin@linux.dev>.
Its difference to ``end_vma``: the place of the flush. The flag is still assigned for each VMA, so at the
head it is that of the last one: behind a PFN mapping, ordinary memory hides it. v2 ors it ("fixed the
vma_pfn flag setting").
"""

from pfnlab.kernel.mm.gather import MmuGather, is_pfn_vma
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.flushes.free_vmas import FreeVmas


class GatherV1(FreeVmas):
    """Flush at the head of free_pgtables, if the last VMA asks for it."""

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """The flag is assigned anew."""
        if not tlb.fullmm:
            tlb.vma_pfn = is_pfn_vma(vma)
