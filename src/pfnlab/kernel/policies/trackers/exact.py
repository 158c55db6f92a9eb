"""Exact tracking: a frame stays reserved as long as a VMA covers the page it was mapped at. No kernel has it.

Discussion 002 asks for it ("beef up the backend to support actually tracking the correct range") and fears
splits: "a bit complicated if the pfnmap ctx has more than one ref". So contexts are not split. Each call that
fills entries creates one context, shared by all VMAs derived from the one it filled, and the context counts
for each frame how many of them cover it. A copy made by fork or mremap adds one, a split gives each part to
the VMA that keeps it, and freeing a VMA subtracts one. When counts drop to zero, after flushing and
unlinking, those frames are cut out of the memtype entry, one operation per run of frames, so the remainder is
never without its entry, even briefly.

A zap removes entries that may come back (discussion 000), so the VMA still covers them unless no fault can
fill them again, as in PCI files and /dev/mem. In that case it stops covering them once they are flushed. So
each VMA records which parts of a context it covers.

Unlike any kernel, it also reserves frames that are mapped in part or inserted by a fault handler, with the
mode from the memtype list, so that nobody can map them in another mode in the meantime. A fork needs no
memtype entry, so it cannot fail for want of one. RAM has no memtype entries, so its pages need no context; as
in every kernel, they have one only if mapped as a whole VMA.

The cost: a context for every call that fills entries, even for every faulting page; a part record in each VMA
covering some of it; another one for every cut; and a search of the list for every run of freed frames.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PAGE_SIZE, PfnRange, pfn_to_phys
from pfnlab.kernel.hw.spans import SpanSet
from pfnlab.kernel.mm.flags import is_cow_mapping
from pfnlab.kernel.mm.locks import RwLock
from pfnlab.kernel.mm.pfnmap import lookup_prot, pfnmap_is_tracked, pfnmap_track, pfnmap_untrack
from pfnlab.kernel.mm.processors import Need
from pfnlab.kernel.mm.tracker import Tracked
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.untracked import Untracked

if TYPE_CHECKING:
    from pfnlab.kernel.mm.kernel import Kernel


class CountedFrames:
    """The frames that one call put into a mapping, and how many VMAs cover each of them.

    :ivar offset: frame number minus file offset in pages
    :ivar edges: the frames where the count changes, and by how much; the count starts at 0
    :ivar reserved: the runs of counted frames, one memtype entry each
    :ivar booked: whether it has memtype entries, which RAM does not
    """

    __slots__ = ("booked", "edges", "offset", "pfns", "reserved")

    def __init__(self, pfns: PfnRange, offset: int, *, booked: bool = True) -> None:
        self.pfns, self.offset, self.booked = pfns, offset, booked
        self.edges: dict[int, int] = {}
        self.reserved = [pfns]

    def count(self, part: PfnRange, by: int) -> None:
        """Add *by* to the VMA count of *part*."""
        edges = self.edges
        for at, change in ((part.start, by), (part.end, -by)):
            if at not in edges:
                # The order in which they were added is not recorded.
                self.edges = edges = dict(sorted((*edges.items(), (at, change))))
            elif edges[at] == -change:
                del edges[at]
            else:
                edges[at] += change

    def covered(self) -> list[PfnRange]:
        """The runs of frames that any VMA covers."""
        runs, count, start = [], 0, 0
        for at, change in self.edges.items():
            previous, count = count, count + change
            if not previous:
                start = at
            elif not count:
                runs.append(PfnRange(start, at))
        return runs


class CoveredPart(NamedTuple):
    """The part of a context that one VMA covers."""

    ctx: CountedFrames
    pfns: PfnRange

    @property
    def pgoff(self) -> int:
        """The file offset where it begins, in pages."""
        return self.pfns.start - self.ctx.offset

    def within(self, pgoff: int, nr: int) -> CoveredPart | None:
        """The part lying within *nr* pages from file offset *pgoff* on."""
        first = pgoff + self.ctx.offset
        start, end = max(first, self.pfns.start), min(first + nr, self.pfns.end)
        return CoveredPart(self.ctx, PfnRange(start, end)) if start < end else None


class Exact(Untracked):
    """Counted ranges: ``vma.pfnmap`` lists the context parts that a VMA covers, in file order, or is None."""

    ZAPS_IN_ANY_ORDER: ClassVar = True
    AREAS_IN_ANY_ORDER: ClassVar = True
    BYTES_PER_VMA: ClassVar = 8
    #: As in evidence/patches/tracker-exact.patch: the context has the root of a tree of its parts, the
    #: offset, and whether faults can refill it (32 bytes); a part is a node in that tree and in its VMA's
    #: tree, with its first and last frame, the last one below it, and the context (80 bytes).
    BYTES_PER_CONTEXT: ClassVar = 112

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._lock = RwLock(kernel.processors, Need.TRACKER)

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """Reserve the frames, for whole VMAs and for parts; frames already covered keep their mode."""
        pgoff = vma.pgoff + start - vma.start
        parts = _within(vma, pgoff, pfns.nr)
        if any(part.pfns == pfns and part.ctx.offset == pfns.start - pgoff for part in parts):
            return lookup_prot(self._kernel.book, pfns, prot)
        if parts:
            raise ModelledErrno(errno.EINVAL)
        if (start, pfns.nr) != (vma.start, vma.nr) and not pfnmap_is_tracked(self._kernel, pfns):
            return lookup_prot(self._kernel.book, pfns, prot)
        # The offset of a private mapping becomes its first frame.
        return self._track(vma, pfns, 0 if is_cow_mapping(vma.flags) else pfns.start - pgoff, prot)

    def remap_pfn_range_failed(self, vma: Vma, pfns: PfnRange) -> None:
        """Stop covering the frames that the VMA was about to cover."""
        self._cover(vma, [part for part in vma.pfnmap or () if part.ctx.pfns != pfns])

    def memremap_pages(self, pfns: PfnRange, prot: int) -> int:
        """The owner of the struct pages records the range."""
        return pfnmap_track(self._kernel, pfns, prot)

    def memunmap_pages(self, pfns: PfnRange) -> None:
        """Free the range exactly as reserved."""
        pfnmap_untrack(self._kernel, pfns)

    def vmf_insert_pfn(self, vma: Vma, vpn: int, pfns: PfnRange, prot: int) -> int:
        """Reserve the frames with the mode looked up, unless reserved for this page already, or RAM.

        :raises ModelledErrno: EINVAL if the frames of a leaf have different modes
        """
        pgoff = vma.pgoff + vpn - vma.start
        prot = lookup_prot(self._kernel.book, pfns, prot)
        if any(part.pfns == pfns for part in _within(vma, pgoff, pfns.nr)):
            return prot
        if not pfnmap_is_tracked(self._kernel, pfns):
            self._uncover(vma, pgoff, pfns.nr)
            return prot
        return self._track(vma, pfns, pfns.start - pgoff, prot)

    def split_vma(self, lower: Vma, upper: Vma) -> None:
        """Each half covers its own part of the frames that the VMA covered before the split."""
        new, cut = (lower, upper) if lower.pfnmap is None else (upper, lower)
        parts = cut.pfnmap or ()
        # In this order, so that every frame is covered by a VMA at all times.
        for vma in (new, cut):
            self._cover(vma, _clipped(parts, vma.pgoff, vma.nr))

    def copy_page_range(self, dst: Vma, src: Vma) -> None:
        """The child covers the parent's frames before it gets entries."""
        self._cover(dst, _within(src, dst.pgoff, dst.nr))

    def zap_page_range_single_flushed(self, vma: Vma, start: int, end: int) -> None:
        """Stop covering frames that no fault can refill; copied pages may have been kept."""
        if vma.refills:
            return
        kept = [(run.start, run.end) for run in vma.mm.tables.runs(start, end)]
        covered = SpanSet([(vma.start, start), *kept, (end, vma.end)])
        shift = vma.pgoff - vma.start
        self._cover(vma, [part for at, behind in covered for part in _within(vma, at + shift, behind - at)])

    def move_vma(self, old: Vma, new: Vma) -> None:
        """The new VMA covers the frames once they have moved; the old one does too until it is unmapped."""
        self._cover(new, _within(old, new.pgoff, new.nr))

    def vm_area_free(self, vma: Vma) -> None:
        """Frames that no other VMA covers leave the memtype list."""
        self._cover(vma, [])

    def _track(self, vma: Vma, pfns: PfnRange, offset: int, prot: int) -> int:
        """Create a context for the frames that *vma* is about to map."""
        booked = pfnmap_is_tracked(self._kernel, pfns)
        try:
            prot = pfnmap_track(self._kernel, pfns, prot)
        except ModelledErrno:
            raise ModelledErrno(errno.EINVAL) from None
        part = CoveredPart(CountedFrames(pfns, offset, booked=booked), pfns)
        self._uncover(vma, part.pgoff, pfns.nr)
        part.ctx.count(pfns, 1)
        vma.pfnmap = tuple(sorted((*(vma.pfnmap or ()), part), key=lambda covered: covered.pgoff))
        return prot

    def _uncover(self, vma: Vma, pgoff: int, nr: int) -> None:
        """Stop covering these pages' remapped frames for good, because a fault handler inserts others."""
        if _within(vma, pgoff, nr):
            self._cover(vma, _outside(vma, pgoff, nr))

    def _cover(self, vma: Vma, parts: list[CoveredPart]) -> None:
        """Make *vma* cover exactly *parts*; frames that no VMA covers leave the memtype list."""
        before, after = vma.pfnmap or (), tuple(parts)
        if before == after:
            return
        vma.pfnmap = after or None
        for ctx, pfns in after:
            ctx.count(pfns, 1)
        for ctx, pfns in before:
            ctx.count(pfns, -1)
            self._settle(ctx)

    def _settle(self, ctx: CountedFrames) -> None:
        """Keep only covered frames in the memtype list; correct even if two calls run concurrently."""
        with self._lock.write():
            self._shrink(ctx)

    def _shrink(self, ctx: CountedFrames) -> None:
        covered = ctx.covered()
        if covered == ctx.reserved:
            return
        remaining: list[PfnRange] = []
        for entry in ctx.reserved:
            rest = [entry.meet(run) for run in covered if run.overlaps(entry)]
            remaining += rest
            at = entry.start
            for run in (*rest, PfnRange(entry.end, entry.end)):
                if at < run.start and ctx.booked:
                    entry = self._cut(entry, PfnRange(at, run.start))
                at = run.end
        ctx.reserved = remaining

    def _cut(self, entry: PfnRange, hole: PfnRange) -> PfnRange:
        """Cut *hole* out of an entry; return what remains after it."""
        kernel, behind = self._kernel, PfnRange(hole.end, entry.end)
        rest = [part for part in (PfnRange(entry.start, hole.start), behind) if part.nr]
        with kernel.processors.inside("pfnmap_untrack"):
            kernel.trace.event("untrack_pfn", entry.start)
            kernel.book.shrink_pfn_range(pfn_to_phys(entry.start), entry.nr * PAGE_SIZE, rest, who=kernel.who)
        return behind

    def tracked(self, vmas: list[Vma]) -> list[Tracked]:
        """Every reservation, with the VMAs that cover part of it."""
        parts_by_context: dict[int, list[tuple[CoveredPart, Vma]]] = {}
        for vma in vmas:
            for part in vma.pfnmap or ():
                parts_by_context.setdefault(id(part.ctx), []).append((part, vma))
        reservations: list[Tracked] = []
        for sharing in parts_by_context.values():
            for entry in sharing[0][0].ctx.reserved:
                sharers = {id(vma): vma for part, vma in sharing if part.pfns.overlaps(entry)}
                reservations.append(Tracked(list(sharers.values()), entry))
        return reservations

    def _check(self, vmas: list[Vma]) -> None:
        recounts: dict[int, tuple[CountedFrames, CountedFrames]] = {}
        for vma in vmas:
            assert vma.pfnmap != (), vma
            parts: tuple[CoveredPart, ...] = vma.pfnmap or ()
            # remap_pfn_range moves vm_pgoff of a private VMA that its driver narrows to each page of RAM.
            moved = is_cow_mapping(vma.flags) and not any(part.ctx.booked for part in parts)
            assert moved or list(parts) == _within(vma, vma.pgoff, vma.nr), (vma, parts)
            for lower, upper in pairwise(parts):
                assert lower.pgoff + lower.pfns.nr <= upper.pgoff, (vma, parts)
            for ctx, pfns in parts:
                recounts.setdefault(id(ctx), (ctx, CountedFrames(ctx.pfns, ctx.offset)))[1].count(pfns, 1)
        for ctx, recount in recounts.values():
            assert recount.edges == ctx.edges, (ctx.pfns, ctx.edges)
            covered = sum(run.nr for run in ctx.covered())
            assert sum(entry.nr for entry in ctx.reserved) == covered, ctx.reserved


def _clipped(parts: Iterable[CoveredPart], pgoff: int, nr: int) -> list[CoveredPart]:
    """*parts*, clipped to *nr* pages from file offset *pgoff* on."""
    return [inside for part in parts if (inside := part.within(pgoff, nr)) is not None]


def _within(vma: Vma, pgoff: int, nr: int) -> list[CoveredPart]:
    """The parts that *vma* covers within *nr* pages from file offset *pgoff* on."""
    return _clipped(vma.pfnmap or (), pgoff, nr)


def _outside(vma: Vma, pgoff: int, nr: int) -> list[CoveredPart]:
    """The parts that *vma* covers outside the *nr* pages from file offset *pgoff* on."""
    before = _within(vma, vma.pgoff, pgoff - vma.pgoff)
    return before + _within(vma, pgoff + nr, vma.pgoff + vma.nr - pgoff - nr)
