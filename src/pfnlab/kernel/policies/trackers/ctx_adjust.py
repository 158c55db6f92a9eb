"""track_ctx that adjusts its range when only one VMA is left (a remark in discussion 002).

"If we run into issues, we could likely handle that (adjust the tracking) when our kref drops to 1 while
freeing a VMA": the frames that the last sharer does not cover are freed at that point. A mapping trimmed at
either end is exact again; one in two pieces, or shared with a child, keeps everything, as with ``track_ctx``.
To find the remaining VMA, a context keeps a list of its VMAs. Which frames a VMA covers follows from the file
offset at which the range began.
"""

from typing import ClassVar

from pfnlab.base.units import PAGE_SIZE, PfnRange, pfn_to_phys
from pfnlab.kernel.mm.flags import is_cow_mapping
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.track_ctx import PfnmapTrackCtx, TrackCtx


class AdjustedCtx(PfnmapTrackCtx):
    """A context that has a list of its VMAs.

    :ivar offset: frame number minus file offset in pages
    """

    __slots__ = ("offset", "vmas")

    def __init__(self, pfns: PfnRange, vma: Vma) -> None:
        super().__init__(pfns)
        self.vmas = [vma]
        # The offset of a private mapping becomes its first frame.
        self.offset = 0 if is_cow_mapping(vma.flags) else pfns.start - vma.pgoff


class CtxAdjust(TrackCtx):
    """The tracker since 6.16, with an additional step when a VMA is freed."""

    #: The pointer, and a node in the context's list.
    BYTES_PER_VMA: ClassVar = 24
    #: Count, first frame, size; offset and list head.
    BYTES_PER_CONTEXT: ClassVar = 48

    def _context(self, vma: Vma, pfns: PfnRange) -> AdjustedCtx:
        return AdjustedCtx(pfns, vma)

    def vm_area_dup(self, orig: Vma, new: Vma) -> None:
        """Add the copy to the list as well."""
        super().vm_area_dup(orig, new)
        if new.pfnmap is not None:
            new.pfnmap.vmas.append(new)

    def vm_area_free(self, vma: Vma) -> None:
        """Drop the context; if one VMA is left, adjust the range to it."""
        ctx: AdjustedCtx | None = vma.pfnmap
        super().vm_area_free(vma)
        if ctx is None:
            return
        ctx.vmas.remove(vma)
        if ctx.refs == 1:
            self._adjust(ctx, ctx.vmas[0])

    def _adjust(self, ctx: AdjustedCtx, vma: Vma) -> None:
        first = vma.pgoff + ctx.offset
        covered = PfnRange(first, first + vma.nr)
        if covered == ctx.pfns:
            return
        kernel = self._kernel
        start, size = pfn_to_phys(ctx.pfns.start), ctx.pfns.nr * PAGE_SIZE
        kernel.book.shrink_pfn_range(start, size, [covered], who=kernel.who)
        ctx.pfns = covered

    def _check(self, vmas: list[Vma]) -> None:
        super()._check(vmas)
        for vma in vmas:
            assert vma.pfnmap is None or vma in vma.pfnmap.vmas, vma
