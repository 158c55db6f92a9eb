"""Version 1 of the 2022 patch: a flush at the end of each PFN VMA, but not of mixed maps.

8 July 2022, Peter Zijlstra, <20220708071834.149930530@infradead.org>. Unlike in the version that landed
(``end_vma``), tlb_start_vma sets the bit only for VM_PFNMAP.
"""

from pfnlab.kernel.mm.flags import VM_PFNMAP
from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.flushes.end_vma import EndVma


class ForceV1(EndVma):
    """Flush in tlb_end_vma if the bit is set, for VM_PFNMAP."""

    def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        """Set the bit to this VMA's value."""
        if not tlb.fullmm:
            tlb.vma_pfn = bool(vma.flags & VM_PFNMAP)
