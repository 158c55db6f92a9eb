"""No sharing: every VMA has a separate reservation for exactly the frames in its range.

Discussion 002 has the idea of duplicating the tracking "if ever required". A copy, for a fork or a move,
reserves its frames again. A VMA being split reserves both parts while the split can still fail, and then
frees the whole. So the memtype list need only reserve and free whole entries, and unmapped frames leave it,
whether head, tail or middle, and whether or not a child or a part moved by mremap still exists. Since the VMA
and its entry have the same size, one word is enough to record it, and nothing is allocated or counted.

The cost: an entry for each copy and each piece, even if the split unmaps nothing (mprotect, advice); and
forks, moves and unmaps that fail with ENOMEM if an entry cannot be allocated. A zap frees nothing.
"""

from typing import ClassVar

from pfnlab.base.units import PfnRange, pfn_to_phys
from pfnlab.kernel.mm.pfnmap import lookup_prot, pfnmap_track, pfnmap_untrack
from pfnlab.kernel.mm.tracker import Tracked
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.track_ctx import TrackCtx


class PerVma(TrackCtx):
    """``vma.pfnmap`` is the range reserved for this VMA, or None."""

    BYTES_PER_CONTEXT: ClassVar = 0
    AREAS_IN_ANY_ORDER: ClassVar = True

    def _context(self, vma: Vma, pfns: PfnRange) -> PfnRange | None:
        # A range containing any RAM has no entry. A part of it without RAM would be reserved
        # later, and perhaps refused.
        ram = self._kernel.book.platform.phys.pat_pagerange_is_ram
        return None if ram(pfn_to_phys(pfns.start), pfn_to_phys(pfns.end)) else pfns

    def vm_area_dup(self, orig: Vma, new: Vma) -> None:
        """A child or the target of a move reserves for itself; in a split, final ranges are not known yet."""
        is_cut = new.mm is orig.mm and new.start == orig.start
        if orig.pfnmap is not None and not is_cut:
            new.pfnmap = self._reserve_again(_covered(orig, new))

    def vma_prepare(self, vma: Vma, new: Vma) -> None:
        """Reserve the two parts, then free the whole; if that fails, *new*'s part is freed along with it."""
        whole: PfnRange | None = vma.pfnmap
        if whole is None:
            return
        new.pfnmap = self._reserve_again(_covered(vma, new))
        if new.start == vma.start:
            rest = PfnRange(new.pfnmap.end, whole.end)
        else:
            rest = PfnRange(whole.start, new.pfnmap.start)
        vma.pfnmap = self._reserve_again(rest)
        pfnmap_untrack(self._kernel, whole)

    def vm_area_free(self, vma: Vma) -> None:
        """Free the VMA's reservation."""
        if vma.pfnmap is not None:
            pfnmap_untrack(self._kernel, vma.pfnmap)
            vma.pfnmap = None

    def _reserve_again(self, pfns: PfnRange) -> PfnRange:
        """Reserve frames that are already reserved, all with the first one's mode, so nothing is refused.

        :raises ModelledErrno: ENOMEM if an entry cannot be allocated
        """
        first = PfnRange(pfns.start, pfns.start + 1)
        pfnmap_track(self._kernel, pfns, lookup_prot(self._kernel.book, first, 0))
        return pfns

    def tracked(self, vmas: list[Vma]) -> list[Tracked]:
        """Each range with its single VMA."""
        return [Tracked([vma], vma.pfnmap) for vma in vmas if vma.pfnmap is not None]

    def _check(self, vmas: list[Vma]) -> None:
        for vma in vmas:
            assert vma.pfnmap is None or vma.pfnmap.nr == vma.nr, (vma, vma.pfnmap)


def _covered(vma: Vma, part: Vma) -> PfnRange:
    """The frames of *vma* that are at *part*'s offset; *part* is a copy of some or all of it."""
    first = vma.pfnmap.start + part.pgoff - vma.pgoff
    return PfnRange(first, first + part.nr)
