"""Recorded orders of kernel calls (JSON lines): events, flushes and state after one operation.

The recordings hold everything a tracer saw. Only the core order is compared
(:mod:`pfnlab.programs.runs.events`).
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from pfnlab.programs.lang.ops import Device, Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.events import core_order
from pfnlab.programs.runs.observation import PteSeen, Step, VmaSeen
from pfnlab.programs.runs.pte_text import RAM
from tests.recorded.cases import RecordedRelease, translate, wrong
from tests.recorded.recorded_calls import BAR, WINDOW_PAGES, task_name


class RecordedContext(msgspec.Struct):
    """The pages that a VMA tracks, and how many owners they have."""

    at: int
    n: int
    kref: int


class RecordedVma(msgspec.Struct):
    """One VMA after the operation.

    :param at: its letter and first page, as ``A+4``
    """

    actor: int
    at: Annotated[str, Meta(pattern=r"^[A-Za-z]+\+[0-9]{1,6}$")]
    n: int
    flags: str
    pte: list[str]
    pgoff: int | None = None
    vm_pat: bool = False
    ctx: RecordedContext | None = None


class RecordedMemory(msgspec.Struct):
    """The VMAs and the book after the operation."""

    vmas: list[RecordedVma]
    book: list[tuple[int, int, str]]


class RecordedOrder(RecordedRelease):
    """One operation of one scenario on one kernel."""

    op_id: str
    ops: Annotated[list[str], Meta(min_length=1)]
    ret: str
    events: list[str]
    flushes: int
    state: RecordedMemory

    @property
    def case(self) -> str:
        """The name of the scenario, whatever the kernel."""
        return self.op_id


def program_of(row: RecordedOrder) -> Program:
    """The scenario as a program; a touch of several pages becomes that many touches.

    :raises Waiting: an operation waits for a later capability
    """
    program = translate(row.op_id, [line for op in row.ops for line in _single(op)], 0)
    return msgspec.structs.replace(program, devices=(Device(BAR, "pci", WINDOW_PAGES),))


def _single(op: str) -> Iterator[str]:
    """The operation in the words of the other recordings, one page at a time."""
    actor, verb, *args = op.split()
    if verb == "touch" and len(args) == 4:
        letter, start, kind, pages = args
        if int(pages) > WINDOW_PAGES:
            raise ValueError(f"{op}: a window has {WINDOW_PAGES} pages")
        for page in range(int(start), int(start) + int(pages)):
            yield f"{actor} touch {letter} {page} {kind}"
        return
    if verb == "mprotect" and args[-1] == "n":
        args[-1] = "none"
    if verb == "madvise":
        args[-1] = args[-1].upper()
    yield " ".join([actor, verb, *args])


def misses(row: RecordedOrder) -> Iterable[str]:
    """Every field of the recorded operation that the model does not predict."""
    program = program_of(row)
    step = ModelMachine(row.version).run_one(program).steps[len(program.ops) - 1]
    return wrong(f"{row.op_id} on {row.series} at `{row.ops[-1]}`", _compare(row, step))


def _compare(row: RecordedOrder, step: Step) -> Iterator[tuple[str, object, object]]:
    failed = re.fullmatch(r"-1 E(\d+)", row.ret)
    yield "result", "ok" if failed is None else f"E{failed[1]}", _numbered(step.result)
    yield "events", list(_core(row.events)), list(step.events or ())
    yield "flushes", row.flushes, step.flushes
    book = [(entry.span.start, entry.span.end, entry.mode.upper()) for entry in step.book or ()]
    yield "book", row.state.book, book
    recorded = [_state_vma(vma) for vma in row.state.vmas]
    # Recordings list VMAs by address, and their letters lie in alphabetical order.
    predicted = [_predicted_vma(vma, step) for vma in step.vmas or ()]
    yield "vmas", sorted(recorded, key=str), sorted(predicted, key=str)


def _numbered(result: str) -> str:
    return "ok" if result == "ok" else f"E{getattr(errno, result)}"


def _core(events: list[str]) -> Iterator[str]:
    """The core order in our words."""
    named = ((name, where.partition("<")[0]) for name, _, where in (event.partition(":") for event in events))
    for word, place in core_order(list(named)):
        yield f"{word} {_place(place)}" if place else word


def _place(text: str) -> str:
    """``A+3..5`` as ``a[3:5]``, ``A+3`` as ``a[3]``, ``+3`` as ``bar[3]``."""
    letter, plus, pages = text.partition("+")
    if not plus:
        return text
    return f"{letter.lower() or BAR}[{pages.replace('..', ':')}]"


def _state_vma(vma: RecordedVma) -> list[object]:
    letter, start = vma.at.split("+")
    ctx = vma.ctx
    tracked = [ctx.at, ctx.at + ctx.n, ctx.kref] if ctx else "VM_PAT" if vma.vm_pat else None
    span = Span(letter.lower(), int(start), int(start) + vma.n)
    return [task_name(str(vma.actor)), str(span), vma.flags, vma.pgoff, tracked, vma.pte]


def _predicted_vma(vma: VmaSeen, step: Step) -> list[object]:
    """One VMA in the form of the recording."""
    offset = vma.offset.start if vma.offset is not None else None
    return [vma.task, str(vma.span), vma.flags, offset, _tracked(vma, step), list(_ptes(vma, step))]


def _tracked(vma: VmaSeen, step: Step) -> object:
    for tracked in step.tracked_ranges:
        if (vma.task, vma.span) not in tracked.users:
            continue
        place = tracked.place
        return [place.start, place.end, tracked.refs] if isinstance(place, Span) else place
    return None


def _ptes(vma: VmaSeen, step: Step) -> Iterator[str]:
    """The entries of one VMA, pages counted from its start."""
    for run in step.ptes or ():
        if run.task != vma.task or run.span.name != vma.span.name:
            continue
        start, end = max(run.span.start, vma.span.start), min(run.span.end, vma.span.end)
        if start < end:
            pages = _pages(start - vma.span.start, end - vma.span.start)
            yield f"{pages} {_entry(run, start - run.span.start)}"


def _pages(start: int, end: int) -> str:
    return str(start) if end == start + 1 else f"{start}..{end - 1}"


def _entry(run: PteSeen, skipped: int) -> str:
    if run.target is None:
        return "none" if run.entry == "none@L1" else run.entry
    place = "ram" if run.target == RAM else f"bar+{run.target.start + skipped}"
    entry = run.table_entry
    bits = [("S" if flag == "SPECIAL" else flag) for flag in entry.flags if flag not in ("P", "US")]
    return " ".join([place, entry.mode, *bits])
