"""A flush at the end of every PFN VMA, as in 6.1.y and 6.12.y (5.19 .. 6.15) (S8.1.4).

The version from the 2022 thread that landed: b67fbebd4cf9, of 9 July. It has the bit from v1 (``force_v1``)
and tests both flags, like the second respin (``force_respin_b``).

The flag follows the current VMA, so one call covering three PFN VMAs flushes three times, as does a call
that frees no VMA at all.
"""

from pfnlab.kernel.mm.gather import MmuGather, NoForcedFlush, is_pfn_vma
from pfnlab.kernel.mm.vma import Vma


class EndVma(NoForcedFlush):
    """Flush in tlb_end_vma."""

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Set the flag to this VMA's value."""
        if not tlb.fullmm:
            tlb.vma_pfn = is_pfn_vma(vma)

    def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Flush now if this was a PFN VMA."""
        if not tlb.fullmm and tlb.vma_pfn:
            tlb.flush_mmu_tlbonly()
