"""track_ctx whose context is split with its VMA, as long as nobody else shares it (discussion 002).

"We could hook into VM splitting code and split the tracking": where a VMA is cut, the entry in the book
becomes two, and each piece gets a context of its own. What is unmapped then leaves the book exactly, be it
head, tail or middle. "Implementing splitting properly is a bit complicated if the pnfmap ctx has more than
one ref": a child, or the place mremap has moved a part to, would go on with a range that the book does not
have any more. So a context with another user than the two pieces stays whole for all of them until the
last one goes, as with ``track_ctx``; and when that user goes first, the split that was missed is not made
up for. Which frame the cut is at follows from the file offset at which the range began.

Its price: a context and an entry more for each cut, also for those that unmap nothing (mprotect, advice),
and a book that cuts an entry in one operation, which no kernel's can. Memory for that is taken for granted.
"""

from typing import ClassVar

from pfnlab.base.units import PAGE_SIZE, PfnRange, pfn_to_phys
from pfnlab.kernel.mm.flags import is_cow_mapping
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.track_ctx import PfnmapTrackCtx, TrackCtx


class PlacedCtx(PfnmapTrackCtx):
    """A context that knows where in the file its range is.

    :ivar offset: the difference between a frame and its file offset in pages
    """

    __slots__ = ("offset",)

    def __init__(self, pfns: PfnRange, offset: int) -> None:
        super().__init__(pfns)
        self.offset = offset


class SplitCtx(TrackCtx):
    """The tracker since 6.16, with one thing more to do when a VMA is cut."""

    #: Count, first frame, size; the offset.
    BYTES_PER_CONTEXT: ClassVar = 32

    def _context(self, vma: Vma, pfns: PfnRange) -> PlacedCtx:
        # The offset of a private mapping becomes its first frame.
        return PlacedCtx(pfns, 0 if is_cow_mapping(vma.flags) else pfns.start - vma.pgoff)

    def split_vma(self, lower: Vma, upper: Vma) -> None:
        """Each piece gets its part of the range, unless anybody else has the context."""
        ctx: PlacedCtx | None = lower.pfnmap
        if ctx is None or ctx.refs > 2:
            return
        at = upper.pgoff + ctx.offset
        parts = [PfnRange(ctx.pfns.start, at), PfnRange(at, ctx.pfns.end)]
        kernel = self._kernel
        start, size = pfn_to_phys(ctx.pfns.start), ctx.pfns.nr * PAGE_SIZE
        kernel.book.shrink_pfn_range(start, size, parts, who=kernel.who)
        lower.pfnmap, upper.pfnmap = (PlacedCtx(part, ctx.offset) for part in parts)
