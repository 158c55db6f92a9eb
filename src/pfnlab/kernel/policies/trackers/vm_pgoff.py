"""VM_PAT with the base pfn in vm_pgoff, for shared as well as private mappings (discussion 003).

"Maybe we can still re-define vm_pgoff for VM_SHARED pfnmaps?", the author of the patch in discussion 000
wrote on 23 July 2024. Kernels did so from 2.6.29 to 3.6; since 3.7 only private mappings store their frame
there. VMAs do not grow, and splits and moves keep vm_pgoff correct without extra code.

The value that a driver has stored there is overwritten: a fault handler that counts from it inserts
the wrong frames, and unmap_mapping_range() does not find the mapping at its offset in the file. Since
6.10 vfio-pci is such a driver, but is unaffected because it reserves nothing. The memtype list still
has one entry for all pieces.
"""

from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.flags import VM_PAT
from pfnlab.kernel.mm.tracker import Tracked
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.unmap_only import UnmapOnly


class VmPgoff(UnmapOnly):
    """vm_pat that recomputes its range from ``vma.pgoff`` when it untracks."""

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """If the whole VMA is reserved, its offset becomes the first frame."""
        prot = super().remap_pfn_range(vma, start, pfns, prot)
        if start == vma.start and pfns.nr == vma.nr:
            vma.pgoff = pfns.start
        return prot

    def _get_pat_info(self, vma: Vma, caller: str) -> tuple[int, int | None]:
        """The pfn is the offset."""
        return vma.pgoff, self._prot_of_first(vma)

    def tracked(self, vmas: list[Vma]) -> list[Tracked]:
        """Every VMA with the flag, and the frames it would free."""
        return [Tracked([vma], PfnRange(vma.pgoff, vma.pgoff + vma.nr)) for vma in vmas if vma.flags & VM_PAT]
