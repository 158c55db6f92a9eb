"""Version 2 of the 2025 patch, with the flag initially set by whatever was on the stack.

22 January 2025, Roman Gushchin, <20250122232716.1321171-1-roman.gushchin@linux.dev>. The flag is not
initialized; unlike in ``gather_v2``, it happens to be set here (Hugh Dickins, 22 January).
"""

from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.policies.flushes.gather_v2 import GatherV2


class GatherV2Junk(GatherV2):
    """Like gather_v2, but with the flag initially set: one flush too many, never one too few."""

    def tlb_gather_mmu(self, tlb: MmuGather) -> None:
        """Start with the flag set."""
        tlb.vma_pfn = True
