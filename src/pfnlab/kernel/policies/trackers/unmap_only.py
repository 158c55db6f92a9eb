"""VM_PAT, untracked only when a region is unmapped and not when it is zapped (discussion 000).

"In this case we should do pfn track for the whole lifecycle of the vma": entries may go and come back.
The pfn is read from the page tables still, so a region whose first entry was zapped cannot be untracked
any more: the kernel warns, and the reservation stays for ever. A driver that calls remap_pfn_range in each
fault behind a zap, as vfio-pci does on 6.1, books once more each time, and all but the last stay.
"""

from typing import ClassVar

from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.vm_pat import VmPat


class UnmapOnly(VmPat):
    """The tracker of the VM_PAT era, less one call."""

    ZAPS_IN_ANY_ORDER: ClassVar = True

    def zap_page_range_single(self, vma: Vma, start: int, end: int) -> None:
        """The reservation stays (the hunk that goes from unmap_single_vma)."""

    def _prot_of_first(self, vma: Vma) -> int:
        """The first entry's protection if it is the device's, else the VMA's: for those that know the pfn."""
        entry = vma.mm.tables.entry(vma.start)
        return entry.bits if entry is not None and entry.page is None else vma.page_prot
