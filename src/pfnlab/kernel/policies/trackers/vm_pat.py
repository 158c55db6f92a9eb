"""VM_PAT (3.7 .. 6.15): one flag, with everything else read from the page tables (S3).

The flag says "one reservation covers exactly this VMA's pfns", but neither pfn nor size is recorded: on
unmapping, the VMA's first entry is read. If the VMA has since been split, moved or zapped, this gives a range
that was never reserved, and the memtype list reports "freeing invalid memtype" or shrinks the wrong end.

The switches that it reads are fixes from its own time; 6.1.y and 6.12.y have all of them.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, ClassVar

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PAGE_SIZE, PfnRange, pfn_to_phys
from pfnlab.kernel.mm.flags import VM_PAT, VM_PFNMAP, is_cow_mapping
from pfnlab.kernel.mm.pfnmap import lookup_prot
from pfnlab.kernel.mm.remap import vm_flags_clear, vm_flags_set
from pfnlab.kernel.mm.tracker import Tracked
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.untracked import Untracked

if TYPE_CHECKING:
    from pfnlab.kernel.mm.kernel import Kernel

#: Stands for the frame of a copied page, which is ordinary RAM.
_SOME_RAM_PFN = 0x4000


class VmPat(Untracked):
    """The tracker of the VM_PAT era."""

    END_MATCH: ClassVar = True
    ZAPS_IN_ANY_ORDER: ClassVar = True

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """track_pfn_remap (S3.1): reserve and flag a whole VMA; for a part, only look up the mode."""
        kernel = self._kernel
        kernel.trace.event("track", start)
        if start == vma.start and pfns.nr == vma.nr:
            try:
                prot = kernel.book.reserve_pfn_range(
                    pfn_to_phys(pfns.start), pfns.nr * PAGE_SIZE, prot, strict=False, who=kernel.who
                )
            except ModelledErrno:
                raise ModelledErrno(errno.EINVAL) from None
            vm_flags_set(vma, VM_PAT)
            return prot
        return lookup_prot(kernel.book, pfns, prot)

    def remap_pfn_range_failed(self, vma: Vma, pfns: PfnRange) -> None:
        """untrack_pfn with an explicit range (S3.3.3)."""
        self._kernel.trace.event("untrack", vma.start)
        if self._counts(vma):
            self._free(pfns)
            vm_flags_clear(vma, VM_PAT)

    def memremap_pages(self, pfns: PfnRange, prot: int) -> int:
        """track_pfn_remap without a VMA (S3.1.1): the range is reserved, but no VMA is flagged."""
        return self._kernel.book.reserve_pfn_range(
            pfn_to_phys(pfns.start), pfns.nr * PAGE_SIZE, prot, strict=False, who=self._kernel.who
        )

    def memunmap_pages(self, pfns: PfnRange) -> None:
        """untrack_pfn without a VMA, but with the range (S3.6)."""
        self._free(pfns)

    def vmf_insert_pfn(self, vma: Vma, vpn: int, pfns: PfnRange, prot: int) -> int:
        """track_pfn_insert (S3.2): look up the first frame's mode; nothing is recorded."""
        return lookup_prot(self._kernel.book, PfnRange(pfns.start, pfns.start + 1), prot)

    def vm_area_dup(self, orig: Vma, new: Vma) -> None:
        """The flag is copied with the others to every piece, but not to a child (S3.5.1)."""
        profile = self._kernel.profile
        if not profile.failed_fork_untracks:
            # The child gets the flag at once, whether or not it later gets a reservation (A04).
            return
        forked = new.mm is not orig.mm
        if (forked or not profile.only_fork_clears_vm_pat) and orig.flags & VM_PFNMAP:
            # The copy still has the original's range.
            self._clear(new, orig.start)

    def copy_page_range(self, dst: Vma, src: Vma) -> None:
        """track_pfn_copy (S3.5): make a reservation for the child, for the frames that it now covers."""
        if not src.flags & VM_PFNMAP:
            return
        kernel = self._kernel
        with kernel.processors.inside("track_pfn_copy"):
            kernel.trace.event("track_copy", src.start)
            kernel.processors.shares(src, changes=False)
            if not self._counts(src):
                return
            kernel.processors.shares(dst, changes=True)
            pfn, prot = self._get_pat_info(src, "track_pfn_copy")
            if prot is None:
                # The first page was copied on write, so its protection cannot be read back (S3.5.2b).
                raise ModelledErrno(errno.EINVAL)
            start, size = pfn_to_phys(pfn), src.nr * PAGE_SIZE
            kernel.book.reserve_pfn_range(start, size, prot, strict=True, who=kernel.who)
            dst.flags |= VM_PAT

    def copy_page_range_failed(self, dst: Vma, src: Vma) -> None:
        """untrack_pfn_copy (S3.5.3): free the child's own reservation, which is found through the parent."""
        profile = self._kernel.profile
        if not profile.failed_fork_untracks:
            if profile.failed_copy_clears_vm_pat and dst.flags & VM_PFNMAP:
                # There is no longer a warning, but the reservation has lost its owner (A03).
                self._kernel.trace.event("track_clear", dst.start)
                dst.flags &= ~VM_PAT
        elif dst.flags & VM_PFNMAP:
            self._kernel.trace.event("untrack_copy", dst.start)
            self._kernel.trace.event("untrack", dst.start)
            if not self._counts(dst):
                # A zap had untracked the parent, so the child got no reservation.
                return
            pfn, _ = self._get_pat_info(src, "untrack_pfn_copy")
            self._free(PfnRange(pfn, pfn + dst.nr))
            dst.flags &= ~VM_PAT

    def zap_page_range_single(self, vma: Vma, start: int, end: int) -> None:
        """Untrack the whole VMA, however small the zap (S3.6.1)."""
        self._untrack(vma)

    def unmap_vmas(self, vma: Vma) -> None:
        """untrack_pfn(vma, 0, 0), before any entry is cleared (S3.6)."""
        self._untrack(vma)

    def move_vma(self, old: Vma, new: Vma) -> None:
        """untrack_pfn_moved (S3.7): clear the flag of the *whole* old VMA, even if only part of it moved."""
        if self._kernel.profile.move_clears_vm_pat and old.flags & VM_PFNMAP:
            self._clear(old, old.start)

    def _clear(self, vma: Vma, start: int) -> None:
        """untrack_pfn_clear: clear the flag; the reservation stays.

        :param start: the first page of *vma* as the function sees it
        """
        with self._kernel.processors.inside("untrack_pfn_clear"):
            self._kernel.trace.event("track_clear", start)
            vma.flags &= ~VM_PAT

    def _untrack(self, vma: Vma) -> None:
        if not vma.flags & VM_PFNMAP:
            return
        with self._kernel.processors.inside("untrack_pfn"):
            self._kernel.trace.event("untrack", vma.start)
            counts = self._counts(vma)
            # Between the test and the clearing of the flag, any other operation may test it.
            self._kernel.processors.shares(vma, changes=counts)
            if not counts:
                return
            try:
                pfn = self._first_pfn(vma)
            except ModelledErrno:
                return
            self._free(PfnRange(pfn, pfn + vma.nr))
            vma.flags &= ~VM_PAT

    def _counts(self, vma: Vma) -> bool:
        """True if a PFN VMA counts as tracked: by its flag, or before 2.6.30 by any offset (S3.6.6)."""
        return bool(vma.flags & VM_PAT if self._kernel.profile.vm_pat_flag else vma.pgoff)

    def _first_pfn(self, vma: Vma) -> int:
        """The first frame in a VMA's reservation (S3.4), as untrack_pfn() computes it."""
        if not self._kernel.profile.vm_pat_flag:
            return vma.pgoff
        pfn, _ = self._get_pat_info(vma, "untrack_pfn")
        return pfn

    def _get_pat_info(self, vma: Vma, caller: str) -> tuple[int, int | None]:
        """The first pfn and its protection, read from the first entry (S3.4).

        If a private mapping's first page was copied, there is no protection (``None``), and only
        vm_pgoff still has the pfn.

        :param caller: the kernel function that calls it; the compiler may inline get_pat_info() there
        :raises ModelledErrno: EINVAL if a shared mapping has no first entry; the kernel warns
        """
        if self._kernel.profile.lookup_asserts_mmap_lock and vma.mm.mmap_lock.held == (0, False):
            self._kernel.trace.printk("WARNING at include/linux/rwsem.h")
        entry = vma.mm.table_locks.entry(vma.start)
        if entry is not None and entry.page is None:
            return entry.pfn, entry.bits
        by_pgoff = self._kernel.profile.cow_knows_its_pfn
        if entry is not None and not by_pgoff:
            # The copy is mistaken for the device's page, and reserving and freeing RAM does nothing (A01).
            return _SOME_RAM_PFN, entry.bits
        if is_cow_mapping(vma.flags) and by_pgoff:
            return vma.pgoff, None
        site = caller if self._kernel.profile.pat_info_inlined else "get_pat_info"
        self._kernel.warn_on_once("arch/x86/mm/pat/memtype.c", site)
        raise ModelledErrno(errno.EINVAL)

    def _free(self, pfns: PfnRange) -> None:
        kernel = self._kernel
        kernel.book.free_pfn_range(pfn_to_phys(pfns.start), pfns.nr * PAGE_SIZE, who=kernel.who)

    def tracked(self, vmas: list[Vma]) -> list[Tracked]:
        """Every VMA with the flag."""
        return [Tracked([vma]) for vma in vmas if vma.flags & VM_PAT]

    def _check(self, vmas: list[Vma]) -> None:
        for vma in vmas:
            assert not vma.flags & VM_PAT or vma.flags & VM_PFNMAP, vma
            assert vma.pfnmap is None, vma
