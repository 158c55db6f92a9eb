"""VM_PAT that untracks only when a region is unmapped, not when it is zapped (discussion 000).

"In this case we should do pfn track for the whole lifecycle of the vma": entries may be cleared and filled
again. The pfn is still read from the page tables, so once its first entry was zapped, a region can no longer
be untracked: the kernel warns, and the reservation is leaked. A driver that calls remap_pfn_range in each
fault after a zap, like vfio-pci on 6.1, makes a new reservation each time, and leaks all but the last.
"""

from typing import ClassVar

from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.vm_pat import VmPat


class UnmapOnly(VmPat):
    """The tracker of the VM_PAT era, minus one call."""

    ZAPS_IN_ANY_ORDER: ClassVar = True

    def zap_page_range_single(self, vma: Vma, start: int, end: int) -> None:
        """Keep the reservation (the hunk that removes the call from unmap_single_vma)."""

    def _prot_of_first(self, vma: Vma) -> int:
        """For trackers that know the pfn: the first entry's protection if a device's, else the VMA's."""
        entry = vma.mm.tables.entry(vma.start)
        return entry.bits if entry is not None and entry.page is None else vma.page_prot
