"""Runs judged in the plain way: each step by itself, everything against everything, nothing remembered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from pfnlab.base.units import pfn_to_phys
from pfnlab.checker.judging.device_mappings import SeenMapping
from pfnlab.checker.judging.entries import (
    RamFrames,
    _as_offset,
    _shows_other,
    fork_whole,
)
from pfnlab.checker.judging.history import History, has_moved
from pfnlab.checker.judging.observed_spaces import Layout, SeenEntry
from pfnlab.checker.judging.operation_judges import looks_only, mode_asked
from pfnlab.checker.judging.seen_moment import SeenMoment
from pfnlab.checker.scopes.moment import FrameMode
from pfnlab.checker.scopes.properties import SEEN_QUESTIONS
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pgtable import LEAF_PAGES
from pfnlab.programs.lang.device_ops import UnmapMappingRange
from pfnlab.programs.lang.ops import Fork, Op, Program, Read, Release, Write
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import HELD, PteSeen, Run, Step, VmaSeen
from pfnlab.programs.runs.pte_text import RAM
from pfnlab.programs.runs.texts import TableEntry, vma_name

#: Properties of an operation: each time counts.
_EVENTS = (
    *("freed_once", "no_warning", "told_free", "reached", "flushed", "fork_whole"),
    *("looks_only", "mode_asked"),
)


class Broken(NamedTuple):
    """A property that a step breaks."""

    name: str
    step: int
    says: str


def slowly_judged(program: Program, run: Run) -> list[Broken]:
    """What a run breaks; of a state where it begins."""
    layout, history = Layout(program, run.configuration), History()
    found: list[Broken] = []
    lasting: set[str] = set()
    before: int | None = None
    held = False
    for number, step in enumerate(run.steps):
        op = program.ops[number] if number < len(program.ops) else None
        if op is not None:
            history.follow(op, step, run.steps[number - 1 : number + 1] if number else ())
            history.moved_away |= has_moved(op, step)
        held = step.result == HELD or (held and not (op is not None and isinstance(op.call, Release)))
        says: dict[str, str] = {}
        if held or step.vmas is None or step.ptes is None:
            asked = [one for one in SEEN_QUESTIONS if one.name in _EVENTS]
            moment = SeenMoment(msgspec.structs.replace(step, vmas=(), ptes=(), book=()), history, layout)
            before = None
        else:
            asked, moment = list(SEEN_QUESTIONS), SeenMoment(step, history, layout)
            moment.mappings = list(_mappings(step, history, layout))
            for name, text in _of_entries(program, run, number, before, op, history, layout):
                says.setdefault(name, text)
            before = number
        for question in asked:
            if question.seen(moment) is False:
                says.setdefault(question.name, question.asks)
        found += [
            Broken(name, number, text)
            for name, text in says.items()
            if name not in lasting or name in _EVENTS
        ]
        lasting = set(says)
    return found


def _mappings(step: Step, history: History, layout: Layout) -> Iterator[SeenMapping]:
    users = {user for tracked in step.tracked_ranges for user in tracked.users}
    for vma in step.vmas or ():
        frames = layout.frames(vma.offset) if vma.offset is not None else None
        if vma.offset is None or frames is None or not {"pf", "mm"} & set(vma.flags.split()):
            continue
        shown = [
            FrameMode(entry_frames, CacheMode.from_short(entry.entry.mode.lower()))
            for entry in _entries_in(vma, step.ptes or ())
            if entry.entry.maps and entry.target is not None
            for entry_frames in [layout.frames(entry.target)]
            if entry_frames is not None
        ]
        start, end = pfn_to_phys(frames.start), pfn_to_phys(frames.end)
        booked = layout.platform.phys.is_booked(start, end, piece_of_ram=vma.file == "driver")
        if vma.file == "driver":
            whole = history.hows_of(vma.offset) == {"remap"}
        else:
            whole = vma.file in ("wc", "uc", "proc", "mem") or (vma.task, vma.span) in users
        device = layout.devices.get(vma.offset.name)
        behind = device is not None and vma.offset.start >= device.nr
        yield SeenMapping(vma.file, frames, shown, booked and whole and not behind)


def _entries_in(vma: VmaSeen, ptes: Sequence[PteSeen]) -> Iterator[SeenEntry]:
    for run in ptes:
        if run.task == vma.task and run.span.meets(vma.span):
            start, end = max(run.span.start, vma.span.start), min(run.span.end, vma.span.end)
            target = run.target
            if target is not None and target != RAM:
                shift = target.start - run.span.start
                target = Span(target.name, start + shift, end + shift)
            inside = Span(run.span.name, start, end)
            yield SeenEntry(start - vma.span.start, inside, target, run.table_entry)


def _of_entries(
    program: Program,
    run: Run,
    number: int,
    before: int | None,
    op: Op | None,
    history: History,
    layout: Layout,
) -> Iterator[tuple[str, str]]:
    step = run.steps[number]
    vmas, ptes = step.vmas or (), step.ptes or ()
    for pte in ptes:
        outside = _outside(pte, vmas) if pte.table_entry.maps else None
        if outside is not None:
            name = vma_name(pte.task, outside)
            yield "entries_inside", f"{name} has an entry ({pte.entry}) outside every VMA"
    for vma in vmas:
        for entry in _entries_in(vma, ptes):
            if entry.entry.maps and not _as_offset(entry, vma, layout, history):
                maps = f"{vma_name(vma.task, entry.span)} maps {entry.target}"
                yield "entries_inside", f"{maps}, but the VMA {vma.span} starts at {vma.offset}"
    for pte in ptes:
        pages = LEAF_PAGES.get(pte.table_entry.level, 1) if pte.table_entry.maps else 1
        for vma in vmas:
            for border in (vma.span.start, vma.span.end):
                inside = vma.task == pte.task and vma.span.meets(pte.span)
                inside &= pte.span.start < border < pte.span.end
                if inside and (border - pte.span.start) % pages:
                    leaf = f"a {pages:,}-page leaf in {vma_name(pte.task, pte.span)}"
                    yield "leaves_fit", f"{leaf} extends past {border}"
    if op is not None:
        yield from _of_operation(run, step, op, history)
    if before is not None:
        earlier = run.steps[before]
        if number < len(run.memory):
            yield from _flushed(run, before, number)
        if op is not None and op.hold is None:
            yield from looks_only(earlier, step, op)
            kinds = {device.name: device.kind for device in program.devices}
            yield from mode_asked(earlier, step, op, kinds)
        if op is not None and isinstance(op.call, Fork) and step.result != "ok":
            yield from fork_whole(earlier, step, op)


def _outside(pte: PteSeen, vmas: Sequence[VmaSeen]) -> Span | None:
    free = [
        page
        for page in range(pte.span.start, pte.span.end)
        if not any(
            vma.task == pte.task and vma.span.meets(Span(pte.span.name, page, page + 1)) for vma in vmas
        )
    ]
    if not free:
        return None
    end = next((page for page in range(free[0], pte.span.end) if page not in free), pte.span.end)
    return Span(pte.span.name, free[0], end)


def _of_operation(run: Run, step: Step, op: Op, history: History) -> Iterator[tuple[str, str]]:
    call, process = op.call, history.process(op.task)
    if step.result == "ok" and isinstance(call, Read | Write):
        page = Span(call.span.name, call.span.start, call.span.start + 1)
        found = [pte for pte in step.ptes or () if pte.task == process and pte.span.meets(page)]
        entry = found[0].table_entry if found else TableEntry(1, "", absent="none")
        dropped = run.look.reads_smaps and (entry.absent, entry.level) == ("none", 3)
        allowed = entry.is_present and (isinstance(call, Read) or "RW" in entry.flags)
        if not dropped and not allowed:
            through = found[0].entry if found else "no entry"
            yield "reached", f"{vma_name(op.task, call.span)} was accessed through {through}"
    if isinstance(call, UnmapMappingRange) and not call.keep_cows and step.result == "ok":
        for vma in step.vmas or ():
            for seen in _entries_in(vma, step.ptes or ()) if vma.file == "driver" else ():
                if seen.entry.maps and seen.target is not None and seen.target.meets(call.span):
                    maps = f"{vma_name(vma.task, seen.span)} maps {seen.target}"
                    yield "told_free", f"{maps}, which was removed from all mappings"


def _flushed(run: Run, before: int, number: int) -> Iterator[tuple[str, str]]:
    """Page by page; what it says names the pages of a run of entries, or those that no run has."""
    gens = [run.memory[at].tlb_gens for at in (before, number)]
    frames = RamFrames((run.memory[before], run.memory[number]))
    for old in run.steps[before].ptes or ():
        was = old.table_entry
        same = old.task in gens[0] and gens[0].get(old.task) == gens[1].get(old.task)
        if not (same and was.is_present and "A" in was.flags):
            continue
        for span, now in _pieces(old, run.steps[number].ptes or ()):
            entry = now.table_entry if now is not None else TableEntry(1, "", absent="none")
            lost = (
                not entry.is_present or was.mode != entry.mode or ("RW" in was.flags and "RO" in entry.flags)
            )
            if lost or now is None or _shows_other(old, span, now, frames):
                change = now.entry if now is not None else "nothing"
                name = vma_name(old.task, span)
                yield "flushed", f"{name} was {old.entry}, is {change}, but nothing was flushed"
                break


def _pieces(old: PteSeen, ptes: Sequence[PteSeen]) -> Iterator[tuple[Span, PteSeen | None]]:
    at = old.span.start
    for now in ptes:
        if now.task == old.task and now.span.meets(old.span):
            start, end = max(now.span.start, old.span.start), min(now.span.end, old.span.end)
            if at < start:
                yield Span(old.span.name, at, start), None
            yield Span(old.span.name, start, end), now
            at = max(at, end)
    if at < old.span.end:
        yield Span(old.span.name, at, old.span.end), None
