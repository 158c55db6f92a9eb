"""struct pfnmap_track_ctx, since 6.16: a reference-counted range shared by all VMAs of a mapping (S4.5).

A mapping makes one reservation when it is created. Splits, moves and forks share it, and it is freed, with
exactly its original range, along with the last of these VMAs. Unmapping a part frees nothing.
"""

from __future__ import annotations

import errno
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, ClassVar

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.pfnmap import lookup_prot, pfnmap_track, pfnmap_untrack
from pfnlab.kernel.mm.tracker import Tracked
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.untracked import Untracked

if TYPE_CHECKING:
    from pfnlab.kernel.mm.kernel import Kernel

#: The kernel refuses to count beyond this (REFCOUNT_MAX), so copying the VMA fails.
REFCOUNT_MAX = (1 << 31) - 1


class PfnmapTrackCtx:
    """A reserved range, and how many VMAs share it."""

    __slots__ = ("pfns", "refs")

    def __init__(self, pfns: PfnRange) -> None:
        self.pfns = pfns
        self.refs = 1


class TrackCtx(Untracked):
    """The tracker since 6.16."""

    ZAPS_IN_ANY_ORDER: ClassVar = True
    AREAS_IN_ANY_ORDER: ClassVar = True
    BYTES_PER_VMA: ClassVar = 8
    #: struct pfnmap_track_ctx: the count, first frame, size.
    BYTES_PER_CONTEXT: ClassVar = 24

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """remap_pfn_range_track (S4.6.2): a whole VMA gets a context; for a part, only look up the mode."""
        kernel = self._kernel
        if start == vma.start and pfns.nr == vma.nr:
            if vma.pfnmap is not None:
                raise ModelledErrno(errno.EINVAL)
            try:
                prot = pfnmap_track(kernel, pfns, prot)
            except ModelledErrno:
                raise ModelledErrno(errno.EINVAL) from None
            if kernel.failures.fails("kmalloc"):
                pfnmap_untrack(kernel, pfns)
                raise ModelledErrno(errno.ENOMEM)
            vma.pfnmap = self._context(vma, pfns)
            return prot
        return lookup_prot(kernel.book, pfns, prot)

    def remap_pfn_range_failed(self, vma: Vma, pfns: PfnRange) -> None:
        """Free the context just created (S4.6.4); a partial remap created none."""
        if pfns.nr == vma.nr and vma.pfnmap is not None:
            vma.pfnmap = None
            pfnmap_untrack(self._kernel, pfns)

    def memremap_pages(self, pfns: PfnRange, prot: int) -> int:
        """pfnmap_track (S4.4): the owner of the struct pages records the range."""
        return pfnmap_track(self._kernel, pfns, prot)

    def memunmap_pages(self, pfns: PfnRange) -> None:
        """pfnmap_untrack (S4.4)."""
        pfnmap_untrack(self._kernel, pfns)

    def vmf_insert_pfn(self, vma: Vma, vpn: int, pfns: PfnRange, prot: int) -> int:
        """pfnmap_setup_cachemode_pfn (S4.3): look up the first frame's mode; nothing is recorded."""
        return lookup_prot(self._kernel.book, PfnRange(pfns.start, pfns.start + 1), prot)

    def vm_area_dup(self, orig: Vma, new: Vma) -> None:
        """vma_pfnmap_track_ctx_dup (S4.5.3): one more VMA shares the range."""
        ctx: PfnmapTrackCtx | None = orig.pfnmap
        if ctx is None:
            return
        if ctx.refs >= REFCOUNT_MAX:
            raise ModelledErrno(errno.ENOMEM)
        ctx.refs += 1
        new.pfnmap = ctx

    def zap_page_range_single(self, vma: Vma, start: int, end: int) -> None:
        """Entries may be cleared and filled again, so the reservation stays (S4.8)."""

    def move_vma(self, old: Vma, new: Vma) -> None:
        """Both VMAs share the context until the old one is freed."""

    def vm_area_free(self, vma: Vma) -> None:
        """vma_pfnmap_track_ctx_release (S4.5.2, S4.5.4): the last VMA frees the whole range."""
        ctx: PfnmapTrackCtx | None = vma.pfnmap
        if ctx is None:
            return
        vma.pfnmap = None
        ctx.refs -= 1
        if not ctx.refs:
            self._kernel.trace.event("ctx_release")
            pfnmap_untrack(self._kernel, ctx.pfns)

    def _context(self, vma: Vma, pfns: PfnRange) -> object:
        return PfnmapTrackCtx(pfns)

    def tracked(self, vmas: list[Vma]) -> list[Tracked]:
        """Every context, with the VMAs that point to it."""
        contexts: dict[int, Tracked] = {}
        # VMAs split off one another are mostly adjacent, and there may be many.
        identities = map(id, map(attrgetter("pfnmap"), vmas))
        for identity, following in groupby(zip(identities, vmas, strict=True), itemgetter(0)):
            sharing = list(map(itemgetter(1), following))
            ctx: PfnmapTrackCtx | None = sharing[0].pfnmap
            if ctx is not None:
                contexts.setdefault(identity, Tracked([], ctx.pfns, ctx.refs)).vmas.extend(sharing)
        return list(contexts.values())

    def _check(self, vmas: list[Vma]) -> None:
        sharers: dict[int, list[Vma]] = {}
        for vma in vmas:
            if vma.pfnmap is not None:
                sharers.setdefault(id(vma.pfnmap), []).append(vma)
        for group in sharers.values():
            ctx: PfnmapTrackCtx = group[0].pfnmap
            assert ctx.refs == len(group), (ctx.refs, group)
            for vma in group:
                for run in vma.mm.tables.runs(vma.start, vma.end):
                    pfns = PfnRange(run.pfn, run.pfn + run.end - run.start)
                    # A fault handler may fill a gap with frames other than the reserved ones.
                    has_handler = vma.file is not None and vma.file.fault is not None
                    assert run.page is not None or has_handler or ctx.pfns.contains(pfns), (run, ctx.pfns)
