"""Peter Zijlstra's version, the function quoted in discussion 004: it tests only the first VMA.

23 January 2025, <20250123214531.GA969@noisy.programming.kicks-ass.net>. Unlike in v3 (although it replies to
v2), tlb_free_vma() is called once, before the free_pgtables loop, and tests again the flags of the VMA that
it is given, which is the first. "What if the first has no VM_PFNMAP set, but some other do?": then nothing is
flushed, and the others are unlinked with translations pending. This repeats the mistake of ``first_vma`` in
another way. The flag is cleared as in v3.
"""

from pfnlab.kernel.mm.gather import MmuGather, is_pfn_vma
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.flushes.gather_v3 import GatherV3


class GatherDraft(GatherV3):
    """Flush in tlb_free_vma, called once."""

    def tlb_free_vmas(self, tlb: MmuGather, first: Vma) -> None:
        """Testing the VMA's flags again is "an opportunity", but this is the wrong VMA."""
        if is_pfn_vma(first):
            super().tlb_free_vmas(tlb, first)
