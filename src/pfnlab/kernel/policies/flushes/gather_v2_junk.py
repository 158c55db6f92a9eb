"""Version 2 of the patch of 2025 on a stack where its flag is found set.

22 January 2025, Roman Gushchin, <20250122232716.1321171-1-roman.gushchin@linux.dev>.
Its difference to ``gather_v2``: nobody gives the flag a first value, and here it is set
(Hugh Dickins, 22 January).
"""

from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.policies.flushes.gather_v2 import GatherV2


class GatherV2Junk(GatherV2):
    """The same on a stack where the flag is found set: a flush too many, never one too few."""

    def tlb_gather_mmu(self, tlb: MmuGather) -> None:
        """The flag is found set."""
        tlb.vma_pfn = True
