"""One flush before VMAs are unlinked, if the first of them is a PFN VMA: discussion 004's first try.

The flag sticks to the gather, but tlb_free_vma() stands in front of free_pgtables' loop and looks once more
at the flags of the VMA it is given, which is the first one. "What if the first has no VM_PFNMAP set, but some
other do?": then nothing is flushed, and the others are unlinked with translations pending. It is the mistake
of ``first_vma`` by another way.
"""

from __future__ import annotations

from pfnlab.kernel.mm.gather import MmuGather, NoForcedFlush, is_pfn_vma
from pfnlab.kernel.mm.vma import Vma


class OutsideLoop(NoForcedFlush):
    """Flush in tlb_free_vma, called once."""

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """The flag is OR-ed in."""
        if not tlb.fullmm:
            tlb.vma_pfn = tlb.vma_pfn or is_pfn_vma(vma)

    def tlb_free_vmas(self, tlb: MmuGather, first: Vma) -> None:
        """To test the VMA's flags again is "an opportunity", but it is the wrong VMA."""
        if not tlb.fullmm and is_pfn_vma(first) and tlb.vma_pfn:
            tlb.flush_mmu_tlbonly()
