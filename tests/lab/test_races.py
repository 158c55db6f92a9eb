"""The recorded schedules once more, on kernels: what the model says, and what was recorded elsewhere.

The default run asks the newest series for the first table: munmap of one mapping, its page table kept; ``make
test-older`` asks the oldest too, ``PFNLAB_KERNELS=all`` every series for which a driver can be built, and
``make test-races`` runs every schedule there is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from comparing import COMPARED
from having import (
    EVERY_SERIES,
    NEW,
    OLD,
    bootable,
    lacking,
    model_of,
    recorded_as,
)
from targets import TARGET

from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.lang.ops import Program, Release
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.observation import Run
from tests.recorded.races import RecordedRace, compare, program_of
from tests.recorded.recorded_calls import Waiting

RECORDED = Path(__file__).parents[1] / "recorded" / "races.jsonl"
EVERY = TARGET == "races"
#: What is asked x schedule of this operation.
TABLES = ("munmap",)
ASKED = ("6.1", "6.12", "7.2", "7.3") if EVERY_SERIES or EVERY else (OLD, NEW)

#: Where both operations work on the same VMA once they are let go, who comes first is a matter of timing:
#: these are compared up to the release.
TIMING = {
    ("munmap-three", "untrack_pfn#2:ret", "umr_same"): "both untrack the third mapping, one of them in vain",
    (
        "munmap-three",
        "flush_tlb_mm_range#2",
        "umr_same",
    ): "both untrack the third mapping, one of them in vain",
    ("mprotect", "tlb_finish_mmu", "munmap_m"): "the reader gets mmap_lock before or after the munmap",
    ("mprotect", "tlb_finish_mmu:ret", "munmap_m"): "the reader gets mmap_lock before or after the munmap",
    (
        "fork",
        "vma_interval_tree_insert_after",
        "umr_same",
    ): "the child is tracked before or after it is zapped",
    (
        "fork",
        "vma_interval_tree_insert_after",
        "umr_other",
    ): "the child is tracked before or after it is zapped",
    ("fault", "pt_fault", "munmap_n"): "main reads once more before or after its entry is gone",
    ("fault", "pt_fault", "mprot_n"): "main reads once more before or after its entry is gone",
    ("fault", "vmf_insert_pfn_prot", "munmap_n"): "main reads once more before or after its entry is gone",
    ("fault", "vmf_insert_pfn_prot", "mprot_n"): "main reads once more before or after its entry is gone",
    (
        "fault",
        "vmf_insert_pfn_prot:ret",
        "munmap_n",
    ): "main reads once more before or after its entry is gone",
    ("fault", "vmf_insert_pfn_prot:ret", "mprot_n"): "main reads once more before or after its entry is gone",
    ("fault", "pt_fault:ret", "munmap_n"): "main reads once more before or after its entry is gone",
    ("fault", "pt_fault:ret", "mprot_n"): "main reads once more before or after its entry is gone",
}

#: What pytest's record_property is.
Record = Callable[[str, object], None]

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]


def schedules(series: str, *, whole: bool = EVERY) -> list[tuple[RecordedRace, Program]]:
    """The schedules of a series that can be said, as programs; every sixth unless *whole*."""
    found = []
    for line in RECORDED.read_bytes().splitlines():
        row = msgspec.json.decode(line, type=RecordedRace)
        if row.series != recorded_as(series) or not (EVERY or row.race in TABLES):
            continue
        try:
            found.append((row, program_of(row)))
        except Waiting:
            continue
    return found if whole else found[::6]


def before_release(program: Program, run: Run) -> Run:
    """The run as far as nothing depends on who comes first."""
    at = next(number for number, op in enumerate(program.ops) if isinstance(op.call, Release))
    return msgspec.structs.replace(run, steps=run.steps[:at])


def on_kernel(series: str, programs: list[Program]) -> list[Run]:
    """The programs on the real kernel; a missing lab skips, or fails where it is required."""
    bootable(series)
    with QemuMachine(series, guests=1) as machine:
        runs = machine.run(programs)
    if str(runs[0].undecided).startswith("no headers for "):
        lacking(str(runs[0].undecided))
    return runs


@pytest.mark.parametrize(
    "series",
    [
        pytest.param(
            series,
            marks=[
                pytest.mark.xdist_group(f"races-{series}"),
                *([pytest.mark.target("races")] if EVERY else ()),
            ],
        )
        for series in ASKED
    ],
)
def test_schedules_do_on_the_kernel_what_the_model_says_and_what_was_recorded(
    series: str, record_property: Record
) -> None:
    """
    Who returns, who waits for what, who still reads, entries, book, flushes: zero differences.
    """
    known = schedules(series)
    runs = on_kernel(series, [program for _, program in known])

    found = []
    for (row, program), real in zip(known, runs, strict=True):
        predicted = ModelMachine(model_of(series)).run_one(program, check=True)
        if real.unfinished is not None:
            found.append(f"{row.case}: {real.unfinished}")
            continue
        pair = [predicted, real]
        if (row.race, row.held, row.by) in TIMING:
            pair = [before_release(program, run) for run in pair]
        found += [f"{row.case}: {difference}" for difference in differences(pair)[:1]]
        found += [
            f"{row.case}: {what} recorded {recorded!r}, seen {seen!r}"
            for what, recorded, seen in compare(row, program, real.steps)
            if recorded != seen
        ]
    record_property(COMPARED, f"{series}: {len(known)} schedules, {len(found)} differences, {runs[0].kernel}")
    assert [] == found


@pytest.mark.xdist_group(f"races-{ASKED[-1]}")
def test_a_model_that_does_not_flush_is_noticed() -> None:
    """
    A model without the forced flush differs from the kernel, so the comparison can fail (S8.3).
    """
    series = ASKED[-1]
    wanted = ("munmap", "unlink:ret", "umr_same")
    found = schedules(series, whole=True)
    program = next(program for row, program in found if (row.race, row.held, row.by) == wanted)
    (real,) = on_kernel(series, [program])

    wrong = ModelMachine(f"{model_of(series)},flush=none").run_one(program)

    assert ["s: read a[0]"] == [one.op for one in differences([wrong, real]) if one.field == "result"]
