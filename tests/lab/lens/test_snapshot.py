"""The state of a kernel made by hand: what is read, and how damaged memory ends."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")

import toy_kernel as toy
from toy_kernel import PLACES, SYMBOLS, ToyKernel

from pfnlab.kernel.mm.flags import VM_LOCKED
from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.memory import GuestRam
from pfnlab.lab.lens.program import find_symbols, open_program
from pfnlab.lab.lens.snapshot import Lens
from pfnlab.lab.running.inside_state import LensState, Words
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import BookEntry, PteSeen
from pfnlab.programs.runs.places import Places

TYPES = toy.types()

#: Bounded means this, in seconds.
LIMIT = 5.0


def look(kernel: ToyKernel, folder: Path, places: Places = PLACES) -> LensState:
    """The state of the toy kernel."""
    with GuestRam(kernel.save(folder / "ram")) as ram:
        return Words().state(
            Lens(open_program(ram, TYPES, SYMBOLS), ram, SYMBOLS).snapshot({"main": 7}, places), places
        )


def test_the_whole_state_is_read(tmp_path: Path) -> None:
    """
    VMAs, their shared context with its count, the book in list order, and page-table entries.
    """
    state = look(ToyKernel(), tmp_path)
    first, second = Span("a", 0, 4), Span("a", 8, 16)
    flags = "rd wr sh mr mw ms pf io de dd"
    entry = "L1 WC P RW US SPECIAL A D"

    assert [(vma.span, vma.file, vma.perms, vma.offset, vma.flags) for vma in state.vmas] == [
        (first, "wc", "rw-s", Span("bar", 0, 4), flags),
        (second, "wc", "rw-s", Span("bar", 8, 16), flags),
    ]
    assert state.prots == ("a[0:4] WC", "a[8:16] WC")
    assert state.tracked == ("bar[0:16] x2 a[0:4] a[8:16]",)
    assert state.book == (BookEntry("bar", 0, 16, "wc"), BookEntry("bar", 2, 4, "wc"))
    assert [(run.span, run.target, run.entry.replace(" A", "").replace(" D", "")) for run in state.ptes] == [
        (first, Span("bar", 0, 4), entry.replace(" A D", "")),
        (Span("a", 4, 8), None, "none@L1"),
        (second, Span("bar", 8, 16), entry.replace(" A D", "")),
    ]
    assert state.memory.tlb_gens["main"][1] == 5


def test_pages_count_for_the_vma_they_are_in(tmp_path: Path) -> None:
    """
    Ordinary memory is counted by its struct page: anonymous or not, and of a shared page a part is locked.
    """
    kernel = ToyKernel()
    for page, frame, anonymous, mapcount in [(3, 0x90, 0, 1), (8, 0x91, 1, 2), (15, 0x92, 1, 4)]:
        kernel.ordinary(page, frame, anonymous=anonymous, mapcount=mapcount)
    kernel.put(toy.VMAS + toy.VMA_SIZE + 24, toy.FLAGS | VM_LOCKED)

    first, second = look(kernel, tmp_path).vmas

    assert (4, 0, 0) == (first.rss, first.anonymous, first.locked)
    assert (8, 8, 3) == (second.rss, second.anonymous, second.locked)


@pytest.mark.parametrize(
    "areas",
    [
        {"a": (toy.AREA, 12)},
        {"a": (toy.AREA, 9)},
        {"a": (toy.AREA, 10), "b": (toy.AREA + 11, 2)},
        {"a": (toy.AREA, 10), "b": (toy.AREA + 10, 2), "c": (toy.AREA + 14, 9)},
    ],
    ids=["behind", "one page of its own", "over the next area", "over two areas"],
)
def test_pages_behind_its_area_count_for_a_vma_that_grew(
    areas: dict[str, tuple[int, int]], tmp_path: Path
) -> None:
    """As smaps counts them, wherever the area ends; their entries are in no area, and are not shown."""
    kernel = ToyKernel()
    for page, frame in [(8, 0x90), (11, 0x91), (13, 0x92), (15, 0x93)]:
        kernel.ordinary(page, frame, anonymous=1, mapcount=1)

    state = look(kernel, tmp_path, Places(PLACES.devices, areas))

    assert (16, 16) == (state.vmas[1].rss, state.vmas[1].anonymous)
    assert set(areas) >= {run.span.name for run in state.ptes}


@pytest.mark.parametrize("mapcount, faults", [(1, 0), (2, 1)])
def test_a_page_behind_its_area_has_its_users_counted(mapcount: int, faults: int, tmp_path: Path) -> None:
    """A count of one is right where one entry maps it, and a count of two is one too many."""
    kernel = ToyKernel()
    kernel.ordinary(15, 0x93, anonymous=0, mapcount=mapcount)

    state = look(kernel, tmp_path, Places(PLACES.devices, {"a": (toy.AREA, 12)}))

    assert faults == sum(fault.name == "counts_left" for fault in state.memory.faults)


def test_the_pages_of_the_clock_are_a_special_mapping(tmp_path: Path) -> None:
    """
    They have no file, and its operations; how often a page is mapped outside of the areas nobody sees.
    """
    kernel = ToyKernel()
    kernel.ordinary(3, 0x90, anonymous=0, mapcount=9)
    kernel.put(toy.VMAS + 40, 0)
    without_operations = look(kernel, tmp_path)
    kernel.put(toy.VMAS + 88, toy.SYMBOLS["special_mapping_vmops"])
    special = look(kernel, tmp_path)

    assert ("anon", None) == (
        without_operations.vmas[0].file,
        without_operations.vmas[0].offset,
    )
    assert ("vvar", None) == (special.vmas[0].file, special.vmas[0].offset)
    assert [1, 0] == [
        sum(fault.name == "counts_left" for fault in state.memory.faults)
        for state in (without_operations, special)
    ]


def test_a_vma_in_two_slots_of_the_tree_is_one(tmp_path: Path) -> None:
    """
    So it is on 6.1 while a VMA is split.
    """
    kernel = ToyKernel()
    (_, whole) = look(kernel, tmp_path).vmas
    kernel.put(toy.TREE + 136, toy.DIRECT + toy.VMAS + toy.VMA_SIZE)

    assert (whole,) == look(kernel, tmp_path).vmas


def test_missing_tables_are_said_with_their_level(tmp_path: Path) -> None:
    """
    Where a table is missing, the level without an entry is named.
    """
    kernel = ToyKernel()
    kernel.put(toy.TABLES + 2 * toy.PAGE + 8 * (toy.AREA >> 9 & 511), 0)

    assert look(kernel, tmp_path).ptes == (PteSeen("main", "a", 0, 16, None, "none@L2"),)


def test_a_stack_ends_where_its_task_says(tmp_path: Path) -> None:
    """
    Only of a task that there is.
    """
    with GuestRam(ToyKernel().save(tmp_path / "ram")) as ram:
        lens = Lens(open_program(ram, TYPES, SYMBOLS), ram, SYMBOLS)

        assert toy.STACK_POINTER == lens.stack_pointer(7)
        with pytest.raises(LensError, match="no process 8"):
            lens.stack_pointer(8)


def test_large_leaves_are_one_run(tmp_path: Path) -> None:
    """
    A 2M leaf maps the area's pages of it, its PAT bit is bit 12.
    """
    kernel = ToyKernel()
    leaf = 0x80000000 | 1 << 12 | 0xE7
    kernel.put(toy.TABLES + 2 * toy.PAGE + 8 * (toy.AREA >> 9 & 511), leaf)

    (run,) = look(kernel, tmp_path).ptes

    assert (run.target, run.entry) == (Span("bar", 0, 16), "L2 WB P RW US A D")


def test_a_task_that_is_gone_is_left_out(tmp_path: Path) -> None:
    """
    The book is still there when the task is not.
    """
    kernel = ToyKernel()
    kernel.put(toy.TASKS + toy.TASK_SIZE + 16, 8)
    state = look(kernel, tmp_path)

    assert state.vmas == ()
    assert len(state.book) == 2


#: What may become of a task that was seen: words where it lies and in init_task, and what is seen then.
AT = toy.TASKS + toy.TASK_SIZE
LATER = {
    "it has no address space any more": ({AT + 24: 0}, []),
    "it is in no list": ({AT + 8: 0xDEAD000000000122, toy.TASKS + 8: toy.IMAGE + toy.TASKS}, []),
    "it is another": ({AT + 16: 8}, []),
    "it has flushed": ({toy.MM + 16: 6}, [6]),
}


@pytest.mark.parametrize("case", LATER)
def test_a_task_that_was_seen_is_seen_as_it_is(case: str, tmp_path: Path) -> None:
    """
    It is remembered where it lies, and not what it was: the whole state is read again.
    """
    words, seen = LATER[case]
    path = ToyKernel().save(tmp_path / "ram")
    with GuestRam(path) as ram:
        lens = Lens(open_program(ram, TYPES, SYMBOLS), ram, SYMBOLS)
        first = Words().state(lens.snapshot({"main": 7}, PLACES), PLACES)
        with path.open("r+b") as file:
            for at, word in words.items():
                file.seek(at)
                file.write(struct.pack("<Q", word))
        second = Words().state(lens.snapshot({"main": 7}, PLACES), PLACES)

    assert [5] == [generation for _, generation in first.memory.tlb_gens.values()]
    assert seen == [generation for _, generation in second.memory.tlb_gens.values()]


def test_a_thread_is_looked_for_once(tmp_path: Path) -> None:
    """
    What is in no list, or has no address space, is not looked for in every snapshot of a program.
    """
    with GuestRam(ToyKernel().save(tmp_path / "ram")) as ram:
        lens = Lens(open_program(ram, TYPES, SYMBOLS), ram, SYMBOLS)
        Words().state(lens.snapshot({"main": 7, "thread": 9}, PLACES), PLACES)
        asked: list[list[int]] = []
        spaces = lens._view.spaces
        lens._view.spaces = lambda pids: spaces(asked.append(list(pids)) or asked[-1])  # type: ignore[method-assign]

        state = Words().state(lens.snapshot({"main": 7, "thread": 9}, PLACES), PLACES)

    assert [[7]] == asked
    assert ["main"] == list(state.memory.tlb_gens)


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ("tlb_gen", "kernel toy: struct mm_struct has no member context.tlb_gen.counter"),
        ("rb_left", "kernel toy: struct memtype has no member rb.rb_left"),
        ("d_name", "kernel toy: struct dentry has no member d_name.name or __d_name.name"),
    ],
)
def test_a_missing_member_is_named_with_its_kernel(member: str, says: str, tmp_path: Path) -> None:
    """
    A kernel whose structures lack what is looked for says so.
    """
    with GuestRam(ToyKernel().save(tmp_path / "ram")) as ram, pytest.raises(LensError, match=says):
        Lens(open_program(ram, toy.types(without=member), SYMBOLS), ram, SYMBOLS)


def test_kernels_without_contexts_have_vm_pat(tmp_path: Path) -> None:
    """
    Without the member, bit 24 says which VMA stands for a reservation.
    """
    kernel = ToyKernel()
    kernel.put(toy.VMAS + 24, toy.FLAGS | 1 << 24)
    with GuestRam(kernel.save(tmp_path / "ram")) as ram:
        program = open_program(ram, toy.types(without="pfnmap_track_ctx"), SYMBOLS)
        state = Words().state(Lens(program, ram, SYMBOLS).snapshot({"main": 7}, PLACES), PLACES)

    assert state.tracked == ("VM_PAT a[0:4]",)


def test_a_kernel_may_keep_the_first_frame_in_each_vma(tmp_path: Path) -> None:
    """
    The word counts where VM_PAT is set; evidence/patches/tracker-base_pfn.patch makes such a kernel.
    """
    kernel = ToyKernel()
    kernel.put(toy.VMAS + 24, toy.FLAGS | 1 << 24)
    kernel.put(toy.VMAS + 48, toy.DEVICE.start + 2)
    with GuestRam(kernel.save(tmp_path / "ram")) as ram:
        program = open_program(ram, toy.types(vma_word="vm_base_pfn"), SYMBOLS)
        state = Words().state(Lens(program, ram, SYMBOLS).snapshot({"main": 7}, PLACES), PLACES)

    assert state.tracked == ("bar[2:6] a[0:4]",)


def test_a_kernel_may_keep_the_end_of_its_frames_in_each_vma(tmp_path: Path) -> None:
    """
    The VMA's size says where they begin; evidence/patches/tracker-per_vma.patch makes such a kernel.
    """
    kernel = ToyKernel()
    kernel.put(toy.VMAS + 48, toy.DEVICE.start + 6)
    kernel.put(toy.VMAS + toy.VMA_SIZE + 48, 0)
    with GuestRam(kernel.save(tmp_path / "ram")) as ram:
        program = open_program(ram, toy.types(vma_word="pfnmap_end"), SYMBOLS)
        state = Words().state(Lens(program, ram, SYMBOLS).snapshot({"main": 7}, PLACES), PLACES)

    assert state.tracked == ("bar[2:6] a[0:4]",)


def test_a_context_is_read_as_the_driver_named_its_frames(tmp_path: Path) -> None:
    """Past the end of physical addresses too."""
    kernel = ToyKernel()
    kernel.put(toy.CONTEXT, 2, 1 << 40, 16 * toy.PAGE)

    with GuestRam(kernel.save(tmp_path / "ram")) as ram:
        raw = Lens(open_program(ram, TYPES, SYMBOLS), ram, SYMBOLS).snapshot({"main": 7}, PLACES)

    assert (1 << 40, (1 << 40) + 16) == raw.contexts[0].pfns


def loop_in_tasks(kernel: ToyKernel) -> None:
    """The second task is its own predecessor."""
    kernel.put(toy.TASKS + toy.TASK_SIZE + 8, toy.DIRECT + toy.TASKS + toy.TASK_SIZE, 9)


def loop_in_book(kernel: ToyKernel) -> None:
    """The last entry has the first one below it."""
    kernel.entry(2, toy.DEVICE.start, toy.DEVICE.end, 1, left=1)


def loop_in_vmas(kernel: ToyKernel) -> None:
    """An inner node that holds itself."""
    root = toy.DIRECT + toy.TREE | 3 << 3 | 2
    kernel.put(toy.MM, root)
    kernel.put(toy.TREE + 8, *[0] * 9, *[root] * 10)
    kernel.put(toy.TREE + 8, (1 << 64) - 1)
    kernel.put(toy.TREE + 80, root)


def loop_in_tables(kernel: ToyKernel) -> None:
    """A page table that is its own next level ends by itself, in nonsense."""
    kernel.put(toy.TABLES, *[toy.TABLES | 0x67] * 512)


def wild_context(kernel: ToyKernel) -> None:
    """A context with an odd size."""
    kernel.put(toy.CONTEXT, 2, 1, 5)


def wild_pointer(kernel: ToyKernel) -> None:
    """A user address where the kernel has a structure."""
    kernel.put(toy.MM, 5 << 12 | 1 << 3 | 2)


def backward_vma(kernel: ToyKernel) -> None:
    """A VMA that ends before it begins."""
    kernel.put(toy.VMAS, toy.AREA * toy.PAGE + toy.PAGE, toy.AREA * toy.PAGE)


def unknown_mode(kernel: ToyKernel) -> None:
    """A mode nobody knows."""
    kernel.entry(2, toy.DEVICE.start, toy.DEVICE.end, 77)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (loop_in_tasks, "task list does not return"),
        (loop_in_book, "memtype tree has a loop"),
        (loop_in_vmas, "VMA tree has a loop"),
        (wild_context, "track context at"),
        (wild_pointer, "is not a kernel address"),
        (backward_vma, "reaches from"),
        (unknown_mode, "mode 77"),
    ],
)
def test_damage_ends_in_an_error(damage: Callable[[ToyKernel], None], says: str, tmp_path: Path) -> None:
    """
    Loops and nonsense end at once, in an error that names kernel, file and place.
    """
    kernel = ToyKernel()
    damage(kernel)
    begun = time.monotonic()

    with pytest.raises(LensError, match=says):
        look(kernel, tmp_path)

    assert time.monotonic() - begun < LIMIT


def test_tables_that_loop_end(tmp_path: Path) -> None:
    """
    Page tables have levels, so a loop in them ends by itself.
    """
    kernel = ToyKernel()
    loop_in_tables(kernel)

    assert look(kernel, tmp_path).ptes


#: Places worth hitting: words that are pointers or counts.
_ANYWHERE = st.integers(toy.SYMBOLS_AT // 8, (toy.BOOK + toy.PAGE) // 8 - 1) | st.integers(
    toy.TABLES // 8, (toy.TABLES + 4 * toy.PAGE) // 8 - 1
)
_WORDS = (
    st.integers(0, (1 << 64) - 1)
    | st.sampled_from([toy.DIRECT + at for at in (toy.TREE, toy.VMAS, toy.BOOK, toy.TASKS, toy.TABLES)])
    | st.sampled_from([0, (1 << 64) - 1, 1 << 63, toy.IMAGE, toy.DIRECT + toy.SIZE - 4])
)


def test_a_damaged_vmcoreinfo_is_a_lens_error(tmp_path: Path) -> None:
    """
    What drgn refuses ends as anything else that is damaged.
    """
    kernel = ToyKernel()
    at = kernel.memory.find(b"SYMBOL(swapper_pg_dir)=") + len("SYMBOL(swapper_pg_dir)=")
    kernel.memory[at : at + 1] = b"x"

    with pytest.raises(LensError, match="drgn does not accept its VMCOREINFO"):
        look(kernel, tmp_path)


@settings(max_examples=300, deadline=LIMIT * 1000)
@given(hits=st.lists(st.tuples(_ANYWHERE, _WORDS), min_size=1, max_size=8))
def test_damaged_memory_ends_in_a_state_or_a_lens_error(hits: list[tuple[int, int]], tmp_path: Path) -> None:
    """
    Whatever words are overwritten: a state, or one LensError, in bounded time.
    """
    kernel = ToyKernel()
    for place, word in hits:
        kernel.put(8 * place, word)
    try:
        look(kernel, tmp_path)
    except LensError as reason:
        assert str(reason)


@pytest.mark.parametrize("layout", ["percpu", "relative", "place"])
def test_symbols_are_found_in_every_layout(layout: str, tmp_path: Path) -> None:
    """
    Which layout a symbol table has is found out from symbols whose addresses are known.
    """
    kernel = ToyKernel()
    kernel.symbols(layout)
    with GuestRam(kernel.save(tmp_path / "ram")) as ram:
        assert find_symbols(ram) == SYMBOLS


@settings(max_examples=200, deadline=LIMIT * 1000)
@given(
    hits=st.lists(st.tuples(st.integers(0, 0x5000), st.integers(0, 255)), min_size=1, max_size=6),
    layout=st.sampled_from(["percpu", "relative", "place"]),
)
def test_damaged_symbol_tables_end_in_a_lens_error(
    hits: list[tuple[int, int]], layout: str, tmp_path: Path
) -> None:
    """
    A damaged table gives addresses or one LensError.
    """
    kernel = ToyKernel()
    kernel.symbols(layout)
    for place, byte in hits:
        kernel.memory[toy.KALLSYMS + place] = byte
    with GuestRam(kernel.save(tmp_path / "ram")) as ram:
        try:
            find_symbols(ram)
        except LensError as reason:
            assert str(reason)


FIRST, SECOND = 0xFFFF888000001000, 0xFFFF888000002000


def tracked(kernel: ToyKernel, folder: Path) -> tuple[str, ...]:
    """What is tracked for the VMAs a[0:4] and a[8:16]."""
    with GuestRam(kernel.save(folder / "ram")) as ram:
        lens = Lens(open_program(ram, toy.types(vma_word="pfnmap_parts"), SYMBOLS), ram, SYMBOLS)
        return Words().state(lens.snapshot({"main": 7}, PLACES), PLACES).tracked


def test_runs_without_a_gap_are_reservations(tmp_path: Path) -> None:
    """Each with the VMAs that cover some of it, each VMA once."""
    kernel = ToyKernel()
    kernel.parts(0, (FIRST, 0, 3))
    kernel.parts(1, (FIRST, 2, 3), (FIRST, 4, 5), (FIRST, 8, 9))

    assert tracked(kernel, tmp_path) == ("bar[0:6] a[0:4] a[8:16]", "bar[8:10] a[8:16]")


def test_contexts_are_apart(tmp_path: Path) -> None:
    """Frames of two contexts are two reservations, also side by side; in the order of their first parts."""
    kernel = ToyKernel()
    kernel.parts(0, (FIRST, 4, 7))
    kernel.parts(1, (SECOND, 0, 3), (FIRST, 8, 9))

    assert tracked(kernel, tmp_path) == ("bar[4:10] a[0:4] a[8:16]", "bar[0:4] a[8:16]")


def test_a_vma_without_parts_tracks_nothing(tmp_path: Path) -> None:
    """Its tree is empty."""
    kernel = ToyKernel()
    kernel.parts(0)
    kernel.parts(1)

    assert tracked(kernel, tmp_path) == ()


def test_a_part_that_ends_before_it_begins_is_damage(tmp_path: Path) -> None:
    """One line says which."""
    kernel = ToyKernel()
    kernel.parts(0, (FIRST, 3, 2))
    kernel.parts(1)

    with pytest.raises(LensError, match="a part of context 0xffff888000001000 reaches from pfn 0x80003 to"):
        tracked(kernel, tmp_path)


def test_a_tree_with_a_loop_is_damage(tmp_path: Path) -> None:
    """It ends."""
    kernel = ToyKernel()
    kernel.parts(0, (FIRST, 0, 3))
    kernel.parts(1)
    kernel.put(toy.PARTS + 16, toy.DIRECT + toy.PARTS)

    with pytest.raises(LensError, match="the part tree has a loop"):
        tracked(kernel, tmp_path)
