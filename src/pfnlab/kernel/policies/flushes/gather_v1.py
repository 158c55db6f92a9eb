"""Version 1 of the 2025 patch: the flush moves to the start of free_pgtables, and the flag is unchanged.

21 January 2025, Roman Gushchin, <20250121200929.188542-1-roman.gushchin@linux.dev>. It differs from
``end_vma`` in where it flushes. The flag is still set anew for each VMA, so by this point it belongs
to the last one: ordinary memory after a PFN mapping hides the mapping. v2 ORs the flag instead ("fixed
the vma_pfn flag setting").
"""

from pfnlab.kernel.mm.gather import MmuGather, is_pfn_vma
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.flushes.free_vmas import FreeVmas


class GatherV1(FreeVmas):
    """Flush at the start of free_pgtables if the last VMA requires it."""

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Set the flag to this VMA's value."""
        if not tlb.fullmm:
            tlb.vma_pfn = is_pfn_vma(vma)
