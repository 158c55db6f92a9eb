"""Properties of page-table entries: each entry is compared with its VMA and with its previous value."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from pfnlab.checker.judging.history import History
from pfnlab.checker.judging.observed_spaces import (
    Layout,
    PlaceIndex,
    SeenEntry,
    SeenSpaces,
    entries_in,
    target_at,
)
from pfnlab.checker.judging.run_judge import evidence_of, of_runs
from pfnlab.checker.scopes import race_judges, step_judges
from pfnlab.kernel.bugs.loss import Loss
from pfnlab.kernel.hw.pgtable import LEAF_PAGES
from pfnlab.kernel.hw.spans import SpanSet
from pfnlab.programs.lang.device_ops import OWN_RAM
from pfnlab.programs.lang.ops import Op
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import PERF
from pfnlab.programs.runs.observation import PHYSICAL, REGION, MemoryObservation, PteSeen, Step, VmaSeen
from pfnlab.programs.runs.pte_text import RAM
from pfnlab.programs.runs.texts import vma_name

#: The errors of forks that the kernel refuses because of a mapping.
_FORK_ERRORS = ("ENOMEM", "EINVAL")


@of_runs(
    happens="an entry lies outside its VMA, or maps a frame other than the one at its offset",
    noticed="the process: it accesses another part of the device, or another process's memory",
    loss=Loss.MEMORY,
    on="entries",
)
def entries_inside(
    spaces: SeenSpaces, ptes: Iterable[PteSeen], vmas: Iterable[VmaSeen], layout: Layout, history: History
) -> Iterator[str]:
    """Every entry lies in a VMA and maps the frame at its offset.

    An entry of ordinary memory is a copy or the driver's own page: an observation does not tell which.
    """
    for run in ptes:
        if not run.table_entry.maps:
            continue
        outside = _outside(run, spaces.vmas)
        if outside is not None:
            yield f"{vma_name(run.task, outside)} has an entry ({run.entry}) outside every VMA"
    for vma in vmas:
        for entry in entries_in(vma, spaces.ptes):
            if entry.entry.maps and not _as_offset(entry, vma, layout, history):
                offset = vma.offset
                yield (
                    f"{vma_name(vma.task, entry.span)} maps {entry.target}, but the VMA {vma.span} "
                    f"starts at {offset}"
                )


def _outside(run: PteSeen, vmas: PlaceIndex[VmaSeen]) -> Span | None:
    """The first pages in a run of entries that lie outside every VMA."""
    spans = sorted((vma.span.start, vma.span.end) for vma in vmas.overlapping(run.task, run.span))
    at = run.span.start
    for start, end in spans:
        if end > at >= start:
            at = end
    if at >= run.span.end:
        return None
    return Span(run.span.name, at, min([run.span.end, *(start for start, _ in spans if start > at)]))


def _as_offset(entry: SeenEntry, vma: VmaSeen, layout: Layout, history: History) -> bool:
    """True if an entry maps the pages given by the offset of its VMA."""
    target, offset = entry.target, vma.offset
    if target is None:
        return True
    if target == RAM:
        # A private page, a driver's page that replaces a device page, or memory outside the devices.
        return (
            vma.perms.endswith("p")
            or offset in (None, RAM)
            or offset.name in (PHYSICAL, PERF)
            or _is_behind(offset, entry, layout)
            or not history.hows_of(offset).isdisjoint(OWN_RAM)
        )
    if offset is None:
        return False
    if target.name == PHYSICAL or offset.name == PHYSICAL or offset == RAM:
        return True
    if offset.name == REGION:
        offset = replace(offset, name=layout.vfio or "")
    if "fault_moved" in history.hows_of(offset):
        return True
    if target.name != offset.name:
        return _is_behind(offset, entry, layout)
    return target.start == offset.start + entry.first


def _is_behind(offset: Span, entry: SeenEntry, layout: Layout) -> bool:
    """True if an entry's offset lies past the end of its device, in whatever follows the device on this
    machine.
    """
    device = layout.devices.get(offset.name)
    return device is not None and offset.start + entry.first >= device.nr


@of_runs(
    happens="a 2 MiB or 1 GiB leaf extends beyond its VMA",
    noticed="the process, and the kernel when part of the leaf is unmapped",
    on="entries",
)
def leaves_fit(spaces: SeenSpaces, ptes: Iterable[PteSeen]) -> Iterator[str]:
    """A 2 MiB or 1 GiB leaf lies within one VMA."""
    for run in ptes:
        leaf = run.table_entry
        if not leaf.maps or leaf.level < 2:
            continue
        pages = LEAF_PAGES[leaf.level]
        for vma in spaces.vmas.overlapping(run.task, run.span):
            for border in (vma.span.start, vma.span.end):
                if run.span.start < border < run.span.end and (border - run.span.start) % pages:
                    yield f"a {pages:,}-page leaf in {vma_name(run.task, run.span)} extends past {border}"


class RamFrames:
    """The ordinary-memory frames before and after a step; entries call all of them ``ram``.

    :param memory: the memory observed before and after the step
    """

    def __init__(self, memory: tuple[MemoryObservation, MemoryObservation]) -> None:
        self._looks = [
            {(page.task, page.area, page.page): page.pfn for page in seen.pages or ()} for seen in memory
        ]

    def differ(self, old: PteSeen, span: Span, now: PteSeen) -> bool:
        """True if *old* and *now*, both for ordinary memory, show different frames at pages *span*."""
        # A special entry shows the zero page, or frames inserted by a driver; no other page uses these
        # frames.
        if ("SPECIAL" in old.table_entry.flags) != ("SPECIAL" in now.table_entry.flags):
            return True
        before, after = self._looks
        places = ((old.task, span.name, page) for page in range(span.start, span.end))
        return bool(before and after) and any(
            before[place] != after[place] for place in places if place in before and place in after
        )


@of_runs(
    happens="an entry that a TLB may hold was removed without a flush",
    noticed="the frame's next user: a thread still reads or writes it",
    loss=Loss.MEMORY,
    on="memory",
)
def flushed(
    before: Step, ptes: PlaceIndex[PteSeen], memory: tuple[MemoryObservation, MemoryObservation]
) -> Iterator[str]:
    """An entry that a TLB may hold is flushed when removed.

    An entry that a processor may have cached (present and used) is never removed, changed to another frame
    or mode, or made read-only unless the generation of its address space (``tlb_gen``) is raised. An entry
    that was never used to reach memory (no A) is in no TLB; ``pte_flags_need_flush`` assumes this too.

    :param memory: the memory observed before and after the step
    """
    frames = RamFrames(memory)
    for old in before.ptes or ():
        was = old.table_entry
        if not was.is_present or "A" not in was.flags:
            continue
        generations = [seen.tlb_gens.get(old.task) for seen in memory]
        if None in generations or generations[0] != generations[1]:
            # The task is gone, has a different address space, or was flushed.
            continue
        for span, now in ptes.pieces(old.task, old.span):
            if _lost(old, span, now, frames):
                change = now.entry if now is not None else "nothing"
                yield f"{vma_name(old.task, span)} was {old.entry}, is {change}, but nothing was flushed"
                break


@of_runs(
    happens="an entry was removed without notifying the MMU notifiers",
    noticed="a guest or device that relies on the notifier: it keeps using the frame",
    on="memory",
)
def notified(
    before: Step,
    ptes: PlaceIndex[PteSeen],
    memory: tuple[MemoryObservation, MemoryObservation],
    starts: Mapping[str, int],
) -> Iterator[str]:
    """Notifiers are told about every removed entry.

    The same goes for an entry that is changed to another frame. The guest driver gives an address space a
    notifier when it maps in it, but not if a processor is held.

    :param starts: the number of the first page of each area
    """
    notified, frames = _notified_pages(*memory), RamFrames(memory)
    for old in (before.ptes or ()) if notified else ():
        if old.task not in notified or not old.table_entry.is_present:
            continue
        at = starts.get(old.span.name, 0)
        for span, entry in ptes.pieces(old.task, old.span):
            stays = entry is not None and entry.table_entry.is_present
            if stays and entry is not None and not _shows_other(old, span, entry, frames):
                continue
            if not notified[old.task].covers(at + span.start, at + span.end):
                change = "nothing" if entry is None else entry.entry
                yield f"{vma_name(old.task, span)} was {old.entry}, is {change}, but no notifier was called"
                break


def _notified_pages(before: MemoryObservation, after: MemoryObservation) -> dict[str, SpanSet]:
    """The ranges notified between two observations, by task, for tasks with a notifier and the same address
    space in both. Tasks with more ranges than are kept are left out, because the missing ranges are unknown.
    """
    pages = {}
    for task, now in after.notifiers.items():
        was = before.notifiers.get(task)
        spaces = [seen.tlb_gens.get(task, (0, 0))[0] for seen in (before, after)]
        if was is not None and spaces[0] == spaces[1] and 0 <= now.total - was.total <= len(now.ranges):
            pages[task] = SpanSet(now.ranges[len(now.ranges) - (now.total - was.total) :])
    return pages


def _lost(old: PteSeen, span: Span, now: PteSeen | None, frames: RamFrames | None = None) -> bool:
    """True if a processor that has cached *old* for pages *span* could do more than the page tables allow."""
    if now is None:
        return True
    was, entry = old.table_entry, now.table_entry
    if not entry.is_present or was.mode != entry.mode or ("RW" in was.flags and "RO" in entry.flags):
        return True
    return _shows_other(old, span, now, frames)


def _shows_other(old: PteSeen, span: Span, now: PteSeen, frames: RamFrames | None) -> bool:
    """True if pages *span* in a run of entries now show different frames."""
    if old.target == RAM == now.target and frames is not None:
        return frames.differ(old, span, now)
    return target_at(old, span.start) != target_at(now, span.start)


@evidence_of(step_judges.fork_whole)
def fork_whole(before: Step, step: Step, op: Op) -> Iterator[str]:
    """A fork that fails leaves mappings and reservations unchanged.

    Reservations with the same start are in the book in order of arrival, which the copy changes.
    """
    for field in ("vmas", "book", "tracked"):
        was, now = (Counter(getattr(seen, field) or ()) for seen in (before, step))
        if was != now:
            yield f"fork of {op.task} failed ({step.result}), but changed its {field}"


@evidence_of(step_judges.fork_works)
def fork_failed(step: Step, op: Op) -> Iterator[str]:
    """A fork that the program does not make fail succeeds; a kill is a separate cause."""
    if op.fail is None and op.skip is None and step.result in _FORK_ERRORS:
        yield f"fork of {op.task} failed ({step.result}), although no failure was injected"


@evidence_of(step_judges.fork_keeps_parent)
def fork_changed(before: Step, ptes: PlaceIndex[PteSeen], process: str) -> Iterator[str]:
    """A fork changes no entry of a shared mapping of the parent.

    During the fork, processors may mark entries as accessed or dirty.
    """
    shared = PlaceIndex(vma for vma in before.vmas or () if vma.perms.endswith("s"))
    for old in before.ptes or ():
        if old.task != process or not old.table_entry.is_present or not shared.overlapping(process, old.span):
            continue
        for span, now in ptes.pieces(old.task, old.span):
            if now is None or _by_kernel(now) != _by_kernel(old) or _lost(old, span, now):
                change = now.entry if now is not None else "nothing"
                yield f"{vma_name(old.task, span)} was {old.entry}, is {change} after a fork"
                break


def _by_kernel(run: PteSeen) -> tuple[int, str, str, frozenset[str]]:
    """The parts of an entry that only the kernel changes."""
    entry = run.table_entry
    return entry.level, entry.mode, entry.absent, frozenset(entry.flags) - {"A", "D"}


@evidence_of(race_judges.told_free)
def revoked_pages(spaces: SeenSpaces, span: Span) -> Iterator[str]:
    """Pages that unmap_mapping_range removed from every mapping of the file are no longer mapped."""
    for vma in spaces.vmas.things:
        if vma.file != "driver":
            continue
        for entry in entries_in(vma, spaces.ptes):
            target = entry.target
            if entry.entry.maps and target is not None and target.meets(span):
                yield f"{vma_name(vma.task, entry.span)} maps {target}, which was removed from all mappings"
