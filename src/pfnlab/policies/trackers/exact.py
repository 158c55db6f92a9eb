"""Exact tracking: a frame is reserved as long as a VMA covers the page it was put at. Nobody built it.

Seed 002 wanted it ("beef up the backend to support actually tracking the correct range") and feared splits:
"a bit complicated if the pfnmap ctx has more than one ref". So nothing is split: each call that fills
entries has one context, shared by all VMAs that come of it, which counts for each of its frames how many
of them cover it. A copy counts once more, a split takes one count from what both had since the copy, a VMA
that is freed counts no more. Where a count becomes zero the book is cut there, after flushing and
unlinking, in one operation that leaves no moment without the rest.

A zap takes entries that may come back (seed 000), so the VMA goes on covering them; unless no fault can fill
them again, as in PCI files and /dev/mem: then it covers them no more once they are flushed. So each VMA
remembers which parts of a context it covers. Who copies a VMA meanwhile gets them too, and no entries: what
original and copy do not both cover when all is done, nobody does.

Unlike every kernel it also reserves what is mapped in part or inserted by a fault handler, with the mode
the book says, so that nobody can map it otherwise meanwhile. A fork costs no entry and cannot fail for it.

Its price: a context for every call that fills entries, also for every page that faults, a node in it
for every edge, a part in each VMA that covers some of it, and a search of the book for every edge that goes.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pfnlab.errors import ModelledErrno
from pfnlab.hw.spans import SpanSet
from pfnlab.mm.flags import is_cow_mapping
from pfnlab.mm.pfnmap import lookup_prot, pfnmap_track, pfnmap_untrack
from pfnlab.mm.processors import Need, RwLock
from pfnlab.mm.tracker import Tracked
from pfnlab.mm.vma import Vma
from pfnlab.units import PAGE_SIZE, PfnRange, pfn_to_phys

if TYPE_CHECKING:
    from pfnlab.mm.kernel import Kernel


class Counted:
    """Frames put into a mapping by one call, and how many VMAs cover each of them.

    :ivar pfns: the frames
    :ivar offset: what to add to a file offset in pages for the frame there
    :ivar edges: where the count changes, and by how much; at first nobody counts
    :ivar reserved: the entries the book has for it
    """

    __slots__ = ("edges", "offset", "pfns", "reserved")

    def __init__(self, pfns: PfnRange, offset: int) -> None:
        self.pfns, self.offset = pfns, offset
        self.edges: dict[int, int] = {}
        self.reserved = [pfns]

    def count(self, part: PfnRange, by: int) -> None:
        """*by* more VMAs cover *part*."""
        for at, change in ((part.start, by), (part.end, -by)):
            self.edges[at] = self.edges.get(at, 0) + change
            if not self.edges[at]:
                del self.edges[at]

    def covered(self) -> list[PfnRange]:
        """The runs of frames that any VMA covers."""
        runs, now, start = [], 0, 0
        for at in sorted(self.edges):
            before, now = now, now + self.edges[at]
            if not before:
                start = at
            elif not now:
                runs.append(PfnRange(start, at))
        return runs


class CoveredPart(NamedTuple):
    """What a VMA covers of a context.

    :param pfns: the frames
    """

    ctx: Counted
    pfns: PfnRange

    @property
    def pgoff(self) -> int:
        """Where in the file it begins, in pages."""
        return self.pfns.start - self.ctx.offset

    def within(self, pgoff: int, nr: int) -> CoveredPart | None:
        """What *nr* pages from the file offset *pgoff* on cover of it."""
        first = pgoff + self.ctx.offset
        pages = PfnRange(first, first + nr)
        return CoveredPart(self.ctx, self.pfns.meet(pages)) if self.pfns.overlaps(pages) else None


class Exact:
    """Counted ranges: ``vma.pfnmap`` is the parts of contexts a VMA covers, in file order, or None."""

    END_MATCH: ClassVar = False
    BYTES_PER_VMA: ClassVar = 8
    #: First frame, size, offset, a tree of two edges with 40 bytes each and its root; in the VMA a part:
    #: context, first frame, size, the next one.
    BYTES_PER_CONTEXT: ClassVar = 144

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._lock = RwLock(kernel.processors, Need.TRACKER)

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """Reserve what will be filled, whole VMAs and parts alike; what is covered already keeps its mode."""
        pgoff = vma.pgoff + start - vma.start
        there = _within(vma, pgoff, pfns.nr)
        if any(one.pfns == pfns and one.ctx.offset == pfns.start - pgoff for one in there):
            return lookup_prot(self._kernel.book, pfns, prot)
        if there:
            raise ModelledErrno(errno.EINVAL)
        # The offset of a private mapping becomes its first frame.
        return self._track(vma, pfns, 0 if is_cow_mapping(vma.flags) else pfns.start - pgoff, prot)

    def remap_pfn_range_failed(self, vma: Vma, pfns: PfnRange) -> None:
        """The VMA gives up what it was about to cover."""
        self._cover(vma, [one for one in vma.pfnmap or () if one.ctx.pfns != pfns])

    def memremap_pages(self, pfns: PfnRange, prot: int) -> int:
        """Whoever has the struct pages remembers the range."""
        return pfnmap_track(self._kernel, pfns, prot)

    def memunmap_pages(self, pfns: PfnRange) -> None:
        """The range as it was reserved."""
        pfnmap_untrack(self._kernel, pfns)

    def vmf_insert_pfn(self, vma: Vma, vpn: int, pfns: PfnRange, prot: int) -> int:
        """Reserve the frames with the mode the book says, unless this page has them reserved.

        :raises ModelledErrno: EINVAL when the frames of a leaf have different modes
        """
        pgoff = vma.pgoff + vpn - vma.start
        prot = lookup_prot(self._kernel.book, pfns, prot)
        if any(one.pfns == pfns for one in _within(vma, pgoff, pfns.nr)):
            return prot
        return self._track(vma, pfns, pfns.start - pgoff, prot)

    def may_split(self, vma: Vma, at: int) -> None:
        """Always."""

    def vm_area_dup(self, orig: Vma, new: Vma) -> None:
        """One VMA more covers what the copy does."""
        self._cover(new, _within(orig, new.pgoff, new.nr))

    def split_vma(self, lower: Vma, upper: Vma) -> None:
        """Since the copy both covered the whole, but for what one lost meanwhile."""
        both = _in_both(lower, upper)
        for vma in (lower, upper):
            self._cover(vma, _clipped(both, vma.pgoff, vma.nr))

    def copy_page_range(self, dst: Vma, src: Vma) -> None:
        """The child covers what there are still entries for to copy."""
        self._cover(dst, _in_both(dst, src))

    def copy_page_range_failed(self, dst: Vma, src: Vma) -> None:
        """Nothing was done that freeing the VMA does not undo."""

    def zap_page_range_single(self, vma: Vma, start: int, end: int) -> None:
        """The reservation outlives the entries."""

    def zap_page_range_single_flushed(self, vma: Vma, start: int, end: int) -> None:
        """The VMA covers no more what no fault can fill again; copied pages may have been kept."""
        if vma.refills:
            return
        kept = SpanSet()
        kept.add(vma.start, vma.end)
        kept.discard(start, end)
        for run in vma.mm.tables.runs(start, end):
            kept.add(run.start, run.end)
        shift = vma.pgoff - vma.start
        self._cover(vma, [part for at, behind in kept for part in _within(vma, at + shift, behind - at)])

    def unmap_vmas(self, vma: Vma) -> None:
        """The reservation outlives the entries, until no translation can be left."""

    def move_vma(self, old: Vma, new: Vma) -> None:
        """Both cover what was moved until the old place is unmapped."""
        self._cover(new, _in_both(new, old))

    def vm_area_free(self, vma: Vma) -> None:
        """What no other VMA covers goes out of the book."""
        self._cover(vma, [])

    def _track(self, vma: Vma, pfns: PfnRange, offset: int, prot: int) -> int:
        """A context for what *vma* is about to map.

        :raises ModelledErrno: EINVAL, the book refuses
        """
        try:
            prot = pfnmap_track(self._kernel, pfns, prot)
        except ModelledErrno:
            raise ModelledErrno(errno.EINVAL) from None
        part = CoveredPart(Counted(pfns, offset), pfns)
        if _within(vma, part.pgoff, pfns.nr):
            # A handler inserts other frames than a remap had put there: those do not come back.
            self._cover(vma, _outside(vma, part.pgoff, pfns.nr))
        part.ctx.count(pfns, 1)
        vma.pfnmap = tuple(sorted((*(vma.pfnmap or ()), part), key=lambda one: one.pgoff))
        return prot

    def _cover(self, vma: Vma, parts: list[CoveredPart]) -> None:
        """*vma* covers *parts* from now on and nothing else; what nobody covers any more leaves the book."""
        before, after = vma.pfnmap or (), tuple(parts)
        if before == after:
            return
        vma.pfnmap = after or None
        for ctx, pfns in after:
            ctx.count(pfns, 1)
        for ctx, pfns in before:
            ctx.count(pfns, -1)
        for ctx in {id(ctx): ctx for ctx, _ in before}.values():
            self._settle(ctx)

    def _settle(self, ctx: Counted) -> None:
        """The book keeps what is covered still; of two at once each finds it settled."""
        with self._lock.write():
            self._shrink(ctx)

    def _shrink(self, ctx: Counted) -> None:
        kernel, covered = self._kernel, ctx.covered()
        kept: list[PfnRange] = []
        for entry in ctx.reserved:
            rest = [entry.meet(run) for run in covered if run.overlaps(entry)]
            kept += rest
            if rest == [entry]:
                continue
            start, size = pfn_to_phys(entry.start), entry.nr * PAGE_SIZE
            with kernel.processors.inside("pfnmap_untrack"):
                kernel.trace.event("untrack_pfn", entry.start)
                kernel.book.shrink_pfn_range(start, size, rest, who=kernel.who)
        ctx.reserved = kept

    def tracked(self, vmas: list[Vma]) -> list[Tracked]:
        """Every reservation with the VMAs that cover some of it."""
        covered: dict[int, list[tuple[CoveredPart, Vma]]] = {}
        for vma in vmas:
            for part in vma.pfnmap or ():
                covered.setdefault(id(part.ctx), []).append((part, vma))
        found: list[Tracked] = []
        for sharing in covered.values():
            for entry in sharing[0][0].ctx.reserved:
                here = {id(vma): vma for part, vma in sharing if part.pfns.overlaps(entry)}
                found.append(Tracked(list(here.values()), entry))
        return found

    def _check(self, vmas: list[Vma]) -> None:
        counted: dict[int, tuple[Counted, Counted]] = {}
        for vma in vmas:
            assert vma.pfnmap != (), vma
            parts: tuple[CoveredPart, ...] = vma.pfnmap or ()
            assert list(parts) == _within(vma, vma.pgoff, vma.nr), (vma, parts)
            for one, other in pairwise(parts):
                assert one.pgoff + one.pfns.nr <= other.pgoff, (vma, parts)
            for ctx, pfns in parts:
                counted.setdefault(id(ctx), (ctx, Counted(ctx.pfns, ctx.offset)))[1].count(pfns, 1)
        for ctx, fresh in counted.values():
            assert fresh.edges == ctx.edges, (ctx.pfns, ctx.edges)
            covered = sum(run.nr for run in ctx.covered())
            assert sum(entry.nr for entry in ctx.reserved) == covered, ctx.reserved


def _clipped(parts: Iterable[CoveredPart], pgoff: int, nr: int) -> list[CoveredPart]:
    """What *nr* pages from the file offset *pgoff* on cover of *parts*."""
    return [inside for part in parts if (inside := part.within(pgoff, nr)) is not None]


def _within(vma: Vma, pgoff: int, nr: int) -> list[CoveredPart]:
    """What *vma* covers with *nr* pages from the file offset *pgoff* on."""
    return _clipped(vma.pfnmap or (), pgoff, nr)


def _outside(vma: Vma, pgoff: int, nr: int) -> list[CoveredPart]:
    """What *vma* covers with other pages than *nr* from the file offset *pgoff* on."""
    before = _within(vma, vma.pgoff, pgoff - vma.pgoff)
    return before + _within(vma, pgoff + nr, vma.pgoff + vma.nr - pgoff - nr)


def _in_both(vma: Vma, other: Vma) -> list[CoveredPart]:
    """What *vma* and *other* cover of the same contexts."""
    there: dict[int, list[PfnRange]] = {}
    for ctx, pfns in other.pfnmap or ():
        there.setdefault(id(ctx), []).append(pfns)
    return [
        CoveredPart(ctx, pfns.meet(also))
        for ctx, pfns in vma.pfnmap or ()
        for also in there.get(id(ctx), ())
        if pfns.overlaps(also)
    ]
