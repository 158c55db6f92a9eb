"""track_ctx that lets a whole VMA be remapped after its entries were zapped (N06).

Until 6.15, a driver could zap its mapping and fill it again with remap_pfn_range. Since 6.16 this is
EINVAL, because the VMA still has its context, which a zap leaves alone. Here the second remap creates
another reservation next to the existing one. Once the entries exist, the VMA has the new context and drops
its share of the old one.

This is correct for any range, however the old context is shared: remap_pfn_range over existing entries hits a
BUG, so after a whole remap the VMA has no entries left from the old context. A child, or another piece of a
split mapping, counts separately and keeps the old range for as long as it needs it. If the memtype list
refuses, or a page table cannot be allocated, nothing changes.

This does not fully restore 6.15, where the zap had freed the range, so the second remap was free to choose a
mode. Here the old range stays reserved until the entries are filled, so another mode is adopted or refused by
the rules for any two mappings, and the frames are never available to others in between.
"""

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.pfnmap import pfnmap_untrack
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.track_ctx import PfnmapTrackCtx, TrackCtx


class ReplacingCtx(PfnmapTrackCtx):
    """A context that may replace another.

    :ivar replaced: the context its VMA had before, kept while the entries are being filled
    """

    __slots__ = ("replaced",)

    def __init__(self, pfns: PfnRange) -> None:
        super().__init__(pfns)
        self.replaced: ReplacingCtx | None = None


class RemapAgain(TrackCtx):
    """The tracker since 6.16, except that it does not refuse a VMA that has a context."""

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """A whole VMA gets a new context; the old one is kept until the entries exist."""
        before: ReplacingCtx | None = vma.pfnmap
        vma.pfnmap = None
        try:
            prot = super().remap_pfn_range(vma, start, pfns, prot)
        except ModelledErrno:
            vma.pfnmap = before
            raise
        if vma.pfnmap is None:
            vma.pfnmap = before
        else:
            vma.pfnmap.replaced = before
        return prot

    def remap_pfn_range_failed(self, vma: Vma, pfns: PfnRange) -> None:
        """Drop the context just created, and give the VMA its old one back."""
        if pfns.nr == vma.nr:
            before = vma.pfnmap.replaced
            super().remap_pfn_range_failed(vma, pfns)
            vma.pfnmap = before

    def remap_pfn_range_filled(self, vma: Vma, pfns: PfnRange) -> None:
        """Drop the old context, which has no entries left."""
        ctx: ReplacingCtx | None = vma.pfnmap
        if ctx is not None and ctx.replaced is not None:
            before, ctx.replaced = ctx.replaced, None
            before.refs -= 1
            if not before.refs:
                # There is no ctx_release event: the compiler inlines that function into its
                # callers in mm/memory.c.
                pfnmap_untrack(self._kernel, before.pfns)

    def _context(self, vma: Vma, pfns: PfnRange) -> ReplacingCtx:
        return ReplacingCtx(pfns)
