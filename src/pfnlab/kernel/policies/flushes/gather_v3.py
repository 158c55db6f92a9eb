"""Version 3 of the patch of 2025: the flag of v2, cleared behind every flush.

23 January 2025, Roman Gushchin, <20250123164358.2384447-1-roman.gushchin@linux.dev>.
Its difference to v2: the flag is set to 0 in __tlb_reset_range, so at the start of a gather and behind
each flush that flushed something, "so that unnecessary subsequent flushes are avoided". A flush in the
middle of a VMA clears it too, and nobody sets it again for what is cleared behind (Jann Horn, 21 May
2025, <CAG48ez39SaJe=cwq3JZ6UM0BLMHEj76Kdmd9=Ho1nr17fAco6Q@mail.gmail.com>).
"""

from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.policies.flushes.free_vmas import FreeVmas


class GatherV3(FreeVmas):
    """Flush in tlb_flush_mmu_pfnmap, if no flush came since the last PFN VMA began."""

    def tlb_reset_range(self, tlb: MmuGather) -> None:
        """Nothing is pending, so nothing is remembered."""
        tlb.vma_pfn = False
