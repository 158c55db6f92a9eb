"""The lens on real kernels: what it sees inside is what was reported outside, and what the model says.

The default run asks the oldest and the newest series; ``PFNLAB_KERNELS=all`` asks all ten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from litmus_files import litmus_file

pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")

from drgn import Program as DrgnProgram
from drgn.helpers.linux.list import list_for_each_entry
from drgn.helpers.linux.mm import for_each_vma
from drgn.helpers.linux.rbtree import rbtree_inorder_for_each_entry
from having import ASKED, bootable
from stepped_guest import SteppedGuest

from pfnlab.kernel.policies.releases import series_of
from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.btf import Btf
from pfnlab.lab.lens.memory import GuestRam, MemorySource, open_core
from pfnlab.lab.lens.plain import RawState
from pfnlab.lab.lens.program import find_symbols, open_program
from pfnlab.lab.lens.snapshot import Lens
from pfnlab.lab.lens.vmlinux import btf_of
from pfnlab.lab.running.inside_state import (
    LensState,
    Words,
    vma_counted,
)
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step
from pfnlab.programs.runs.places import Places

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


#: Programs that between them have every interface, fork, copies, moves, seals and missing tables.
PROGRAMS = (
    *(
        "munmap-middle",
        "fork-after-split",
        "copied-middle-munmap",
        "split-by-mseal",
        "mprotect-none-and-back",
    ),
    *("mremap-move-middle", "proc", "devmem-straddle", "exit-after-split", "fixed-anon-middle"),
)

MIDDLE = """pfnlab program 1
title t
device bar: pci, 16 pages
a = mmap bar[0:16] wc shared rw
munmap a[4:8]
"""


class Subject:
    """One booted kernel and its lens."""

    def __init__(self, guest: SteppedGuest, series: str) -> None:
        self.guest, self.series = guest, series
        self.types = Btf(btf_of(guest.kernel.vmlinuz), name=guest.kernel.release)
        self.ram = GuestRam(guest.ram)
        self.symbols = find_symbols(self.ram)
        self.lens = self.look_into(self.ram)

    def look(self, pids: Mapping[str, int], places: Places) -> LensState:
        """The state now, in words."""
        return Words().state(self.lens.snapshot(pids, places), places)

    def program(self, source: MemorySource) -> DrgnProgram:
        """A drgn program over this kernel's memory."""
        return open_program(source, self.types, self.symbols)

    def look_into(self, source: MemorySource) -> Lens:
        """A lens over this kernel's memory."""
        return Lens(self.program(source), source, self.symbols)


@pytest.fixture(
    scope="module",
    params=[pytest.param(series, marks=pytest.mark.xdist_group(f"kernel-{series}")) for series in ASKED],
)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """Each series asked for, booted once."""
    bootable(request.param)
    with SteppedGuest(request.param) as guest:
        yield Subject(guest, request.param)


def seen_outside(step: Step) -> tuple[object, ...]:
    """The book, VMAs and entries the agent reported."""
    return step.book, step.vmas, step.ptes


def seen_inside(state: LensState, outside: Step) -> tuple[object, ...]:
    """The same, read in the memory of the kernel."""
    return state.book, vma_counted(state, outside.vmas or ()), state.ptes


def test_a_split_mapping(subject: Subject) -> None:
    """
    When the middle goes, 6.1 marks both pieces with VM_PAT; 7.3 lets them share one whole context.
    """
    (_, before), (_, state) = subject.guest.run(MIDDLE, subject.look)
    pieces = (Span("a", 0, 4), Span("a", 8, 16))

    assert [vma.span for vma in state.vmas] == list(pieces)
    assert state.prots == tuple(f"{span} WC" for span in pieces)
    assert state.memory.tlb_gens["main"][1] == before.memory.tlb_gens["main"][1] + 1
    if series_of(subject.series) in ("6.1", "6.12"):
        assert state.tracked == tuple(f"VM_PAT {span}" for span in pieces)
    else:
        assert state.tracked == ("bar[0:16] x2 a[0:4] a[8:16]",)


@pytest.mark.parametrize("name", PROGRAMS)
def test_inside_is_outside_is_the_model(name: str, subject: Subject) -> None:
    """
    Book, VMAs and entries are those debugfs, smaps and the agent reported; the tracker is the model's.
    """
    program = load_program(litmus_file(name))
    model = ModelMachine(subject.series).run_one(program)

    for step, (outside, state) in zip(model.steps, subject.guest.run(program, subject.look), strict=False):
        assert seen_outside(outside) == seen_inside(state, outside), outside.op
        assert state.tracked == step.tracked, outside.op
        assert state.prots == step.prots, outside.op


def test_drgn_sees_the_same(subject: Subject) -> None:
    """
    drgn's own walks over lists, VMAs and trees work on the program and find what the lens found.
    """

    def both(pids: Mapping[str, int], places: Places) -> tuple[RawState, list[int], int]:
        program = subject.program(subject.ram)
        tasks = list_for_each_entry("struct task_struct", program["init_task"].tasks.address_of_(), "tasks")
        (task,) = (task for task in tasks if task.pid.value_() == pids["main"])
        bits = [int(vma.vm_flags.value_()) for vma in for_each_vma(task.mm)]
        root = program["memtype_rbroot"].rb_root.address_of_()
        entries = list(rbtree_inorder_for_each_entry("struct memtype", root, "rb"))
        return subject.lens.snapshot(pids, places), bits, len(entries)

    ((_, (state, bits, entries)),) = subject.guest.run(MIDDLE, both, [1])

    assert {vma.bits for vma in state.spaces[0].vmas} <= set(bits)
    assert entries >= len(state.book) > 0


@pytest.mark.parametrize("form", ["elf", "kdump-zlib"])
def test_a_dump_shows_the_same_state(form: str, subject: Subject, tmp_path: Path) -> None:
    """
    A vmcore of the guest gives the state the live guest has at that moment.
    """

    def both(pids: Mapping[str, int], places: Places) -> tuple[LensState, LensState]:
        subject.guest.dump(tmp_path / "vmcore", form)
        core = open_core(tmp_path / "vmcore")
        try:
            dumped = Words().state(subject.look_into(core).snapshot(pids, places), places)
        finally:
            core.close()
        return subject.look(pids, places), dumped

    ((_, (live, dumped)),) = subject.guest.run(MIDDLE, both, [1])

    assert dumped == live


@pytest.mark.target("long")
def test_damaged_ram_ends_in_an_error(subject: Subject, tmp_path: Path) -> None:
    """
    Zeroed, cut off or overwritten copies of a guest's RAM end in an error, or in a state.
    """

    def copy(pids: Mapping[str, int], places: Places) -> tuple[bytes, Mapping[str, int], Places]:
        return subject.guest.ram.read_bytes(), pids, places

    ((_, (memory, pids, places)),) = subject.guest.run(MIDDLE, copy, [1])
    for number, (start, end, filler) in enumerate(
        [(0x1000000, len(memory), b"\0"), (0x4000000, 0xC000000, b"\xff"), (0x8000000, len(memory), b"\x88")]
    ):
        path = tmp_path / str(number)
        path.write_bytes(memory[:start] + filler * (end - start) + memory[end:])
        with GuestRam(path) as ram:
            try:
                Words().state(subject.look_into(ram).snapshot(pids, places), places)
            except LensError as reason:
                assert str(reason)
        path.unlink()


@pytest.mark.target("long")
def test_many_mappings_at_once(subject: Subject) -> None:
    """
    Fifty VMAs, trees of several levels: none is missed.
    """
    maps = [f"a{number} = mmap bar[{32 * number}:{32 * number + 32}] wc shared rw" for number in range(25)]
    holes = [f"munmap a{number}[15:17]" for number in range(25)]
    text = "\n".join(["pfnlab program 1", "title t", "device bar: pci, 800 pages", *maps, *holes, ""])

    ((outside, state),) = subject.guest.run(text, subject.look, [49])

    assert len(state.vmas) == 50
    assert seen_outside(outside) == seen_inside(state, outside)
