"""track_ctx that lets a VMA be remapped as a whole once more, when its entries were zapped (N06).

Until 6.15 a driver could zap its mapping and fill it again with remap_pfn_range. Since 6.16 that is EINVAL:
the VMA has its context still, which a zap leaves alone. Here the second remap reserves anew, beside what is
reserved already, and when the entries are there the VMA has the new context and drops its share of the old.

Why this is right whatever the range, and whoever shares the old context: remap_pfn_range over entries that
are there stops the kernel, so behind a whole remap no entry is left that the VMA had the old context for.
A child, or another piece of a mapping that was split, counts on its own, and keeps the old range for as
long as it needs it. A refusal of the book, or a page table that cannot be allocated, changes nothing.

What it does not give back of 6.15: there the zap had freed the range, so the second remap was free to choose
a mode. Here the old range is reserved until the entries are filled, so another mode is adopted or refused by
the rules for any two mappings, and the frames are never free for somebody else in between.
"""

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.pfnmap import pfnmap_untrack
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.track_ctx import PfnmapTrackCtx, TrackCtx


class ReplacingCtx(PfnmapTrackCtx):
    """A context that may take the place of another one.

    :ivar replaced: the context its VMA had before, while the entries are being filled
    """

    __slots__ = ("replaced",)

    def __init__(self, pfns: PfnRange) -> None:
        super().__init__(pfns)
        self.replaced: ReplacingCtx | None = None


class RemapAgain(TrackCtx):
    """The tracker since 6.16, without the refusal of a VMA that has a context."""

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """A whole VMA gets a new context; the one it had is kept until the entries are there."""
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
        """The context just made goes, and the VMA has the one before."""
        if pfns.nr == vma.nr:
            before = vma.pfnmap.replaced
            super().remap_pfn_range_failed(vma, pfns)
            vma.pfnmap = before

    def remap_pfn_range_filled(self, vma: Vma, pfns: PfnRange) -> None:
        """No entry is left that the context before was for."""
        ctx: ReplacingCtx | None = vma.pfnmap
        if ctx is not None and ctx.replaced is not None:
            before, ctx.replaced = ctx.replaced, None
            before.refs -= 1
            if not before.refs:
                # No event ctx_release: the compiler puts that function into its callers in mm/memory.c.
                pfnmap_untrack(self._kernel, before.pfns)

    def _context(self, vma: Vma, pfns: PfnRange) -> ReplacingCtx:
        return ReplacingCtx(pfns)
