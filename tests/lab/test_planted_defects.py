"""Defects planted in a running kernel, by the debugger's hand: each is called by name, with its operation.

The hand writes into the guest's memory while it stands behind an operation, and takes the change back after
the look, so that one guest serves for all.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from having import ASKED, OLD, bootable

pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")

from pfnlab.base.units import PAGE_SHIFT, PAGE_SIZE, PHYSICAL_MASK, PfnRange
from pfnlab.checker.judging.judge import violations
from pfnlab.lab.lens.resource_use import ResourceUse
from pfnlab.lab.lens.snapshot import Lens
from pfnlab.lab.running.bench import Bench
from pfnlab.lab.running.inside import Inside
from pfnlab.lab.running.inside_state import LensState
from pfnlab.lab.running.pending import ObservedProgram
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run
from pfnlab.programs.runs.places import Places

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

PLAIN = """pfnlab program 1
title t
device bar: pci, 16 pages
area a: 16 pages
a = mmap bar[0:8] wc shared rw
b = mmap bar[0:8] wc shared rw
c = mmap anon[0:2] private rw
write c[0] 1
look
munmap a
"""
SPLIT = """pfnlab program 1
title t
device bar: pci, 8 pages
a = mmap bar[0:8] wc shared rw
munmap a[3:5]
look
"""
LOW = """pfnlab program 1
title t
device low: lowmem, 4 pages
look
look
"""

MOVED = """pfnlab program 1
title t
device bar: pci, 8 pages
a = mmap bar[0:4] wc shared rw
b = mremap a[0:4] 4 pages maymove fixed
"""
FORKED = """pfnlab program 1
title t
device bar: pci, 8 pages
a = mmap anon[0:2] private rw
write a[0] 1
t = fork
"""
STORED = """pfnlab program 1
title t
device bar: pci, 8 pages
a = mmap bar[0:2] wc private rw
write a[1] 1
"""
FAULTED = """pfnlab program 1
title t
device bar: pci, 8 pages
b = mmap bar[0:2] wc shared rw
a = mmap bar[0:2] driver fault wc shared rw
read a[1]
"""
REVOKED = """pfnlab program 1
title t
device bar: pci, 8 pages
a = mmap bar[0:3] driver remap wc shared rw
unmap_mapping_range bar[0:3]
"""

#: The step behind which the hand acts: the last `look` of each, or the operation that went wrong.
AT, SPLIT_AT, LOW_AT, MOVED_AT, FORKED_AT, STORED_AT, FAULTED_AT, REVOKED_AT = 4, 2, 1, 1, 2, 1, 2, 1

_PRESENT, _RW, _USER, _PWT, _ACCESSED, _LEAF, _SPECIAL = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 5, 1 << 7, 1 << 9
_VM_LOCKED = 1 << 13


class Hand:
    """
    The debugger's hand in one guest that stands.

    :param inside: the lens on it
    :param pids: the program's tasks
    """

    def __init__(self, inside: Inside, pids: Mapping[str, int], places: Places) -> None:
        # The lens itself, behind the interface that others need of it.
        self.lens = cast(Lens, inside._lens)
        self.view = self.lens._view
        self._ram = Path(inside._ram.name)
        self.places = places
        #: The address space of the first task.
        self.mm = self.view.spaces(pids.values())[next(iter(pids.values()))] if pids else 0
        self._undo: list[tuple[int, bytes]] = []

    def put(self, address: int, value: int, size: int = 8, *, physical: bool = False) -> None:
        """Write a number into the kernel's memory."""
        at = address if physical else self.physical(address)
        with self._ram.open("r+b") as file:
            file.seek(at)
            self._undo.append((at, file.read(size)))
            file.seek(at)
            file.write(value.to_bytes(size, "little"))

    def physical(self, address: int) -> int:
        """Where an address of the kernel lies, by the kernel's own page tables."""
        level, table = self.view.levels, self.view.kernel_table
        while True:
            shift = PAGE_SHIFT + 9 * (level - 1)
            (word,) = self.view.table(table, address >> shift & 511, 1)
            if level == 1 or word & _LEAF:
                return (word & PHYSICAL_MASK) >> shift << shift | address & (1 << shift) - 1
            level, table = level - 1, word

    @property
    def has_acted(self) -> bool:
        """True where it has written something that is not taken back."""
        return bool(self._undo)

    def take_back(self) -> None:
        """Everything is as it was."""
        with self._ram.open("r+b") as file:
            for at, old in reversed(self._undo):
                file.seek(at)
                file.write(old)
        self._undo = []

    def member(self, struct_name: str, path: str) -> int:
        """The offset of a member."""
        return int(self.view.layouts.offset(f"struct {struct_name}", path))

    def add(self, address: int, number: int, size: int = 8) -> None:
        """Raise a number."""
        self.put(address, int.from_bytes(self.view.read(address, size), "little") + number, size)

    def vma(self, area: str) -> int:
        """The vm_area_struct at the begin of an area."""
        start = self.places.areas[area][0] << PAGE_SHIFT
        root = self.view.word(self.mm + self.member("mm_struct", "mm_mt.ma_root"))
        return int(self.view.vma_addresses(root, start, start + 1)[0])

    def entry(self, area: str, page: int, level: int = 1) -> int:
        """The physical address of the entry of a page, at a level of the page tables."""
        at = self.places.areas[area][0] + page
        table = self.view.physical(self.view.word(self.mm + self.member("mm_struct", "pgd")))
        for now in range(self.view.levels, level, -1):
            (word,) = struct.unpack("<Q", self.view.source.read(table + 8 * (at >> 9 * (now - 1) & 511), 8))
            table = word & PHYSICAL_MASK & -PAGE_SIZE
        return int(table + 8 * (at >> 9 * (level - 1) & 511))

    def raw(self, entry: int) -> int:
        """The entry at a physical address."""
        return int.from_bytes(self.view.source.read(entry, 8), "little")


def another_frame(hand: Hand) -> None:
    """An entry shows the frame behind its own."""
    at = hand.entry("a", 2)
    hand.put(at, hand.raw(at) + PAGE_SIZE, physical=True)


def beyond_the_vma(hand: Hand) -> None:
    """There is an entry behind the end of the VMA."""
    hand.put(hand.entry("a", 9), hand.raw(hand.entry("a", 7)) + 2 * PAGE_SIZE, physical=True)


def another_mode(hand: Hand) -> None:
    """One of two mappings of a frame becomes write-back."""
    at = hand.entry("a", 2)
    hand.put(at, hand.raw(at) & ~_PWT, physical=True)


def cleared_without_flush(hand: Hand) -> None:
    """An entry goes, and the processor is not told."""
    hand.put(hand.entry("a", 2), 0, physical=True)


def read_only_without_flush(hand: Hand) -> None:
    """An entry loses the right to write, and the processor is not told."""
    at = hand.entry("a", 2)
    hand.put(at, hand.raw(at) & ~_RW, physical=True)


def one_vma_too_many(hand: Hand) -> None:
    """map_count is raised."""
    hand.add(hand.mm + hand.member("mm_struct", "map_count"), 1, 4)


def pages_too_many(hand: Hand) -> None:
    """total_vm is raised."""
    hand.add(hand.mm + hand.member("mm_struct", "total_vm"), 5)


def locked_without_count(hand: Hand) -> None:
    """A VMA is locked, and locked_vm is not raised."""
    at = hand.vma("c") + hand.member("vm_area_struct", "vm_flags")
    hand.put(at, hand.view.word(at) | _VM_LOCKED)


def a_table_is_counted_twice(hand: Hand) -> None:
    """pgtables_bytes is raised by a page."""
    hand.add(hand.mm + hand.member("mm_struct", "pgtables_bytes.counter"), PAGE_SIZE)


def a_table_stays(hand: Hand) -> None:
    """A page table is left where no VMA is, and counted."""
    # The entry of level 2 behind that of the last area, which is empty.
    at = hand.entry("c", 0, level=2)
    hand.put(at + 8, hand.raw(at), physical=True)
    hand.add(hand.mm + hand.member("mm_struct", "pgtables_bytes.counter"), PAGE_SIZE)


def the_file_forgets_its_vmas(hand: Hand) -> None:
    """The tree of those who map a file is emptied."""
    file = hand.view.word(hand.vma("a") + hand.member("vm_area_struct", "vm_file"))
    mapping = hand.view.word(file + hand.member("file", "f_mapping"))
    hand.put(mapping + hand.member("address_space", "i_mmap.rb_root.rb_node"), 0)


def a_page_counts_twice(hand: Hand) -> None:
    """The count of mappings of a page is raised."""
    pfn = (hand.raw(hand.entry("c", 0)) & PHYSICAL_MASK) >> PAGE_SHIFT
    page = hand.view.word(hand.view.symbol("vmemmap_base")) + pfn * hand.view.layouts.size("struct page")
    hand.add(page + hand.member("folio", "_mapcount.counter"), 1, 4)


def a_page_changes(hand: Hand) -> None:
    """A byte of a page is another, and nobody has stored."""
    page = hand.raw(hand.entry("c", 0)) & PHYSICAL_MASK & -PAGE_SIZE
    hand.put(page + 8, 7, physical=True)


def a_reference_too_many(hand: Hand) -> None:
    """The count of a track context is raised."""
    context = hand.view.word(hand.vma("a") + hand.member("vm_area_struct", "pfnmap_track_ctx"))
    hand.add(context + hand.member("pfnmap_track_ctx", "kref.refcount.refs.counter"), 1, 4)


def a_reference_is_dropped(hand: Hand) -> None:
    """The count of a track context is lowered, and its users stay."""
    context = hand.view.word(hand.vma("a") + hand.member("vm_area_struct", "pfnmap_track_ctx"))
    hand.add(context + hand.member("pfnmap_track_ctx", "kref.refcount.refs.counter"), -1, 4)


def a_user_is_lost(hand: Hand) -> None:
    """One of two VMAs loses its track context, whose count stays."""
    hand.put(hand.vma("a") + hand.member("vm_area_struct", "pfnmap_track_ctx"), 0)


def the_book_forgets_a_page(hand: Hand) -> None:
    """The entries of the book end a page early."""
    node = hand.view.word(hand.view.symbol("memtype_rbroot"))
    rb = hand.member("memtype", "rb")
    first = hand.places.devices["bar"].start << PAGE_SHIFT
    stack = [node]
    while stack:
        node = stack.pop()
        if not node:
            continue
        stack += [hand.view.word(node + hand.member("rb_node", side)) for side in ("rb_left", "rb_right")]
        end = node - rb + hand.member("memtype", "end")
        if hand.view.word(node - rb + hand.member("memtype", "start")) == first:
            hand.put(end, hand.view.word(end) - PAGE_SIZE)


def the_direct_map_changes(hand: Hand) -> None:
    """A page of low memory is write-through in the direct map."""
    direct_map = hand.lens._direct_map
    level, table = hand.view.levels, hand.view.kernel_table
    pfn = hand.places.devices["low"].start
    while True:
        index = direct_map._base + pfn >> 9 * (level - 1) & 511
        (word,) = hand.view.table(table, index, 1)
        at = (table & PHYSICAL_MASK & -PAGE_SIZE) + 8 * index
        if level == 1 or word & _LEAF:
            hand.put(at, word | _PWT, physical=True)
            return
        level, table = level - 1, word


def the_direct_map_widens(hand: Hand) -> None:
    """One entry of the direct map gives 2 MiB the mode that a page of low memory should have."""
    direct_map = hand.lens._direct_map
    level, table = hand.view.levels, hand.view.kernel_table
    pfn = hand.places.devices["low"].start
    while level > 2:
        (table,) = hand.view.table(table, direct_map._base + pfn >> 9 * (level - 1) & 511, 1)
        level -= 1
    at = (table & PHYSICAL_MASK & -PAGE_SIZE) + 8 * (direct_map._base + pfn >> 9 & 511)
    hand.put(at, _PRESENT | _RW | _LEAF | _PWT, physical=True)


def a_page_of_a_device_changes(hand: Hand) -> None:
    """A byte of low memory is another, and nobody has stored."""
    hand.put((hand.places.devices["low"].start + 1) * PAGE_SIZE, 7, physical=True)


def a_move_forgets_the_last_page(hand: Hand) -> None:
    """The last entry is not where the others went."""
    hand.put(hand.entry("b", 3), 0, physical=True)


def a_shared_copy_is_writable(hand: Hand) -> None:
    """The parent may write to a page that the child shows too."""
    at = hand.entry("a", 0)
    hand.put(at, hand.raw(at) | _RW, physical=True)


def a_store_goes_to_the_frame(hand: Hand) -> None:
    """A private page that took a store is the device's."""
    frame = hand.places.devices["bar"].start + 1 << PAGE_SHIFT
    hand.put(hand.entry("a", 1), frame | _PRESENT | _RW | _PWT | _USER | _ACCESSED | _SPECIAL, physical=True)


def a_lookup_gives_another_mode(hand: Hand) -> None:
    """An entry is inserted as write-back, and its frame is reserved as write-combining."""
    at = hand.entry("a", 1)
    hand.put(at, hand.raw(at) & ~_PWT, physical=True)


def a_revocation_leaves_the_last_page(hand: Hand) -> None:
    """unmap_mapping_range has removed all entries but one."""
    frame = hand.places.devices["bar"].start + 2 << PAGE_SHIFT
    hand.put(hand.entry("a", 2), frame | _PRESENT | _RW | _PWT | _USER | _SPECIAL, physical=True)


#: Every defect by the property that has to call it.
DEFECTS: tuple[tuple[Callable[[Hand], None], str, str, int], ...] = (
    (another_frame, "entries_inside", PLAIN, AT),
    (beyond_the_vma, "entries_inside", PLAIN, AT),
    (another_mode, "one_mode", PLAIN, AT),
    (cleared_without_flush, "flushed", PLAIN, AT),
    (read_only_without_flush, "flushed", PLAIN, AT),
    (one_vma_too_many, "mm_counts", PLAIN, AT),
    (pages_too_many, "mm_counts", PLAIN, AT),
    (locked_without_count, "mm_counts", PLAIN, AT),
    (a_table_is_counted_twice, "tables_counted", PLAIN, AT),
    (a_table_stays, "tables_owned", PLAIN, AT),
    (the_file_forgets_its_vmas, "file_maps", PLAIN, AT),
    (a_page_counts_twice, "counts_left", PLAIN, AT),
    (a_page_changes, "contents_kept", PLAIN, AT),
    (a_reference_too_many, "counters", PLAIN, AT),
    (a_reference_is_dropped, "counters", SPLIT, SPLIT_AT),
    (a_user_is_lost, "counters", SPLIT, SPLIT_AT),
    (the_book_forgets_a_page, "no_loss", PLAIN, AT),
    (the_direct_map_changes, "direct_map_back", LOW, LOW_AT),
    (the_direct_map_widens, "direct_map_level", LOW, LOW_AT),
    (a_page_of_a_device_changes, "contents_kept", LOW, LOW_AT),
    (a_move_forgets_the_last_page, "moved_whole", MOVED, MOVED_AT),
    (a_shared_copy_is_writable, "private_kept", FORKED, FORKED_AT),
    (a_store_goes_to_the_frame, "private_kept", STORED, STORED_AT),
    (a_lookup_gives_another_mode, "looked_up", FAULTED, FAULTED_AT),
    (a_revocation_leaves_the_last_page, "told_free", REVOKED, REVOKED_AT),
)


@pytest.fixture(scope="module")
def machine() -> Iterator[QemuMachine]:
    """The newest kernel, in one guest."""
    with QemuMachine(bootable(ASKED[-1]), guests=1, look=LookLevel.MEMORY) as machine:
        yield machine


def run_with(machine: QemuMachine, text: str, planted: Callable[[Hand], None] | None, at: int) -> Run:
    """The run of a program behind whose operation number *at* the hand acts while somebody looks."""
    looks = 0
    look = Inside.look

    def looked(inside: Inside, pids: Mapping[str, int], places: Places) -> LensState:
        nonlocal looks
        looks += 1
        if planted is None or looks != at + 1:
            return look(inside, pids, places)
        hand = Hand(inside, pids, places)
        planted(hand)
        try:
            return look(inside, pids, places)
        finally:
            hand.take_back()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Inside, "look", looked)
        (run,) = machine.run([load_text(text)])
    assert run.unfinished is None, run.unfinished
    return run


@pytest.mark.parametrize("text", [PLAIN, SPLIT, LOW, MOVED, FORKED, STORED, FAULTED, REVOKED])
def test_nothing_is_called_where_nothing_was_planted(machine: QemuMachine, text: str) -> None:
    """The same programs without a hand."""
    assert violations(load_text(text), run_with(machine, text, None, 0), None) == []


HUGE = """pfnlab program 1
title t
thp always
device bar: pci, 1 page
t = thread
mlockall
"""


def test_tables_in_reserve_are_counted() -> None:
    """Each huge page of the agent's own memory keeps a page table for the time it is split."""
    with QemuMachine(bootable(OLD), guests=1, look=LookLevel.MEMORY) as machine:
        run = run_with(machine, HUGE, None, 0)

    assert violations(load_text(HUGE), run, None) == []


@pytest.mark.parametrize(
    ("planted", "name", "text", "at"), DEFECTS, ids=[defect[0].__name__ for defect in DEFECTS]
)
def test_a_defect_is_called_by_name(
    machine: QemuMachine, planted: Callable[[Hand], None], name: str, text: str, at: int
) -> None:
    """The property says what is wrong, in the step behind which it was planted, and only there."""
    found = violations(load_text(text), run_with(machine, text, planted, at), None)
    assert (name, at) in [violation.place for violation in found]
    assert {violation.step for violation in found} <= {at, at + 1}


def a_page_stays_committed(hand: Hand) -> None:
    """One page more is committed than before."""
    counter = hand.view.symbol("vm_committed_as")
    hand.add(counter + hand.member("percpu_counter", "count"), 1)


def a_file_stays_open(hand: Hand) -> None:
    """One file more is open than before."""
    hand.add(hand.view.symbol("nr_files") + hand.member("percpu_counter", "count"), 1)


def a_page_table_stays(hand: Hand) -> None:
    """One page table more is counted than before."""
    item = hand.view.layouts.enumerators("enum node_stat_item")["NR_PAGETABLE"]
    node = hand.view.word(hand.view.symbol("node_data"))
    hand.add(node + hand.member("pglist_data", "vm_stat") + 8 * item, 1)


def a_vma_stays(hand: Hand) -> None:
    """The cache of VMAs has one object more that is in use."""
    cache = hand.view.word(hand.view.symbol("vm_area_cachep"))
    place = hand.member("kmem_cache", "per_node") + hand.member("kmem_cache_per_node_ptrs", "node")
    node = hand.view.word(cache + place)
    hand.add(node + hand.member("kmem_cache_node", "total_objects.counter"), 1)


def a_resource_grows(hand: Hand) -> None:
    """The first resource ends a page later."""
    first = hand.view.word(hand.view.symbol("iomem_resource") + hand.member("resource", "child"))
    hand.add(first + hand.member("resource", "end"), PAGE_SIZE)


LEFT = (
    (a_page_stays_committed, "committed_left"),
    (a_file_stays_open, "files_left"),
    (a_page_table_stays, "tables_left"),
    (a_vma_stays, "vmas_left"),
    (a_resource_grows, "resources_left"),
)


@pytest.mark.parametrize(("planted", "name"), LEFT, ids=[left[0].__name__ for left in LEFT])
def test_what_a_program_leaves_behind_is_called(
    machine: QemuMachine, planted: Callable[[Hand], None], name: str
) -> None:
    """
    The hand acts when the second of two programs has ended: the property says so, at its end.

    Nothing is taken back: a guest in which something is left ends.
    """
    steps = len(load_text(PLAIN).ops) + 1
    hands, looks = list[Hand](), 0
    look, in_use = Inside.look, Inside.in_use

    def looked(inside: Inside, pids: Mapping[str, int], places: Places) -> LensState:
        nonlocal looks
        looks += 1
        if looks == steps + 1:
            hands.append(Hand(inside, pids, places))
        return look(inside, pids, places)

    def used(inside: Inside) -> ResourceUse:
        if looks == 2 * steps and not hands[0].has_acted:
            planted(hands[0])
        return in_use(inside)

    machine.reboot()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Inside, "look", looked)
        patch.setattr(Inside, "in_use", used)
        runs = machine.run([load_text(PLAIN)] * 2)
    found = [[one.place for one in violations(load_text(PLAIN), run, None)] for run in runs]
    assert found == [[], [(name, steps - 1)]]


#: The plain program under the name that the hand knows it by.
LEAVING = PLAIN.replace("title t", "title leaving")


NOWHERE = Places.of(load_text(PLAIN), {"bar": PfnRange(0, 16)})


@pytest.mark.parametrize("shows_again", [True, False])
def test_of_programs_asked_together_the_one_that_left_something_is_called(
    machine: QemuMachine, shows_again: bool
) -> None:
    """
    The second of four leaves a page committed, which only a question after the last one shows.

    Each runs again alone. What no program shows then is called at the last of them, for a repetition to tell.
    """
    texts = [PLAIN, LEAVING, PLAIN, PLAIN]
    programs = [load_text(text) for text in texts]
    steps = len(programs[0].ops) + 1
    acted: list[str] = []
    attempt = Bench._attempt

    def attempted(bench: Bench, asked: ObservedProgram, *others: Any, **more: Any) -> Run | None:
        run = attempt(bench, asked, *others, **more)
        if asked.program.title == "leaving" and run is not None and (shows_again or not acted):
            assert bench.booted is not None and bench.booted.stepper._inside is not None
            a_page_stays_committed(Hand(bench.booted.stepper._inside, {}, NOWHERE))
            acted.append("left")
        return run

    machine.reboot()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bench, "_attempt", attempted)
        runs = machine.run(programs)

    found = [
        [one.place for one in violations(program, run, None)]
        for program, run in zip(programs, runs, strict=True)
    ]
    left = [("committed_left", steps - 1)]
    assert found == ([[], left, [], []] if shows_again else [[], [], [], left])
    assert len(acted) == (2 if shows_again else 1)


FORCED = """pfnlab program 1
title t
device bar: pci, 8 pages
a = mmap bar[0:8] wc shared rw
write a[0] 1
skip flush_tlb_mm_range: munmap a[0:2]
"""


#: A write that takes the place of the zero page, and one of a page that a child shares.
FORCED_COPY = """pfnlab program 1
title t
device bar: pci, 8 pages
a = mmap anon[0:8] private rw
BEFORE
skip flush_tlb_mm_range: write a[0] 1
"""


@pytest.mark.parametrize(
    "text",
    [
        FORCED,
        FORCED_COPY.replace("BEFORE", "read a[0]"),
        FORCED_COPY.replace("BEFORE", "write a[0] 1\nc = fork\nread a[0]"),
    ],
    ids=["munmap", "the zero page", "a page of a fork"],
)
def test_a_flush_that_is_left_out_is_called(machine: QemuMachine, text: str) -> None:
    """The kernel is made to leave a flush out: an entry went, or shows another page of RAM."""
    run = run_with(machine, text, None, 0)
    assert [violation.name for violation in violations(load_text(text), run, None)] == ["flushed"]


UNTOLD = """pfnlab program 1
title t
device bar: pci, 8 pages
a = mmap bar[0:8] driver remap shared rw
skip __mmu_notifier_invalidate_range_start: munmap a[0:2]
"""


def test_a_notifier_that_is_not_told_is_called(machine: QemuMachine) -> None:
    """The kernel is made to leave it out: an entry went, and the address space's notifier was not told."""
    run = run_with(machine, UNTOLD, None, 0)
    assert [violation.name for violation in violations(load_text(UNTOLD), run, None)] == ["notified"]


NULL = """pfnlab program 1
title t
device bar: pci, 8 pages
a = mmap bar[0:8] wc shared rw
look
munmap a
"""


def test_a_null_that_is_written_is_called_with_its_operation() -> None:
    """The mm of a VMA becomes NULL, and stays so: the next operation on it is an oops, and is named."""
    looks = 0
    look = Inside.look

    def looked(inside: Inside, pids: Mapping[str, int], places: Places) -> LensState:
        nonlocal looks
        looks += 1
        state = look(inside, pids, places)
        if looks == 2:
            hand = Hand(inside, pids, places)
            hand.put(hand.vma("a") + hand.member("vm_area_struct", "vm_mm"), 0)
        return state

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Inside, "look", looked)
        with QemuMachine(bootable(ASKED[-1]), guests=1, look=LookLevel.MEMORY) as machine:
            (run,) = machine.run([load_text(NULL)])
    assert run.alarm is not None
    assert (run.alarm.kind, run.alarm.op) == ("oops", "munmap a")
