"""track_ctx whose context is split with its VMA, unless something else shares it (discussion 002).

"We could hook into VM splitting code and split the tracking": when a VMA is split, its memtype entry becomes
two, and each piece gets its own context. Unmapped frames then leave the list exactly, whether head, tail or
middle. "Implementing splitting properly is a bit complicated if the pnfmap ctx has more than one ref": a
child, or the place to which mremap moved a part, would keep a range that is no longer in the list. So a
context that anything but the two pieces uses stays whole for all of them until the last one is freed, as with
``track_ctx``. If the other user is freed first, the missed split is not made up for. The frame at which to
split follows from the file offset at which the range began.

The cost: another context and entry for each split, even if it unmaps nothing (mprotect, advice), and a list
that can split an entry in one operation, which no kernel's can. Memory for this is assumed to be available.
"""

from typing import ClassVar

from pfnlab.base.units import PAGE_SIZE, PfnRange, pfn_to_phys
from pfnlab.kernel.mm.flags import is_cow_mapping
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.track_ctx import PfnmapTrackCtx, TrackCtx


class PlacedCtx(PfnmapTrackCtx):
    """A context that records where in the file its range is.

    :ivar offset: frame number minus file offset in pages
    """

    __slots__ = ("offset",)

    def __init__(self, pfns: PfnRange, offset: int) -> None:
        super().__init__(pfns)
        self.offset = offset


class SplitCtx(TrackCtx):
    """The tracker since 6.16, with an additional step when a VMA is split."""

    #: Count, first frame, size; offset.
    BYTES_PER_CONTEXT: ClassVar = 32

    def _context(self, vma: Vma, pfns: PfnRange) -> PlacedCtx:
        # The offset of a private mapping becomes its first frame.
        return PlacedCtx(pfns, 0 if is_cow_mapping(vma.flags) else pfns.start - vma.pgoff)

    def split_vma(self, lower: Vma, upper: Vma) -> None:
        """Each piece gets its part of the range, unless something else uses the context."""
        ctx: PlacedCtx | None = lower.pfnmap
        if ctx is None or ctx.refs > 2:
            return
        at = upper.pgoff + ctx.offset
        parts = [PfnRange(ctx.pfns.start, at), PfnRange(at, ctx.pfns.end)]
        kernel = self._kernel
        start, size = pfn_to_phys(ctx.pfns.start), ctx.pfns.nr * PAGE_SIZE
        kernel.book.shrink_pfn_range(start, size, parts, who=kernel.who)
        lower.pfnmap, upper.pfnmap = (PlacedCtx(part, ctx.offset) for part in parts)
