"""The second respin of the patch of 2022: mixed maps too.

9 July 2022, Peter Zijlstra, <Ysk+aUdA+3olVRtT@worktop.programming.kicks-ass.net>.
Its difference from the first respin (``force_respin_a``): VM_MIXEDMAP flushes like VM_PFNMAP. The landed
version (``end_vma``) does the same with the bit of v1.
"""

from pfnlab.kernel.mm.gather import MmuGather, NoForcedFlush, is_pfn_vma
from pfnlab.kernel.mm.vma import Vma


class ForceRespinB(NoForcedFlush):
    """Flush in tlb_end_vma of a VMA with VM_PFNMAP or VM_MIXEDMAP."""

    def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Flush now if the VMA has either flag."""
        if not tlb.fullmm and is_pfn_vma(vma):
            tlb.flush_mmu_tlbonly()
