"""Version 1 of the patch of 2022: a flush at the end of each PFN VMA, but not of mixed maps.

8 July 2022, Peter Zijlstra, <20220708071834.149930530@infradead.org>.
Its difference from the landed version (``end_vma``): tlb_start_vma sets the bit for VM_PFNMAP alone.
"""

from pfnlab.kernel.mm.flags import VM_PFNMAP
from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.flushes.end_vma import EndVma


class ForceV1(EndVma):
    """Flush in tlb_end_vma, if the bit is set for VM_PFNMAP."""

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Assign the bit."""
        if not tlb.fullmm:
            tlb.vma_pfn = bool(vma.flags & VM_PFNMAP)
