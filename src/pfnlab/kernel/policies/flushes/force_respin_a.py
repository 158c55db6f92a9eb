"""First respin of the 2022 patch: v1 without its bit.

8 July 2022, Peter Zijlstra, <Ysg5JSxiq21ippRl@worktop.programming.kicks-ass.net>. Unlike v1 (``force_v1``),
tlb_end_vma tests the flags of the VMA that it gets as a parameter.
"""

from pfnlab.kernel.mm.flags import VM_PFNMAP
from pfnlab.kernel.mm.gather import MmuGather, NoForcedFlush
from pfnlab.kernel.mm.vma import Vma


class ForceRespinA(NoForcedFlush):
    """Flush in tlb_end_vma for a VMA with VM_PFNMAP."""

    def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Flush now if the VMA has VM_PFNMAP."""
        if not tlb.fullmm and vma.flags & VM_PFNMAP:
            tlb.flush_mmu_tlbonly()
