"""The state the lens sees, as a value: in the words in which a kernel's state and a model's are compared."""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from pfnlab.kernel.hw.entry import pte_special
from pfnlab.kernel.mm.flags import VM_LOCKED, perms_text, vm_flags_text
from pfnlab.kernel.mm.more.smap_counts import SmapCounts
from pfnlab.lab.lens.plain import RawContext, RawEntries, RawSpace, RawState, RawVma
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
    VmaSeen,
    direct_map_lines,
)
from pfnlab.programs.runs.places import Places
from pfnlab.programs.runs.pte_text import RAM, cache_mode, entry_text, merge_ptes
from pfnlab.programs.runs.texts import VM_PAT, TrackedRange, vma_name


class VmaState(msgspec.Struct, frozen=True):
    """One VMA in the program's areas.

    :param span: pages of the area
    :param flags: the codes of smaps' VmFlags
    :param bits: ``vm_flags`` as it stands in this kernel; two kernels may number a flag differently
    :param mode: the cache mode ``vm_page_prot`` asks for
    :param file: ``wc``, ``uc``, ``mem``, ``proc`` or ``anon``
    :param offset: the device pages ``vm_pgoff`` stands for; None for anonymous memory
    :param pat: VM_PAT is set: this VMA stands for a reservation (kernels without track contexts)
    :param rss: kB of its pages that are ordinary memory; ``anonymous`` and ``locked`` as smaps counts them
    :param pfns: with VM_PAT, the device pages it covers, in a kernel whose VMAs keep their first frame
    """

    span: Span
    flags: str
    bits: int
    mode: str
    file: str
    offset: DeviceSpan | None
    pat: bool = False
    rss: int = 0
    anonymous: int = 0
    locked: int = 0
    pfns: Span | None = None


class ContextState(msgspec.Struct, frozen=True):
    """One reservation several VMAs may share: a ``pfnmap_track_ctx``, or what is left of one.

    :param span: the device pages it keeps reserved
    :param references: its reference count, None where frames are counted and not VMAs
    :param users: task and area pages of every VMA seen to use it
    """

    span: Span
    references: int | None
    users: tuple[tuple[str, Span], ...]


class TaskState(msgspec.Struct, frozen=True):
    """One task's address space, as far as it lies in the program's areas.

    :param ptes: page-table entries as runs, missing tables included
    :param tlb_gen: ``mm->context.tlb_gen``: grows by one with every flush; its absolute value says nothing
    :param notifier: what the guest driver's notifier was told; None where there is none
    :param mm: the address of its mm_struct, which exec replaces
    """

    task: str
    vmas: tuple[VmaState, ...]
    ptes: tuple[PteSeen, ...]
    tlb_gen: int = 0
    notifier: NotifierSeen | None = None
    mm: int = 0


class LensState(msgspec.Struct, frozen=True):
    """The whole state.

    :param tasks: in the order they were asked for; tasks that are gone are left out
    :param contexts: in order of first use
    :param book: the memtype tree, entries that overlap a device of the program, in list order
    :param direct_map: the RAM of devices that is not write-back in the direct map, as ``low[0:4] UC-``
    """

    tasks: tuple[TaskState, ...]
    contexts: tuple[ContextState, ...]
    book: tuple[BookEntry, ...]
    direct_map: tuple[str, ...] = ()
    memory: MemorySeen = MemorySeen()


def vma_seen(state: LensState) -> tuple[VmaSeen, ...]:
    """The VMAs in the words of the outside channel."""
    return tuple(
        VmaSeen(
            *(task.task, *vma.span.parts, perms_text(vma.bits), vma.file, vma.offset, vma.flags),
            *(vma.rss, vma.anonymous, vma.locked),
        )
        for task in state.tasks
        for vma in task.vmas
    )


_PASSED_BY = frozenset({"pf", "io"})


def vma_counted(state: LensState, outside: Sequence[VmaSeen]) -> tuple[VmaSeen, ...]:
    """The VMAs in the words of the outside channel, to be compared with *outside*.

    Kernels up to 6.1 pass PFN mappings by in smaps (S7.5.1), and the walker early_refusal those with VM_IO as
    well: where smaps counted nothing at all of one, its copied pages are not counted here either.
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
        for vma in vma_seen(state)
    )


def ptes_seen(state: LensState) -> tuple[PteSeen, ...]:
    """The page-table entries in the words of the outside channel."""
    return tuple(entry for task in state.tasks for entry in task.ptes)


def tracked_seen(state: LensState) -> tuple[str, ...]:
    """The state of the tracker, in the form of ``Step.tracked``."""
    shared = tuple(
        str(TrackedRange(_place(ctx.span), ctx.references, tuple(ctx.users))) for ctx in state.contexts
    )
    flagged = ((task.task, vma) for task in state.tasks for vma in task.vmas if vma.pat)
    return shared + tuple(
        str(TrackedRange(VM_PAT if vma.pfns is None else _place(vma.pfns), None, ((task, vma.span),)))
        for task, vma in flagged
    )


def _place(span: Span) -> Span | str:
    # RAM that a driver maps lies elsewhere on every machine.
    return PHYSICAL if span.name == PHYSICAL else span


def prots_seen(state: LensState) -> tuple[str, ...]:
    """The cache mode of every VMA's protection, in the form of ``Step.prots``."""
    return tuple(
        f"{vma_name(task.task, vma.span)} {vma.mode.upper()}" for task in state.tasks for vma in task.vmas
    )


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


_flags = lru_cache(maxsize=4096)(vm_flags_text)


@lru_cache(maxsize=4096)
def _mode(prot: int) -> str:
    return cache_mode(prot, 1).lower()
