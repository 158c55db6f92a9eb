"""VM_PAT with the base pfn stored in every VMA and kept up to date by splits and moves (discussion 003).

The pfn is no longer read from page tables, so a zap untracks nothing, and untracking cannot fail. A split
gives each piece its own base, but the memtype list still has only one entry, so unmapping pieces from the
wrong end still causes "freeing invalid memtype". A fork reads the cache mode from the first entry or, if that
is gone, from vm_page_prot ("the pgprot part should be easy"), which does not reflect an adopted mode.

Its author dropped it because of the cost: 8 bytes in every VMA on the system, for the few that are tracked.
"""

from typing import ClassVar

from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.flags import VM_PAT
from pfnlab.kernel.mm.tracker import Tracked
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.unmap_only import UnmapOnly


class BasePfn(UnmapOnly):
    """vm_pat that knows its pfn: ``vma.pfnmap``, which is valid while VM_PAT is set."""

    BYTES_PER_VMA: ClassVar = 8

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """Record the first reserved frame too."""
        prot = super().remap_pfn_range(vma, start, pfns, prot)
        if start == vma.start and pfns.nr == vma.nr:
            vma.pfnmap = pfns.start
        return prot

    def vm_area_dup(self, orig: Vma, new: Vma) -> None:
        """A copy that starts later, e.g. for a move, also starts at a later frame."""
        super().vm_area_dup(orig, new)
        if orig.pfnmap is not None:
            new.pfnmap = orig.pfnmap + new.pgoff - orig.pgoff

    def split_vma(self, lower: Vma, upper: Vma) -> None:
        """The "added complication": the upper piece starts later than the lower."""
        if upper.pfnmap is not None:
            upper.pfnmap += lower.nr

    def _get_pat_info(self, vma: Vma, caller: str) -> tuple[int, int | None]:
        """The recorded pfn."""
        return vma.pfnmap, self._prot_of_first(vma)

    def tracked(self, vmas: list[Vma]) -> list[Tracked]:
        """Every VMA with the flag, and the frames it would free."""
        return [
            Tracked([vma], PfnRange(vma.pfnmap, vma.pfnmap + vma.nr)) for vma in vmas if vma.flags & VM_PAT
        ]

    def _check(self, vmas: list[Vma]) -> None:
        for vma in vmas:
            entry = vma.mm.tables.entry(vma.start)
            if vma.flags & VM_PAT and entry is not None and entry.page is None:
                # A handler may have refilled a zapped page with a frame other than the reserved one.
                has_handler = vma.file is not None and vma.file.fault is not None
                assert has_handler or vma.pfnmap == entry.pfn, (vma, vma.pfnmap, entry)
