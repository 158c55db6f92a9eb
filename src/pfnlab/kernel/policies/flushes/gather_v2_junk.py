"""Version 2 of the patch of 2025, with its flag initially set by stack contents.

22 January 2025, Roman Gushchin, <20250122232716.1321171-1-roman.gushchin@linux.dev>. Its difference from
``gather_v2``: the flag is not initialized, and here it is set (Hugh Dickins, 22 January).
"""

from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.policies.flushes.gather_v2 import GatherV2


class GatherV2Junk(GatherV2):
    """As gather_v2, with the flag initially set: one flush too many, never one too few."""

    def tlb_gather_mmu(self, tlb: MmuGather) -> None:
        """Start with the flag set."""
        tlb.vma_pfn = True
