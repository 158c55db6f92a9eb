"""S2.7, S2.9: what drivers book before anybody maps, and cache modes of memory."""

from __future__ import annotations

import errno

import pytest
from for_each import for_each
from memtype_machine import BAR as FIRST
from memtype_machine import MACHINE, WRITE_BACK_BAR, P

from pfnlab.base.errors import ModelledErrno, Undecided
from pfnlab.base.units import PfnRange, pfn_to_phys, phys_to_pfn
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.platform import Platform, qemu_q35
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.more.aperture import (
    arch_io_free_memtype_wc,
    arch_io_reserve_memtype_wc,
    set_memory,
    set_pages_array,
)
from pfnlab.kernel.mm.more.lives import create_thread, exit_group, fork
from pfnlab.kernel.mm.more.memremap import ioremap, iounmap
from pfnlab.kernel.mm.processors import Call, Need, Operation
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.kernel.policies.trackers import TRACKERS

BAR = PfnRange(0xF8000, 0xF8004)
RAM = PfnRange(0x4000, 0x4004)
PAGE = PfnRange(0x4000, 0x4001)
WB, WC, UC_MINUS, UC = CacheMode.WB, CacheMode.WC, CacheMode.UC_MINUS, CacheMode.UC


def kernel_of(series: str = "7.2", platform: Platform | None = None) -> Kernel:
    """A kernel that has just booted."""
    return Kernel(PROFILES[series], platform or qemu_q35(), TRACKERS["track_ctx"])


@pytest.fixture
def kernel() -> Kernel:
    """One on the usual machine."""
    return kernel_of()


def book(kernel: Kernel) -> list[CacheMode]:
    """The modes of the book's entries."""
    return [entry.type for entry in kernel.book.entries()]


def runs(kernel: Kernel) -> list[tuple[int, int, CacheMode]]:
    """The pages of memory that have a mode of their own."""
    return [(run.start >> 12, run.end >> 12, run.type) for run in kernel.book.ram_types()]


def test_an_aperture_is_booked_write_combining(kernel: Kernel) -> None:
    """
    One entry a call, however often.
    """
    arch_io_reserve_memtype_wc(kernel, BAR)
    arch_io_reserve_memtype_wc(kernel, BAR)

    assert [WC, WC] == book(kernel)


def test_an_aperture_adopts_a_mode_that_is_no_weaker(kernel: Kernel) -> None:
    """
    Beside an uncached mapping of the kernel it is uncached.
    """
    ioremap(kernel, BAR, UC)

    arch_io_reserve_memtype_wc(kernel, BAR)

    assert [UC, UC] == book(kernel)


def test_anybody_may_free_an_entry_of_the_range(kernel: Kernel) -> None:
    """
    The book does not know whose an entry is: this one was ioremap's.
    """
    ioremap(kernel, BAR, WC)

    arch_io_free_memtype_wc(kernel, BAR)

    assert [] == book(kernel)


def test_vector_9_an_aperture_decides_later_lookups(kernel: Kernel) -> None:
    """
    A page is UC- by default and WC once a driver has booked its aperture.
    """
    page = pfn_to_phys(BAR.start + 1)
    before = kernel.book.lookup(page)

    arch_io_reserve_memtype_wc(kernel, BAR)

    assert (UC_MINUS, WC) == (before, kernel.book.lookup(page))
    kernel._check()


def test_aperture_over_write_back_is_busy() -> None:
    """
    It fails where the entry there is too strong, and leaves no entry of its own.
    """
    kernel = kernel_of(platform=WRITE_BACK_BAR)
    of_bar = PfnRange(phys_to_pfn(FIRST), phys_to_pfn(FIRST) + 1)
    kernel.book.reserve(FIRST, FIRST + P, WB, who=kernel.who)

    with pytest.raises(ModelledErrno, match="EBUSY"):
        arch_io_reserve_memtype_wc(kernel, of_bar)

    assert [WB] == book(kernel)
    kernel._check()


@for_each(("series", "says"), [("7.2", True), ("7.3", False)])
def test_aperture_larger_than_its_bar_warns_once(series: str, says: bool) -> None:
    """
    It is reserved all the same, with one warning; the line before it comes each time, until 7.2.
    """
    kernel = kernel_of(series, MACHINE)
    larger = PfnRange(phys_to_pfn(FIRST), phys_to_pfn(FIRST) + 17)

    for _ in range(2):
        arch_io_reserve_memtype_wc(kernel, larger)

    line = (
        "resource: resource sanity check: requesting [mem 0xfd000000-0xfd010fff], which spans more than bar"
    )
    lines = [line] * says
    assert [*lines, "WARNING at arch/x86/mm/pat/memtype.c", *lines] == kernel.trace.log
    assert [WC, WC] == book(kernel)
    kernel._check()


def test_memory_keeps_its_mode_in_page_flags(kernel: Kernel) -> None:
    """
    Not in the list; uncached is stored as UC-.
    """
    set_memory(kernel, PfnRange(RAM.start, RAM.start + 2), WC)
    set_memory(kernel, PfnRange(RAM.start + 2, RAM.end), UC)

    assert [(0x4000, 0x4002, WC), (0x4002, 0x4004, UC_MINUS)] == runs(kernel)
    assert [] == book(kernel)


def test_a_page_with_a_mode_cannot_get_another(kernel: Kernel) -> None:
    """
    Not even the same one: reservations of memory do not nest, and all of the range stays as it was.
    """
    set_memory(kernel, PfnRange(RAM.start, RAM.start + 1), WC)

    with pytest.raises(ModelledErrno) as refused:
        set_memory(kernel, RAM, WC)

    assert errno.EBUSY == refused.value.errno
    assert [(0x4000, 0x4001, WC)] == runs(kernel)


def test_write_back_takes_the_mode_away(kernel: Kernel) -> None:
    """
    Of those pages only.
    """
    set_memory(kernel, RAM, WC)
    set_memory(kernel, PfnRange(RAM.start + 1, RAM.start + 2), WB)

    assert [(0x4000, 0x4001, WC), (0x4002, 0x4004, WC)] == runs(kernel)


def test_set_memory_changes_book_and_direct_map(kernel: Kernel) -> None:
    """
    set_memory_wc() types the pages and their direct map; set_memory_wb() undoes both.
    """
    at, behind = (pfn_to_phys(pfn) for pfn in (PAGE.start, PAGE.end))

    set_memory(kernel, PAGE, WC)

    memtypes = kernel.book
    assert (WC, WC, WB) == (memtypes.lookup(at), memtypes.direct_map(at), memtypes.direct_map(behind))
    set_memory(kernel, PAGE, WB)
    assert (WB, WB) == (memtypes.lookup(at), memtypes.direct_map(at))
    kernel._check()


def two_tasks() -> Kernel:
    """A kernel with `main` and `t`, whose direct map has single pages around PAGE (S2.9.4)."""
    kernel = kernel_of()
    create_thread(kernel, kernel.start_task("main"), "t")
    set_memory(kernel, PfnRange(RAM.end - 1, RAM.end), UC)
    return kernel


def stand_in(kernel: Kernel, task: str) -> None:
    """Let *task* stand on its processor."""

    def elsewhere() -> None:
        with kernel.processors.inside("unmap_vmas"):
            pass

    kernel.processors.begin(Operation(task, elsewhere, hold=Call("unmap_vmas")))


def test_what_iounmap_has_left_is_flushed_before_the_direct_map_changes() -> None:
    """S2.8.6: a processor that is held keeps the direct map as it was."""
    kernel = two_tasks()
    processors, memtypes, at = kernel.processors, kernel.book, pfn_to_phys(PAGE.start)
    ioremap(kernel, BAR, UC_MINUS)
    iounmap(kernel, BAR)
    stand_in(kernel, "main")
    change = Operation("t", lambda: set_memory(kernel, PAGE, UC))

    processors.begin(change)

    assert (Need.IPI, WB) == (change.waits, memtypes.direct_map(at))
    processors.release()
    assert (True, UC_MINUS) == (change.done, memtypes.direct_map(at))


def test_a_leaf_of_the_direct_map_may_have_to_be_cut() -> None:
    """S2.9.4: the machine decides, until pages of that block have been changed."""
    kernel = kernel_of()
    create_thread(kernel, kernel.start_task("main"), "t")
    stand_in(kernel, "main")

    with pytest.raises(Undecided, match="a leaf there"):
        kernel.processors.begin(Operation("t", lambda: set_memory(kernel, PAGE, UC)))


def test_the_stack_of_a_task_that_ended_may_be_in_tlbs() -> None:
    """S2.8.6: nobody knows what is seen while a processor is held, and all is known when none is."""
    kernel = two_tasks()
    assert 0 == fork(kernel, kernel.tasks["main"], "c")
    exit_group(kernel, kernel.tasks["c"])
    stand_in(kernel, "main")

    with pytest.raises(Undecided, match="stack of a task that ended"):
        kernel.processors.begin(Operation("t", lambda: set_memory(kernel, PAGE, UC)))
    kernel.processors.release()
    set_memory(kernel, PfnRange(PAGE.end, PAGE.end + 1), UC)
    assert False is kernel.processors.unflushed


@for_each(
    ("modes", "reached", "waits"),
    [([WC], UC_MINUS, True), ([UC], UC_MINUS, True), ([WC, WB], WB, True), ([WB], WB, False)],
)
def test_a_change_of_the_direct_map_waits_for_every_processor(
    modes: list[CacheMode], reached: CacheMode, waits: bool
) -> None:
    """
    The last of these modes waits for one that is held, unless the direct map has it already.

    Write-combining waits twice, the first time as UC- (S2.9.5).
    """
    kernel = two_tasks()
    processors, memtypes, at = kernel.processors, kernel.book, pfn_to_phys(PAGE.start)
    for mode in modes[:-1]:
        set_memory(kernel, PAGE, mode)

    stand_in(kernel, "main")
    change = Operation("t", lambda: set_memory(kernel, PAGE, modes[-1]))
    processors.begin(change)

    assert (Need.IPI if waits else None) is change.waits
    booked, last = (UC_MINUS if mode is UC else mode for mode in (modes[0], modes[-1]))
    assert (booked, reached) == (memtypes.lookup(at), memtypes.direct_map(at))
    processors.release()
    assert (True, last, last) == (change.done, memtypes.lookup(at), memtypes.direct_map(at))


@for_each(("mode", "reached"), [(UC, UC), (WC, WC), (WB, WB)])
def test_bits_are_added_to_those_of_the_direct_map(mode: CacheMode, reached: CacheMode) -> None:
    """
    A booking that is gone left WC there: UC- becomes UC, WC and WB replace it (S2.9.6).
    """
    kernel = kernel_of()
    arch_io_reserve_memtype_wc(kernel, PAGE)
    arch_io_free_memtype_wc(kernel, PAGE)

    set_memory(kernel, PAGE, mode)

    assert reached is kernel.book.direct_map(pfn_to_phys(PAGE.start))


def test_an_array_of_pages_is_booked_page_by_page(kernel: Kernel) -> None:
    """
    The direct map changes with all of them, and each can be freed by itself.
    """
    set_pages_array(kernel, RAM, WC)
    set_memory(kernel, PfnRange(RAM.start + 1, RAM.start + 2), WB)

    assert [(0x4000, 0x4001, WC), (0x4002, 0x4004, WC)] == runs(kernel)
    reserved = [event for event in kernel.trace.events if event.name == "memtype_reserve"]
    assert 4 == len(reserved)


def test_an_array_with_a_page_that_has_a_mode_is_invalid(kernel: Kernel) -> None:
    """
    The pages before it are free again, and the direct map is as it was.
    """
    last = PfnRange(RAM.end - 1, RAM.end)
    set_pages_array(kernel, last, WC)

    with pytest.raises(ModelledErrno) as refused:
        set_pages_array(kernel, RAM, UC)

    assert errno.EINVAL == refused.value.errno
    assert [(last.start, last.end, WC)] == runs(kernel)
    assert WB is kernel.book.direct_map(pfn_to_phys(RAM.start))


@for_each("mode", [UC, WC])
def test_an_array_that_is_write_back_again_is_free(kernel: Kernel, mode: CacheMode) -> None:
    """
    In the book and in the direct map.
    """
    set_pages_array(kernel, RAM, mode)
    set_pages_array(kernel, RAM, WB)

    assert [] == runs(kernel)
    assert WB is kernel.book.direct_map(pfn_to_phys(RAM.start))
