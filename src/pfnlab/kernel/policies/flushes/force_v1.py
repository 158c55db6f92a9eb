"""Version 1 of the patch of 2022: a flush at the end of each VMA of frames, but not of mixed maps.

8 July 2022, Peter Zijlstra, <20220708071834.149930530@infradead.org>.
Its difference to what landed (``end_vma``): the bit that tlb_start_vma sets is for VM_PFNMAP alone.
"""

from pfnlab.kernel.mm.flags import VM_PFNMAP
from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.flushes.end_vma import EndVma


class ForceV1(EndVma):
    """Flush in tlb_end_vma, if the bit says VM_PFNMAP."""

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """The bit is assigned anew."""
        if not tlb.fullmm:
            tlb.vma_pfn = bool(vma.flags & VM_PFNMAP)
