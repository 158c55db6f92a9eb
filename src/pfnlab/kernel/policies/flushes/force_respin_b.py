"""Second respin of the 2022 patch: mixed maps too.

9 July 2022, Peter Zijlstra, <Ysk+aUdA+3olVRtT@worktop.programming.kicks-ass.net>. Unlike the first respin
(``force_respin_a``), it also flushes for VM_MIXEDMAP. The version that landed (``end_vma``) does the same,
but with the bit from v1.
"""

from pfnlab.kernel.mm.gather import MmuGather, NoForcedFlush, is_pfn_vma
from pfnlab.kernel.mm.vma import Vma


class ForceRespinB(NoForcedFlush):
    """Flush in tlb_end_vma for a VMA with VM_PFNMAP or VM_MIXEDMAP."""

    def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Flush now if the VMA has either flag."""
        if not tlb.fullmm and is_pfn_vma(vma):
            tlb.flush_mmu_tlbonly()
