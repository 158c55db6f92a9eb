"""VM_PAT that takes mmap_lock for reading when it untracks without it (Pei Li's first attempt, July 2024).

10 July 2024, <20240710-bug12-v1-1-0e5440f9b8d3@gmail.com>: "if not mm_wr_locked" in unmap_single_vma(). It
silences the assertion that 6.10 hits during a revocation. But a revocation holds the reverse map lock, which
every munmap and mmap takes under mmap_lock: the wrong order.
"""

from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.vm_pat import VmPat


class LockedUntrack(VmPat):
    """The tracker of the VM_PAT era, taking the lock before it reads."""

    def zap_page_range_single(self, vma: Vma, start: int, end: int) -> None:
        """A zap never passes mm_wr_locked."""
        with vma.mm.mmap_lock.read():
            super().zap_page_range_single(vma, start, end)

    def unmap_vmas(self, vma: Vma) -> None:
        """In munmap, which may continue with the lock held for reading, and in exit."""
        if vma.mm.mmap_lock.written:
            super().unmap_vmas(vma)
        else:
            with vma.mm.mmap_lock.read():
                super().unmap_vmas(vma)
