"""State seen by the lens, in the terms in which kernels and models are compared."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec

from pfnlab.kernel.hw.entry import pte_special
from pfnlab.kernel.mm.flags import VM_LOCKED, perms_text, vm_flags_text
from pfnlab.kernel.mm.more.smap_counts import SmapCounts
from pfnlab.lab.lens.plain import RawEntries, RawSpace, RawState, RawVma
from pfnlab.programs.lang.device_ops import DRIVER_FILES
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import (
    PHYSICAL,
    BookEntry,
    DeviceSpan,
    MemoryFault,
    MemoryObservation,
    NotifierRecord,
    PageData,
    PteSeen,
    VmaSeen,
    direct_map_lines,
)
from pfnlab.programs.runs.places import Places
from pfnlab.programs.runs.pte_text import RAM, cache_mode, entry_text, merge_ptes
from pfnlab.programs.runs.texts import VM_PAT, TrackedRange, vma_name


class LensState(msgspec.Struct, frozen=True):
    """The whole state, in the terms of the outside channel; common fields have the same names as in a `Step`.

    :param book: memtype tree entries that overlap one of the program's devices, in list order
    :param vmas: the VMAs of each requested task, in order, without tasks that have exited
    :param ptes: runs of page-table entries, including missing tables
    :param tracked: reservations that VMAs share, in order of first use, then VMAs that stand for a
        reservation themselves
    :param prots: the cache mode that each ``vm_page_prot`` requests
    """

    book: tuple[BookEntry, ...] = ()
    vmas: tuple[VmaSeen, ...] = ()
    ptes: tuple[PteSeen, ...] = ()
    tracked: tuple[str, ...] = ()
    prots: tuple[str, ...] = ()
    direct_map: tuple[str, ...] = ()
    memory: MemoryObservation = MemoryObservation()


_PASSED_BY = frozenset({"pf", "io"})


def vma_counted(state: LensState, outside: Sequence[VmaSeen]) -> tuple[VmaSeen, ...]:
    """The VMAs in the terms of the outside channel, to compare with *outside*.

    Up to 6.1, smaps skips PFN mappings (S7.5.1), and the walker early_refusal also skips those with VM_IO. If
    smaps counted nothing in a VMA, the VMA's copied pages are not counted here either.
    """
    passed_by = {
        (vma.task, vma.span)
        for vma in outside
        if _PASSED_BY.intersection(vma.flags.split()) and not (vma.rss or vma.anonymous or vma.locked)
    }
    return tuple(
        msgspec.structs.replace(vma, rss=0, anonymous=0, locked=0)
        if (vma.task, vma.span) in passed_by
        else vma
        for vma in state.vmas
    )


#: Some processors have an additional level. All of a program's mappings are below that level's first entry,
#: so it is empty only for a program that exec has not loaded yet.
_USUAL_LEVELS = 4

_SPANS_KEPT = 100_000


class Words:
    """Converts the states of one kernel.

    Conversions are cached, because the same frames and entries appear in every snapshot.
    """

    def __init__(self) -> None:
        self._places: Places | None = None
        self._spans: dict[tuple[int, int], DeviceSpan] = {}
        self._ptes: dict[str, tuple[tuple[RawEntries, ...], tuple[PteSeen, ...]]] = {}

    def state(self, raw: RawState, places: Places) -> LensState:
        """Convert *raw*; *places* has the locations of the program's devices and areas."""
        if self._places is not places:
            self._places = places
            self._ptes.clear()
            self._spans.clear()
        if len(self._spans) > _SPANS_KEPT:
            self._spans.clear()
        book = [BookEntry(*self._span(places, first, behind).parts, mode) for first, behind, mode in raw.book]
        lines = (line for name, modes in raw.direct_map.items() for line in direct_map_lines(name, modes))
        vmas = [(self._vma(space.task, vma, places), vma) for space in raw.spaces for vma in space.vmas]
        return LensState(
            book=tuple(sorted(book, key=lambda entry: places.ranks.get(entry.span.name, -1))),
            vmas=tuple(seen for seen, _ in vmas),
            ptes=tuple(entry for space in raw.spaces for entry in self._entries(space, places)),
            tracked=tuple(map(str, (*_contexts(raw, places), *self._flagged(vmas, places)))),
            prots=tuple(f"{vma_name(seen.task, seen.span)} {_mode(vma.prot, 1)}" for seen, vma in vmas),
            direct_map=tuple(lines),
            memory=MemoryObservation(
                {space.task: (space.mm, space.tlb_gen) for space in raw.spaces},
                tuple(MemoryFault(*fault) for fault in raw.faults),
                None if raw.pages is None else tuple(PageData(*page) for page in raw.pages),
                {space.task: NotifierRecord(*space.notifier) for space in raw.spaces if space.notifier},
                dict(raw.frames),
            ),
        )

    def _span(self, places: Places, first: int, behind: int) -> DeviceSpan:
        span = self._spans.get((first, behind))
        if span is None:
            span = self._spans[first, behind] = places.device_span(first, behind)
        return span

    def _entries(self, space: RawSpace, places: Places) -> tuple[PteSeen, ...]:
        known = self._ptes.get(space.task)
        if known is None or known[0] is not space.entries:
            # Areas, in the order in which the program names them.
            order = {area: number for number, area in enumerate(places.areas)}
            entries = sorted(space.entries, key=lambda entry: order[entry.pages.area])
            ptes = merge_ptes(self._entry(space.task, entry, places) for entry in entries)
            known = self._ptes[space.task] = space.entries, ptes
        return known[1]

    def _entry(self, task: str, entry: RawEntries, places: Places) -> PteSeen:
        text = entry_text(entry.word, min(entry.level, _USUAL_LEVELS))
        area, start, end = entry.pages
        target = None if "@" in text else self._target(entry, end - start, places)
        return PteSeen(task, area, start, end, target, text)

    def _target(self, entry: RawEntries, pages: int, places: Places) -> DeviceSpan:
        # The zero page is special but still RAM; RAM declared as a device counts as the
        # device if it is special.
        span = self._span(places, entry.pfn, entry.pfn + pages)
        if span.name == PHYSICAL or not pte_special(entry.word):
            return RAM if entry.ram else span
        return span

    def _vma(self, task: str, vma: RawVma, places: Places) -> VmaSeen:
        pages = vma.pages.end - vma.pages.start
        offset = places.offset_span(vma.file, vma.pgoff, vma.pgoff + pages)
        if vma.file in DRIVER_FILES and offset is not None and offset.name == PHYSICAL:
            offset = RAM
        counts = SmapCounts.of(((1, max(1, count)) for count in vma.mapcounts), anonymous=vma.anonymous)
        locked = counts.pss if vma.bits & VM_LOCKED else 0
        return VmaSeen(
            *(task, *vma.pages, perms_text(vma.bits), vma.file, offset, _flags(vma.flags)),
            *(counts.rss, counts.anonymous, locked),
        )

    def _flagged(self, vmas: list[tuple[VmaSeen, RawVma]], places: Places) -> Iterator[TrackedRange]:
        # VMAs that stand for a reservation themselves, with their frames if they store the first one.
        for seen, vma in vmas:
            if vma.pat:
                frames = (
                    None if vma.base is None else self._span(places, vma.base, vma.base + seen.span.pages)
                )
                place = VM_PAT if frames is None else _place(frames)
                yield TrackedRange(place, None, ((seen.task, seen.span),))


def _contexts(raw: RawState, places: Places) -> Iterator[TrackedRange]:
    for context in raw.contexts:
        users = tuple((task, Span(*extent)) for task, extent in context.users)
        yield TrackedRange(_place(places.device_span(*context.pfns)), context.references, users)


def _place(span: Span) -> Span | str:
    # RAM that a driver maps has a different address on every machine.
    return PHYSICAL if span.name == PHYSICAL else span


_flags = lru_cache(maxsize=4096)(vm_flags_text)
_mode = lru_cache(maxsize=4096)(cache_mode)
