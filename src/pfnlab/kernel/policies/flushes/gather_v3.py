"""Version 3 of the 2025 patch: the flag from v2, cleared after every flush.

23 January 2025, Roman Gushchin, <20250123164358.2384447-1-roman.gushchin@linux.dev>. Unlike in v2,
__tlb_reset_range sets the flag to 0, i.e. at the start of a gather and after each flush that flushed
something, "so that unnecessary subsequent flushes are avoided". A flush in the middle of a VMA clears it too,
and it is not set again for entries cleared later (Jann Horn, 21 May 2025,
<CAG48ez39SaJe=cwq3JZ6UM0BLMHEj76Kdmd9=Ho1nr17fAco6Q@mail.gmail.com>).
"""

from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.policies.flushes.free_vmas import FreeVmas


class GatherV3(FreeVmas):
    """Flush in tlb_flush_mmu_pfnmap if there was no flush since the last PFN VMA began."""

    def tlb_reset_range(self, tlb: MmuGather) -> None:
        """Clear the flag: nothing is pending."""
        tlb.vma_pfn = False
