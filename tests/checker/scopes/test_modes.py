"""The cache modes in which frames are reached, by entries and by what processors remember."""

from __future__ import annotations

from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.units import PfnRange
from pfnlab.checker.scopes.modes import FrameReach, agree, differing, modes_agree, remembered_in
from pfnlab.checker.scopes.moment import StateView
from pfnlab.checker.scopes.state_judges import one_mode
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.execution import SequentialExecution
from pfnlab.programs.model.model_machine import ModelMachine, place
from pfnlab.programs.runs.places import Places

WC, UC = CacheMode.WC, CacheMode.UC_MINUS

_PIECES = st.lists(
    st.tuples(st.integers(0, 12), st.integers(1, 5), st.sampled_from([WC, UC])).map(
        lambda one: (PfnRange(one[0], one[0] + one[1]), one[2])
    ),
    max_size=6,
)


@given(_PIECES)
def test_pieces_agree_where_each_frame_has_one_mode(pieces: list[tuple[PfnRange, CacheMode]]) -> None:
    """As frame by frame, whatever their order."""
    modes: dict[int, list[CacheMode]] = {}
    for frames, mode in pieces:
        for pfn in range(*frames):
            modes.setdefault(pfn, []).append(mode)
    shared = [found for found in modes.values() if len(found) > 1]

    assert (all(len(set(found)) == 1 for found in shared) if shared else None) == agree(pieces)


@for_each(
    ("remembered", "left"),
    [
        (FrameReach(0, 5, PfnRange(15, 16), WC), False),
        (FrameReach(0, 5, PfnRange(15, 16), UC), True),
        (FrameReach(0, 5, PfnRange(16, 17), WC), True),
        (FrameReach(0, 9, PfnRange(19, 20), WC), True),
        (FrameReach(1, 5, PfnRange(15, 16), WC), True),
    ],
    ids=["as an entry", "another mode", "another frame", "no entry", "another address space"],
)
def test_a_translation_that_an_entry_has_is_no_other(remembered: FrameReach, left: bool) -> None:
    """Frames 12 to 17 are at pages 2 to 7."""
    entry = FrameReach(0, 2, PfnRange(12, 18), WC)

    assert [remembered] * left == differing([entry], [remembered, remembered])


def _kernel(*lines: str) -> Kernel:
    """The kernel of 7.3 after these operations."""
    program = load_text("\n".join(("pfnlab program 1", "device bar: pci, 4 pages", *lines, "")))
    platform, devices, _ = place(program)
    kernel = ModelMachine("7.3").boot(platform, devices)
    kernel.start_task("main")
    running = SequentialExecution(kernel, Places.of(program, devices))
    for op in program.ops:
        running.step(op)
    return kernel


def _forgotten(kernel: Kernel) -> EntryRun:
    """The translation of the main task, which a flush takes away."""
    (translation,) = kernel.tasks["main"].tlb.state()
    return translation


@for_each(("mode", "agrees"), [("uc", False), ("wc", None)])
def test_a_state_has_what_processors_remember(mode: str, agrees: bool | None) -> None:
    """A translation that no flush took away counts beside a mapping that was made later."""
    before = _forgotten(_kernel("c = fork", "a = mmap bar[0:4] wc shared rw", "read a[0]"))
    kernel = _kernel("c = fork", f"c: b = mmap bar[0:4] {mode} shared rw")

    kernel.tasks["main"].tlb.fill(before)

    assert [agrees, agrees is None or agrees] == [one_mode.judge(StateView(kernel, ())), modes_agree(kernel)]


def test_what_entries_have_is_not_counted_twice() -> None:
    """A mapping whose pages were touched is one mapping: no frame is in two places."""
    kernel = _kernel("a = mmap bar[0:4] wc shared rw", "read a[0]", "t = thread", "t: read a[0]")

    assert 2 == len(list(remembered_in(kernel)))
    assert [None, None] == [one_mode.judge(StateView(kernel, ())), modes_agree(kernel)]


@for_each(("file", "kept"), [("uc", True), ("wc", None)])
def test_one_mode_is_kept_only_where_two_were_asked_for(file: str, kept: bool | None) -> None:
    """Two mappings that ask for the same mode cannot differ, so their agreement means nothing."""
    kernel = _kernel("a = mmap bar[0:4] wc shared rw", f"b = mmap bar[1:2] {file} shared rw")

    assert kept == one_mode.judge(StateView(kernel, ()))
