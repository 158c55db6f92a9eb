"""Exact tracking: a frame is reserved as long as a VMA covers the page it was put at. Nobody built it.

Seed 002 wanted it ("beef up the backend to support actually tracking the correct range") and feared splits:
"a bit complicated if the pfnmap ctx has more than one ref". So nothing is split: each call that fills
entries has one context, shared by all VMAs that come of it, which counts for each of its frames how many
of them cover it. A copy counts once more, a split takes one count from what both had since the copy, a VMA
that is freed counts no more. Where a count becomes zero the book is cut there, after flushing and
unlinking, in one operation that leaves no moment without the rest.

Unlike every kernel it also reserves what is mapped in part or inserted by a fault handler, with the mode
the book says, so that nobody can map it otherwise meanwhile. A fork costs no entry and cannot fail for it.

Its price: a context for every call that fills entries, also for every page that faults, a node in it
for every edge, and a search of the book for every edge that goes.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pfnlab.errors import ModelledErrno
from pfnlab.mm.flags import is_cow_mapping
from pfnlab.mm.lookup import lookup_prot
from pfnlab.mm.tracker import Tracked
from pfnlab.mm.vma import Vma
from pfnlab.units import PAGE_SIZE, PfnRange, pfn_to_phys

if TYPE_CHECKING:
    from pfnlab.mm.kernel import Kernel


class Counted:
    """Frames put into a mapping by one call, and how many VMAs cover each of them.

    :ivar pfns: the frames
    :ivar offset: what to add to a file offset in pages for the frame there
    :ivar edges: where the count changes, and by how much
    :ivar reserved: the entries the book has for it
    """

    __slots__ = ("edges", "offset", "pfns", "reserved")

    def __init__(self, pfns: PfnRange, offset: int) -> None:
        self.pfns, self.offset = pfns, offset
        self.edges: dict[int, int] = {}
        self.reserved = [pfns]
        self.count(pfns, 1)

    def part(self, pgoff: int, nr: int) -> PfnRange | None:
        """The frames here that *nr* pages from the file offset *pgoff* cover."""
        first = pgoff + self.offset
        part = PfnRange(max(first, self.pfns.start), min(first + nr, self.pfns.end))
        return part if part.nr > 0 else None

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


class Exact:
    """Counted ranges: ``vma.pfnmap`` is the contexts a VMA has pages of, or None."""

    END_MATCH: ClassVar = False
    BYTES_PER_VMA: ClassVar = 8
    #: First frame, size, offset, a tree of two edges with 40 bytes each, the pointer to it.
    BYTES_PER_CONTEXT: ClassVar = 120

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """Reserve what will be filled, whole VMAs and parts alike; what is there already keeps its mode."""
        pgoff = vma.pgoff + start - vma.start
        there = [ctx for ctx in vma.pfnmap or () if ctx.part(pgoff, pfns.nr)]
        if [ctx for ctx in there if ctx.part(pgoff, pfns.nr) == pfns and ctx.offset == pfns.start - pgoff]:
            return lookup_prot(self._kernel.book, pfns, prot)
        if there:
            raise ModelledErrno(errno.EINVAL)
        # The offset of a private mapping becomes its first frame.
        return self._track(vma, pfns, 0 if is_cow_mapping(vma.flags) else pfns.start - pgoff, prot)

    def remap_pfn_range_failed(self, vma: Vma, pfns: PfnRange) -> None:
        """The VMA gives up what it was about to cover."""
        for ctx in vma.pfnmap or ():
            if ctx.pfns == pfns:
                self._attach(vma, [one for one in vma.pfnmap if one is not ctx])
                ctx.count(pfns, -1)
                self._settle(ctx)
                return

    def memremap_pages(self, pfns: PfnRange, prot: int) -> int:
        """Whoever has the struct pages remembers the range."""
        kernel = self._kernel
        kernel.trace.event("track_pfn", pfns.start)
        return kernel.book.reserve_pfn_range(
            pfn_to_phys(pfns.start), pfns.nr * PAGE_SIZE, prot, strict=False, who=kernel.who
        )

    def memunmap_pages(self, pfns: PfnRange) -> None:
        """The range as it was reserved."""
        kernel = self._kernel
        with kernel.processors.inside("pfnmap_untrack"):
            kernel.trace.event("untrack_pfn", pfns.start)
            kernel.book.free_pfn_range(pfn_to_phys(pfns.start), pfns.nr * PAGE_SIZE, who=kernel.who)

    def vmf_insert_pfn(self, vma: Vma, vpn: int, pfns: PfnRange, prot: int) -> int:
        """Reserve the frames with the mode the book says, unless this page has them reserved.

        :raises ModelledErrno: EINVAL when the frames of a leaf have different modes
        """
        pgoff = vma.pgoff + vpn - vma.start
        prot = lookup_prot(self._kernel.book, pfns, prot)
        if any(ctx.part(pgoff, pfns.nr) == pfns for ctx in vma.pfnmap or ()):
            return prot
        return self._track(vma, pfns, pfns.start - pgoff, prot)

    def may_split(self, vma: Vma, at: int) -> None:
        """Always."""

    def vm_area_dup(self, orig: Vma, new: Vma) -> None:
        """One VMA more covers what the copy does."""
        for ctx, part in self._parts(orig, new.pgoff, new.nr):
            ctx.count(part, 1)
        self._attach(new, [ctx for ctx, _ in self._parts(orig, new.pgoff, new.nr)])

    def split_vma(self, lower: Vma, upper: Vma) -> None:
        """Since the copy both counted for the whole."""
        for ctx, part in self._parts(lower, lower.pgoff, lower.nr + upper.nr):
            ctx.count(part, -1)
        for vma in (lower, upper):
            self._attach(vma, [ctx for ctx, _ in self._parts(vma, vma.pgoff, vma.nr)])

    def copy_page_range(self, dst: Vma, src: Vma) -> None:
        """The copy of the VMA counts; entries are no matter of the book."""

    def copy_page_range_failed(self, dst: Vma, src: Vma) -> None:
        """Nothing was done that freeing the VMA does not undo."""

    def zap_page_range_single(self, vma: Vma, start: int, end: int) -> None:
        """Entries may go and come back as they were."""

    def zap_page_range_single_flushed(self, vma: Vma, start: int, end: int) -> None:
        """The reservation outlives the entries."""

    def unmap_vmas(self, vma: Vma) -> None:
        """The reservation outlives the entries, until no translation can be left."""

    def move_vma(self, old: Vma, new: Vma) -> None:
        """Both count until the old place is unmapped."""

    def vm_area_free(self, vma: Vma) -> None:
        """What no other VMA covers goes out of the book."""
        for ctx, part in list(self._parts(vma, vma.pgoff, vma.nr)):
            ctx.count(part, -1)
            self._settle(ctx)
        vma.pfnmap = None

    def _track(self, vma: Vma, pfns: PfnRange, offset: int, prot: int) -> int:
        """A context for what *vma* is about to map.

        :raises ModelledErrno: EINVAL, the book refuses
        """
        kernel = self._kernel
        kernel.trace.event("track_pfn", pfns.start)
        try:
            prot = kernel.book.reserve_pfn_range(
                pfn_to_phys(pfns.start), pfns.nr * PAGE_SIZE, prot, strict=False, who=kernel.who
            )
        except ModelledErrno:
            raise ModelledErrno(errno.EINVAL) from None
        self._attach(vma, [*(vma.pfnmap or ()), Counted(pfns, offset)])
        return prot

    @staticmethod
    def _attach(vma: Vma, contexts: list[Counted]) -> None:
        vma.pfnmap = tuple(contexts) or None

    @staticmethod
    def _parts(vma: Vma, pgoff: int, nr: int) -> Iterator[tuple[Counted, PfnRange]]:
        """The contexts of *vma* with the frames that *nr* pages from *pgoff* on cover."""
        for ctx in vma.pfnmap or ():
            part = ctx.part(pgoff, nr)
            if part is not None:
                yield ctx, part

    def _settle(self, ctx: Counted) -> None:
        """The book keeps what is covered still, entry by entry."""
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
        found: dict[int, tuple[Counted, list[Vma]]] = {}
        for vma in vmas:
            for ctx in vma.pfnmap or ():
                found.setdefault(id(ctx), (ctx, []))[1].append(vma)
        return [
            Tracked([vma for vma in sharing if _meets(ctx, vma, entry)], entry)
            for ctx, sharing in found.values()
            for entry in ctx.reserved
        ]

    def _check(self, vmas: list[Vma]) -> None:
        counted: dict[int, Counted] = {}
        for vma in vmas:
            assert vma.pfnmap != (), vma
            for ctx in vma.pfnmap or ():
                fresh = counted.setdefault(id(ctx), Counted(ctx.pfns, ctx.offset))
                part = ctx.part(vma.pgoff, vma.nr)
                assert part is not None, vma
                fresh.count(part, 1)
        for vma in vmas:
            for ctx in vma.pfnmap or ():
                fresh = counted[id(ctx)]
                edges = dict(fresh.edges)
                fresh.count(ctx.pfns, -1)
                assert fresh.edges == ctx.edges, (vma, ctx.edges)
                fresh.edges = edges
                runs = [PfnRange(entry.start, entry.end) for entry in sorted(ctx.reserved)]
                assert sum(run.nr for run in runs) == sum(run.nr for run in ctx.covered()), runs


def _meets(ctx: Counted, vma: Vma, pfns: PfnRange) -> bool:
    part = ctx.part(vma.pgoff, vma.nr)
    return part is not None and part.overlaps(pfns)
