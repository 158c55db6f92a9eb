"""Version 4 of the 2025 patch: a flush in the loop that unlinks VMAs, before the first PFN VMA.

27 January 2025, Roman Gushchin, <20250127195321.35779-1-roman.gushchin@linux.dev>; dropped on 16 March.
Unlike in the draft, tlb_free_vma() is called for every VMA, before it is unlinked. "Right, I misplaced it --
it should be in the vma loop." Ordinary VMAs before the first PFN VMA are unlinked before the flush, which is
harmless because their pages are reference-counted.

The flag is cleared as in v3, so one flush serves all PFN VMAs in a call, however far apart they are.
Page tables of the earlier ones, which the loop frees group by group (S8.2.4), are still pending when
the next VMA is unlinked, and no flush is forced for them. As in v3, a flush in the middle of a VMA
clears the flag too early.
"""

from pfnlab.kernel.mm.gather import MmuGather, is_pfn_vma
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.flushes.gather_v3 import GatherV3


class GatherV4(GatherV3):
    """Flush in tlb_free_vma, called for every VMA."""

    def tlb_free_vmas(self, tlb: MmuGather, first: Vma) -> None:
        """Do nothing yet."""

    def tlb_free_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """If the flag is set, flush what is pending before a PFN VMA is unlinked."""
        if not tlb.fullmm and is_pfn_vma(vma) and tlb.vma_pfn:
            tlb.flush_mmu_tlbonly()
