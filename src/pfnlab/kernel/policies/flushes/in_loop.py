"""A flush in the loop that unlinks, before the first PFN VMA: discussion 004's correction.

"Right, I misplaced it -- it should be in the vma loop." Ordinary VMAs in front are unlinked before the
flush, which harms nobody: their pages are counted. Behind it nothing is pending, so a second PFN VMA does not
flush again, unlike with ``end_vma``: as long as it lies at most a page table (2 MiB) behind the first.

free_pgtables goes by groups of such VMAs, and the page tables of one go before the next is unlinked (S8.2.4).
They are pending then, so each further group with a PFN VMA flushes once more: as often as ``end_vma``, where
each VMA lies alone, and oftener, where a driver has emptied the VMAs before. Calls that drop no page tables,
and those that free no VMA, flush no more than others.
"""

from __future__ import annotations

from pfnlab.kernel.mm.gather import MmuGather, NoForcedFlush, is_pfn_vma
from pfnlab.kernel.mm.vma import Vma


class InLoop(NoForcedFlush):
    """Flush in tlb_free_vma, called for every VMA."""

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """The flag is OR-ed in."""
        if not tlb.fullmm:
            tlb.vma_pfn = tlb.vma_pfn or is_pfn_vma(vma)

    def tlb_free_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Flush what is pending before a PFN VMA goes, if any was cleared."""
        if not tlb.fullmm and is_pfn_vma(vma) and tlb.vma_pfn:
            tlb.flush_mmu_tlbonly()
