"""The words of observations for what the lens reads: frames are pages of devices, bits have names."""

from __future__ import annotations

from functools import lru_cache

from pfnlab.kernel.hw.entry import pte_special
from pfnlab.kernel.mm.flags import VM_LOCKED, vm_flags_text
from pfnlab.kernel.mm.more.smap_counts import SmapCounts
from pfnlab.lab.lens.plain import RawContext, RawEntries, RawSpace, RawState, RawVma
from pfnlab.lab.running.inside_state import ContextState, LensState, TaskState, VmaState
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import (
    PHYSICAL,
    BookEntry,
    DeviceSpan,
    MemoryFault,
    MemorySeen,
    NotifierSeen,
    PageHeld,
    PteSeen,
    direct_map_lines,
)
from pfnlab.programs.runs.places import Places
from pfnlab.programs.runs.pte_text import RAM, cache_mode, entry_text, merge_ptes

#: Some processors have one level more above these. Whatever a program has mapped is below its first entry, so
#: only of a program that an exec has not loaded yet that one is empty too.
_USUAL_LEVELS = 4

_SPANS_KEPT = 100_000


class Words:
    """Puts the states of one kernel into words.

    The same frames and the same entries come up in every snapshot, and are put into words once.
    """

    def __init__(self) -> None:
        self._places: Places | None = None
        self._spans: dict[tuple[int, int], DeviceSpan] = {}
        self._ptes: dict[str, tuple[tuple[RawEntries, ...], tuple[PteSeen, ...]]] = {}

    def state(self, raw: RawState, places: Places) -> LensState:
        """*raw* in words; *places* is where the program's devices and areas lie."""
        if self._places is not places:
            self._places = places
            self._ptes.clear()
            self._spans.clear()
        if len(self._spans) > _SPANS_KEPT:
            self._spans.clear()
        book = [BookEntry(*self._span(places, first, behind).parts, mode) for first, behind, mode in raw.book]
        lines = (line for name, modes in raw.direct_map.items() for line in direct_map_lines(name, modes))
        tasks = tuple(self._task(space, places) for space in raw.spaces)
        return LensState(
            tasks,
            tuple(_context(context, places) for context in raw.contexts),
            tuple(sorted(book, key=lambda entry: places.ranks.get(entry.span.name, -1))),
            tuple(lines),
            MemorySeen(
                {space.task: (space.mm, space.tlb_gen) for space in raw.spaces},
                tuple(MemoryFault(*fault) for fault in raw.faults),
                None if raw.pages is None else tuple(PageHeld(*page) for page in raw.pages),
                {task.task: task.notifier for task in tasks if task.notifier is not None},
            ),
        )

    def _span(self, places: Places, first: int, behind: int) -> DeviceSpan:
        span = self._spans.get((first, behind))
        if span is None:
            span = self._spans[first, behind] = places.device_span(first, behind)
        return span

    def _task(self, space: RawSpace, places: Places) -> TaskState:
        known = self._ptes.get(space.task)
        if known is None or known[0] is not space.entries:
            # Areas in the order the program names them, as everywhere.
            order = {area: number for number, area in enumerate(places.areas)}
            entries = sorted(space.entries, key=lambda entry: order[entry.pages.area])
            ptes = merge_ptes(self._entry(space.task, entry, places) for entry in entries)
            known = self._ptes[space.task] = space.entries, ptes
        vmas = tuple(self._vma(vma, places) for vma in space.vmas)
        notifier = None if space.notifier is None else NotifierSeen(*space.notifier)
        return TaskState(space.task, vmas, known[1], space.tlb_gen, notifier, space.mm)

    def _entry(self, task: str, entry: RawEntries, places: Places) -> PteSeen:
        text = entry_text(entry.word, min(entry.level, _USUAL_LEVELS))
        area, start, end = entry.pages
        target = None if "@" in text else self._target(entry, end - start, places)
        return PteSeen(task, area, start, end, target, text)

    def _target(self, entry: RawEntries, pages: int, places: Places) -> DeviceSpan:
        # The zero page is special too, and RAM; RAM that a program has as a device counts as one where it is
        # special.
        span = self._span(places, entry.pfn, entry.pfn + pages)
        if span.name == PHYSICAL or not pte_special(entry.word):
            return RAM if entry.ram else span
        return span

    def _vma(self, vma: RawVma, places: Places) -> VmaState:
        span = Span(*vma.pages)
        offset = places.offset_span(vma.file, vma.pgoff, vma.pgoff + span.pages)
        if vma.file == "driver" and offset is not None and offset.name == PHYSICAL:
            offset = RAM
        counts = SmapCounts.of(((1, max(1, count)) for count in vma.mapcounts), anonymous=vma.anonymous)
        return VmaState(
            span,
            _flags(vma.flags),
            vma.bits,
            _mode(vma.prot),
            vma.file,
            offset,
            vma.pat,
            counts.rss,
            counts.anonymous,
            counts.pss if vma.bits & VM_LOCKED else 0,
            None if vma.base is None else self._span(places, vma.base, vma.base + span.pages),
        )


def _context(context: RawContext, places: Places) -> ContextState:
    users = tuple((task, Span(*extent)) for task, extent in context.users)
    return ContextState(places.device_span(*context.pfns), context.references, users)


@lru_cache(maxsize=4096)
def _flags(bits: int) -> str:
    return vm_flags_text(bits)


@lru_cache(maxsize=4096)
def _mode(prot: int) -> str:
    return cache_mode(prot, 1).lower()
