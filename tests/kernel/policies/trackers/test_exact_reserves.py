"""exact at every moment a processor can be held at: each mapped frame is reserved, with one mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import pytest
from drawing import drawn
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st
from litmus_files import FILES, program_of

from pfnlab.base.errors import Undecided
from pfnlab.base.units import PfnRange, phys_to_pfn
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.space import TASK_PAGES, MmStruct
from pfnlab.kernel.mm.users.driver import DriverFile
from pfnlab.kernel.policies.boot import boot
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.programs.lang.device_ops import ArchIoFreeMemtypeWc
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.execution import ConcurrentExecution, SequentialExecution
from pfnlab.programs.runs.places import Places


@cache
def races() -> list[Path]:
    """The programs that hold a processor."""
    return [path for path in FILES.values() if program_of(path).needs.held]


def flushed() -> list[Path]:
    """Those of them that leave no flush out."""
    return [path for path in races() if path.stem != "race-flush-left-out"]


#: Where a BAR begins; frames below are RAM.
BAR = 0xF8000

#: A frame, who maps it, and the mode there.
Mapped = tuple[int, str, CacheMode]


def moments(tracker: str, program: Program) -> Iterator[Kernel]:
    """The kernel after each step of a program, whether somebody is held or not."""
    kernel = boot(replace(PROFILES["7.2"], tracker=tracker), qemu_q35())
    kernel.start_task("main")
    starts = {device.name: 0x10 if device.kind == "lowmem" else BAR for device in program.devices}
    devices = {one.name: PfnRange(starts[one.name], starts[one.name] + one.pages) for one in program.devices}
    places = Places.of(program, devices)
    running = (
        ConcurrentExecution(kernel, places) if program.needs.held else SequentialExecution(kernel, places)
    )
    for op in program.ops:
        try:
            running.step(op)
        except Undecided:
            # Half of it may have been done: nobody goes on from there.
            return
        yield kernel


def mapped(kernel: Kernel) -> set[Mapped]:
    """Every device frame that any address space maps, where a tracker is asked."""
    pat = kernel.platform.pat
    return {
        (pfn, task.comm, pat.pgprot2cachemode(run.bits))
        for task in kernel.processes()
        # Also where munmap has detached the VMA already.
        for run in task.mm.tables.runs(0, TASK_PAGES)
        if run.page is None and run.pfn >= BAR and not is_applied(task.mm, run.start)
        for pfn in range(run.pfn, run.pfn + run.end - run.start)
    }


def is_applied(mm: MmStruct, vpn: int) -> bool:
    """Whether the page was mapped by apply_to_page_range, which asks nobody."""
    vma = mm.vma_lookup(vpn)
    return vma is not None and isinstance(vma.file, DriverFile) and vma.file.how == "apply"


def unreserved(kernel: Kernel) -> set[Mapped]:
    """The frames that somebody maps with a mode the book does not have for them."""
    book = [(phys_to_pfn(one.start), phys_to_pfn(one.end), one.type) for one in kernel.book.entries()]
    return {
        (pfn, who, mode)
        for pfn, who, mode in mapped(kernel)
        if not any(start <= pfn < end and mode == has for start, end, has in book)
    }


@for_each("path", races, ids=lambda path: path.stem)
def test_while_somebody_is_held(path: Path) -> None:
    """In every schedule of litmus/, before and after what others do meanwhile."""
    assert [set()] == list({frozenset(unreserved(one)): None for one in moments("exact", program_of(path))})


def remembered(kernel: Kernel) -> set[int]:
    """The device frames that some processor has a translation of."""
    runs = [run for task in kernel.tasks.values() for run in task.tlb.state() if run.page is None]
    return {pfn for run in runs if run.pfn >= BAR for pfn in range(run.pfn, run.pfn + run.end - run.start)}


@for_each("path", flushed, ids=lambda path: path.stem)
def test_while_a_processor_remembers(path: Path) -> None:
    """In every schedule that leaves no flush out: a translation that may be used is to a reserved frame."""
    for kernel in moments("exact", program_of(path)):
        book = [(phys_to_pfn(one.start), phys_to_pfn(one.end)) for one in kernel.book.entries()]
        assert all(any(start <= pfn < end for start, end in book) for pfn in remembered(kernel))


def test_processors_remember() -> None:
    """Something, in those schedules."""
    assert any(remembered(one) for path in flushed() for one in moments("exact", program_of(path)))


@pytest.mark.parametrize(
    "place", ["pfnmap_untrack", "pfnmap_untrack return", "memtype_erase", "tlb_finish_mmu"]
)
def test_while_munmap_lets_go(place: str) -> None:
    """Where the reservation goes no entry is left."""
    ops = ("device bar: pci, 16 pages", "a = mmap bar[0:4] wc shared rw", "t = thread", "write a[0] 7")
    program = load_text("\n".join(("pfnlab program 1", *ops, f"hold {place}: munmap a", "release", "")))

    assert [set()] * len(program.ops) == [unreserved(kernel) for kernel in moments("exact", program)]


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_whatever_drivers_do(seed: int) -> None:
    """Parts, inserts, zaps and revocations: nobody maps a frame otherwise than the book says."""
    program = drawn(seed, driver=True)
    # This frees whatever somebody has reserved there.
    ops = tuple(op for op in program.ops if not isinstance(op.call, ArchIoFreeMemtypeWc))
    for kernel in moments("exact", msgspec.structs.replace(program, ops=ops)):
        assert set() == unreserved(kernel)


def test_track_ctx_does_not() -> None:
    """The same on a kernel's tracker: what a handler inserted nobody has reserved."""
    programs = (drawn(seed, driver=True) for seed in range(40))

    assert any(unreserved(kernel) for program in programs for kernel in moments("track_ctx", program))


def test_something_is_mapped() -> None:
    """The programs map frames at all."""
    programs = (drawn(seed, driver=True) for seed in range(10))

    assert any(mapped(kernel) for program in programs for kernel in moments("exact", program))
