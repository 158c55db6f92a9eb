"""Recorded schedules (JSON lines): one operation held inside a kernel function, another begun meanwhile.

Each is made a program of three tasks: ``main``, whose operation is held, a second one beside it (a thread
``t``, or ``p``, another process), and ``s``, a thread that has read every page before and reads again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

from msgspec import Meta

from pfnlab.base.errors import ProgramError, Undecided
from pfnlab.programs.lang.device_ops import UnmapMappingRange
from pfnlab.programs.lang.ops import MAIN_TASK, Program
from pfnlab.programs.lang.text import parse
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import HELD, WAITS, Step
from tests.recorded.cases import RecordedRelease, wrong
from tests.recorded.recorded_calls import Waiting

#: The letters that recordings use for the reason of a wait.
_NEEDS = {
    "IPI": "I",
    "mmap_lock": "M",
    "i_mmap_rwsem": "i",
    "page_table_lock": "p",
    "memtype_lock": "b",
}

#: The operation of main.
_HELD = {
    "munmap": "munmap a[0:4]",
    "munmap-table": "munmap a[0:4]",
    "munmap-three": "munmap a[0:12]",
    "mremap": "e = mremap a[0:4] 4 pages maymove fixed",
    "mprotect": "mprotect a[0:4] none",
    "fork": "f = fork",
    "zap": "zap_vma_ptes a[0:4]",
    "revoke": "unmap_mapping_range bar[0:4]",
    "dontneed": "madvise d dontneed",
    "fixed": "mmap anon[0:4] private rw over a[0:4]",
    "mmap": "mmap bar[0:4] driver remap wc shared rw over a[0:4]",
    "fault": "read a[13]",
}

#: The task beside main, and its operation.
_BESIDE = {
    "umr_same": ("t", "unmap_mapping_range bar[0:12]"),
    "umr_proc": ("p", "unmap_mapping_range bar[0:12]"),
    "umr_other": ("p", "unmap_mapping_range bar[0:12]"),
    "umr_n": ("p", "unmap_mapping_range bar[16:20]"),
    "zap_same": ("t", "zap_vma_ptes a[0:4]"),
    "fault_near": ("t", "read a[13]"),
    "read_same": ("t", "read a[1]"),
    "munmap_m": ("t", "munmap a[0:4]"),
    "munmap_n": ("t", "munmap a[12:16]"),
    "munmap_w": ("t", "munmap w"),
    "mprot_n": ("t", "mprotect a[12:16] none"),
    "dontneed": ("t", "madvise d dontneed"),
    "fork_same": ("t", "c = fork"),
    "list": ("p", "memtype_list"),
    "mmap_uc": ("p", "q = mmap bar[0:4] driver remap uc- shared rw"),
}

#: Functions whose names differ between series, or are the recording driver's, in our words.
_PLACES = {
    "pt_mmap": "pfnlab_mmap",
    "pt_fault": "pfnlab_fault",
    "vma_interval_tree_remove": "rmap_del",
    "vma_interval_tree_insert": "rmap_add",
    "vma_interval_tree_insert_after": "rmap_add",
}


class RecordedRace(RecordedRelease):
    """One schedule on one kernel.

    :param race: the operation that was held
    :param held: the place: ``f``, ``f#2`` (its second call), ``f:ret`` (its return)
    :param by: the operation that was begun meanwhile; ``read`` for none
    :param answer: ``R`` it returned, else the reason it waited for (:data:`_NEEDS`)
    :param errno: its error, if any
    :param flushes: how often the held task's address space was flushed meanwhile
    :param mode: the cache mode a new mapping got
    :param reads: the result of the thread that had read before and reads again: ``live`` (the entry is
        there), ``STALE`` (it is not), ``fault``, ``refault`` (a handler put the page back), ``waits M``
    :param escaped: entries of a range that was revoked are there at the end
    """

    race: str
    held: Annotated[str, Meta(pattern=r"^\w+(#[0-9]{1,6})?(:ret)?$")]
    by: str
    answer: str | None = None
    errno: str | None = None
    flushes: int | None = None
    mode: str | None = None
    reads: str | None = None
    escaped: bool = False

    @property
    def case(self) -> str:
        """The name of the schedule, whatever the kernel."""
        return f"{self.race} held at {self.held}, beside it {self.by}"


def program_of(row: RecordedRace) -> Program:
    """The schedule as a program.

    :raises Waiting: it cannot be said yet
    """
    if row.race not in _HELD:
        raise Waiting(row.race, f"{row.race} that is held")
    try:
        return parse("\n".join(_lines(row)) + "\n", row.case)
    except ProgramError as error:
        raise Waiting(row.case, str(error)) from None


def _lines(row: RecordedRace) -> Iterator[str]:
    yield "pfnlab program 1"
    yield f"title {row.case}"
    yield from ("device bar: pci, 64 pages", "area a: 16 pages")
    beside, action = _BESIDE.get(row.by, ("", ""))
    pages = {"munmap-three": (0, 4, 8), "mmap": ()}.get(row.race, (0,))
    if beside == "p":
        yield "p = fork"
    for at in pages:
        yield f"mmap bar[{at}:{at + 4}] driver remap wc shared rw over a[{at}:{at + 4}]"
    if row.race != "munmap-table":
        # It keeps the page table when its neighbour goes.
        yield "mmap bar[16:20] driver fault wc shared rw over a[12:16]"
    yield from ("w = mmap anon[0:4] private rw populate", "d = mmap anon[0:16] private rw populate")
    if row.by == "umr_proc":
        yield "p: g = mmap bar[0:4] driver remap wc shared rw"
    if beside == "t":
        yield "t = thread"
    yield "s = thread"
    for at in pages:
        yield f"write a[{at}] 7"
        yield from (f"s: read a[{page}]" for page in range(at, at + 4))
    yield f"hold {_place(row)}: {_HELD[row.race]}"
    if action:
        yield f"{beside}: {action}"
    yield from ("s: read a[0]", "release", "look")


def _place(row: RecordedRace) -> str:
    held, colon, _ = row.held.partition(":")
    function, _, nth = held.partition("#")
    return f"{_PLACES.get(function, function)}{f' {nth}' if nth else ''}{' return' if colon else ''}"


def misses(row: RecordedRace) -> Iterable[str]:
    """Everything recorded of the schedule that the model does not predict.

    :raises Waiting: it cannot be said yet, or the model has no rule for it
    """
    program = program_of(row)
    try:
        steps = ModelMachine(row.version).run_one(program).steps
    except Undecided as undecided:
        raise Waiting(row.case, str(undecided)) from None
    return wrong(f"{row.case} on {row.series}", compare(row, program, steps))


def compare(
    row: RecordedRace, program: Program, steps: Sequence[Step]
) -> Iterator[tuple[str, object, object]]:
    """The recorded fields beside those of *steps*, a run of its program on any machine."""
    at = next(number for number, op in enumerate(program.ops) if op.hold is not None)
    held, beside, reads = steps[at], steps[at + 1], steps[at + 1 + (row.answer is not None)]
    yield "held", HELD, held.result
    if row.answer is not None:
        yield "answer", row.answer, _answer(beside)
        yield "errno", row.errno, _errno(beside)
    if row.flushes is not None and row.by != "umr_proc":
        # Of that one the other process' own flush is counted with it.
        yield "flushes", row.flushes, beside.flushes
    if row.reads is not None:
        yield "reads", row.reads, _reads(reads, steps[at + (row.answer is not None)])
    if row.mode is not None:
        yield "mode", row.mode, _mode(steps[-2])
    if row.escaped:
        yield "escaped", True, _escaped(program, at, steps[-2])


def _answer(step: Step) -> str:
    if step.result == WAITS:
        return _NEEDS[str(step.value)]
    return "R"


def _escaped(program: Program, at: int, last: Step) -> bool:
    """True where main has entries of the device pages that were revoked beside its operation."""
    revoked = program.ops[at + 1].call
    if not isinstance(revoked, UnmapMappingRange):
        return False
    return any(
        run.task == MAIN_TASK
        and run.target is not None
        and run.target.name == revoked.span.name
        and revoked.span.start <= run.target.start < revoked.span.end
        for run in last.ptes or ()
    )


def _errno(step: Step) -> str | None:
    return step.result if step.result not in ("ok", WAITS) else None


def _reads(step: Step, before: Step) -> str:
    if step.result == WAITS:
        return f"waits {_NEEDS[str(step.value)]}"
    if step.result != "ok":
        return "fault"
    if _entry_is_there(before):
        return "live"
    return "refault" if _entry_is_there(step) else "STALE"


def _entry_is_there(step: Step) -> bool:
    """True where page 0 of area ``a`` has an entry that lets the first task read."""
    return any(
        run.task == MAIN_TASK and run.span.name == "a" and run.span.start == 0 and run.table_entry.is_present
        for run in step.ptes or ()
    )


def _mode(step: Step) -> str | None:
    """The cache mode of the entries of area ``q`` of the task beside."""
    modes = [run.table_entry.mode for run in step.ptes or () if (run.task, run.span.name) == ("p", "q")]
    return modes[0] if modes else None
