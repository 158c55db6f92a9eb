"""The test driver's answers to programs in a guest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest
from driver_guest import (
    AREA,
    AS_IS,
    ASKED,
    CACHE_BITS,
    FAIL,
    FAULT,
    FAULT_PROT,
    HALVES,
    INSERT_PAGE,
    INSERT_PAGES,
    MAP_PAGES,
    MIXED,
    MIXED_PAGES,
    NEW,
    OLD,
    PAGE,
    PAGE_MKWRITE,
    PART,
    PMD,
    PRIVATE,
    RAM,
    REMAP,
    RW,
    SHARED,
    SPECIAL,
    UC_MINUS_BITS,
    WC,
    WC_BITS,
    WT,
    Lab,
    kind,
)
from having import bootable, have

from pfnlab.lab.images.driver_module import image_with_driver
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.qemu import Guest

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def guests() -> Iterator[Callable[[str], Lab]]:
    """A guest with the driver for each series that is asked for."""
    with ExitStack() as open_guests:

        @cache
        def guest_of(series: str) -> Lab:
            kernel = bootable(series)
            image = have(lambda: image_with_driver(kernel))
            return Lab(open_guests.enter_context(Guest(kernel.vmlinuz, GuestShape(image=image))))

        yield guest_of


@pytest.fixture(params=ASKED)
def machine(request: pytest.FixtureRequest, guests: Callable[[str], Lab]) -> Lab:
    """Every series that is asked, in turn."""
    return guests(request.param)


@pytest.fixture(params=[series for series in ASKED if series != OLD])
def huge(request: pytest.FixtureRequest, guests: Callable[[str], Lab]) -> Lab:
    """Every series with huge PFN mappings, in turn."""
    return guests(request.param)


@pytest.fixture
def old(guests: Callable[[str], Lab]) -> Lab:
    """The oldest series, where page tables are what the kernel remembers by."""
    return guests(OLD)


@pytest.fixture
def new(guests: Callable[[str], Lab]) -> Lab:
    """A series with a track context."""
    return guests(NEW)


def test_unknown_command(new: Lab):
    """
    A command the driver does not have is refused before anything runs.
    """
    assert new.ask("driver zip 0").error == "no such command of the driver"


def test_loading_is_not_in_the_log(machine: Lab):
    """
    What the kernel says of the module does not appear in the program's log.
    """
    assert not [line for line in machine.ask(kind(REMAP, WC)).lines(0, "k") if "taint" in line]


def test_remap_whole_is_booked(machine: Lab):
    """
    remap_pfn_range of a whole VMA books its pages with the mode of vm_page_prot.
    """
    assert machine.ask(kind(REMAP, WC), machine.map()).book(1) == [(0, 8, "write-combining")]


def test_remap_part_is_not_booked(machine: Lab):
    """
    remap_pfn_range of a part books nothing and maps what the book says, UC-.
    """
    answers = machine.ask(kind(PART, WC, 2, 4), machine.map())

    assert (answers.book(1), answers.cache_bits(1)) == ([], {2: UC_MINUS_BITS})


def test_remap_part_outside(machine: Lab):
    """
    A part that reaches out of the VMA is refused.
    """
    assert machine.ask(kind(PART, WC, 2, 7), machine.map()).result(1) == "-1 22"


def test_remap_halves(machine: Lab):
    """
    Two remaps that are each a part map everything and book nothing.
    """
    answers = machine.ask(kind(HALVES, WC), machine.map())

    assert (answers.book(1), answers.cache_bits(1)) == ([], {0: UC_MINUS_BITS})


def test_remap_ram(machine: Lab):
    """
    The driver's own pages are RAM: mapped write-back whatever was asked, and not in the list.
    """
    answers = machine.ask(kind(RAM, WC), machine.map(), "driver ram")
    (entry,) = answers.ptes(1).values()

    assert (answers.book(1), entry[1] & CACHE_BITS) == ([], 0)
    assert entry[1] & 0xFFFFFFFFF000 == int(answers.result(2).split()[2])


def test_mmap_fails(machine: Lab):
    """
    A driver may refuse.
    """
    assert machine.ask(kind(FAIL, WC), machine.map()).result(1) == "-1 6"


def test_zap_frees_in_old(old: Lab):
    """
    In 6.1 zapping one page frees the reservation of the whole VMA.
    """
    answers = old.ask(kind(REMAP, WC), old.map(), f"driver zap {AREA + 3 * PAGE:x} {PAGE:x}")

    assert answers.book(2) == []


def test_zap_keeps_in_new(new: Lab):
    """
    In 7.2 the reservation stays with the VMA.
    """
    answers = new.ask(kind(REMAP, WC), new.map(), f"driver zap {AREA + 3 * PAGE:x} {PAGE:x}")

    assert answers.book(2) == [(0, 8, "write-combining")]


def test_zap_clears_one_page(machine: Lab):
    """
    Zapping clears the entries it was told to and no other.
    """
    answers = machine.ask(kind(REMAP, WC), machine.map(), f"driver zap {AREA + 3 * PAGE:x} {PAGE:x}")

    assert sorted(answers.ptes(2)) == [0, 4]


def test_zap_without_vma(machine: Lab):
    """
    Where nothing is mapped there is nothing to zap.
    """
    assert machine.ask("driver zap 1000 1000").result(0) == "-1 14"


def test_unmap_to_the_end(machine: Lab):
    """
    unmap_mapping_range without a length clears everything from there on.
    """
    answers = machine.ask(kind(REMAP, WC), machine.map(), f"driver unmap {machine.bar + 2 * PAGE:x} 0 1")

    assert answers.lines(2, "p")[0].split()[2:4] == ["2", "1"] and sorted(answers.ptes(2)) == [0]


def test_fault_is_not_booked(machine: Lab):
    """
    vmf_insert_pfn books nothing and maps what the book says, UC-, whatever vm_page_prot wants.
    """
    answers = machine.ask(kind(FAULT, WC), machine.map(), f"load {AREA + PAGE:x}", "driver faults")

    assert (answers.book(2), answers.cache_bits(2)) == ([], {1: UC_MINUS_BITS})
    assert answers.result(3) == "0 0 1"


def test_fault_adopts_what_is_booked(machine: Lab):
    """
    A page that the kernel has mapped write-combining is inserted so.
    """
    answers = machine.ask(
        f"driver ioremap {machine.bar:x} 1000 1", kind(FAULT, AS_IS), machine.map(), f"load {AREA:x}"
    )

    assert answers.cache_bits(3) == {0: WC_BITS}


def test_fault_prot(machine: Lab):
    """
    vmf_insert_pfn_prot asks for a mode and gets the book's all the same.
    """
    answers = machine.ask(kind(FAULT_PROT, AS_IS, insert=WC), machine.map(), f"load {AREA:x}")

    assert answers.cache_bits(2) == {0: UC_MINUS_BITS}


def test_fault_mixed(machine: Lab):
    """
    vmf_insert_mixed maps a page of the device into a VM_MIXEDMAP VMA.
    """
    answers = machine.ask(kind(MIXED, AS_IS), machine.map(), f"load {AREA:x}")

    assert answers.cache_bits(2) == {0: UC_MINUS_BITS}


@pytest.mark.parametrize("how", [INSERT_PAGE, INSERT_PAGES, MAP_PAGES])
def test_own_pages(machine: Lab, how: int):
    """
    The driver's own pages are mapped as pages: not special, and with the mode that was asked for.
    """
    answers = machine.ask(kind(how, WC), machine.map(), "driver ram")
    (entry,) = answers.ptes(1).values()

    assert (answers.book(1), entry[1] & (CACHE_BITS | SPECIAL)) == ([], WC_BITS)
    assert entry[1] & 0xFFFFFFFFF000 == int(answers.result(2).split()[2])


@pytest.mark.parametrize(("how", "result"), [(INSERT_PAGE, 22), (INSERT_PAGES, 22), (MAP_PAGES, 6)])
def test_more_than_its_own_pages(machine: Lab, how: int, result: int):
    """
    A mapping that is larger than the driver's memory is EINVAL, of vm_map_pages ENXIO.
    """
    assert machine.ask(kind(how, AS_IS), machine.map(17)).result(1) == f"-1 {result}"


def test_own_page_comes_back(machine: Lab):
    """
    A page that was taken out is inserted again by a fault, with what was stored in it.
    """
    answers = machine.ask(
        kind(INSERT_PAGE, AS_IS),
        machine.map(),
        f"store {AREA:x} 7",
        f"driver unmap {machine.bar:x} 1000 1",
        f"load {AREA:x}",
        "driver faults",
    )

    assert [answers.result(step) for step in (4, 5)] == ["0 0 7", "0 0 1"]


def test_page_mkwrite(machine: Lab):
    """
    A read gives the page to the kernel, and the first write to it asks the driver once.
    """
    mapped, store = (kind(PAGE_MKWRITE, AS_IS), machine.map()), f"store {AREA:x} 7"
    answers = machine.ask(*mapped, f"load {AREA:x}", store, store, "driver faults")

    assert answers.result(5) == "0 0 2"


def test_mixed_pages(machine: Lab):
    """
    A page and a frame by turns: the second entry alone is special.
    """
    mapped = (kind(MIXED_PAGES, AS_IS), machine.map())
    answers = machine.ask(*mapped, f"load {AREA:x}", f"load {AREA + PAGE:x}", "driver faults")

    assert {0: False, 1: True} == {page: bool(bits & SPECIAL) for page, (_, bits) in answers.ptes(3).items()}
    assert answers.result(4) == "0 0 2"


def test_fault_private_is_refused(machine: Lab):
    """
    Private mappings that faults would populate end the kernel, so they are refused.
    """
    assert machine.ask(kind(FAULT, WC), machine.map(flags=PRIVATE)).result(1) == "-1 22"


def test_fault_in_zapped_private_mapping(machine: Lab):
    """
    A private mapping that was populated and zapped answers a fault by SIGBUS, and the kernel lives.
    """
    answers = machine.ask(
        kind(REMAP, WC), machine.map(flags=PRIVATE), f"driver unmap {machine.bar:x} 0 1", f"load {AREA:x}"
    )

    assert answers.result(3) == "-1 14 sig 7 2"


def test_fault_pmd_in_old(old: Lab):
    """
    6.1 has no special bit in huge leaves, so the kind is refused.
    """
    assert old.ask(kind(PMD, WC), old.map()).result(1) == "-1 95"


def test_fault_pmd(huge: Lab):
    """
    Where a 2M leaf fits, vmf_insert_pfn_pmd maps one.
    """
    answers = huge.ask(kind(PMD, WC), huge.map(512), f"load {AREA:x}", pages=512)

    assert {page: level for page, (level, _) in answers.ptes(2).items()} == {0: 2}


def test_remap_live(machine: Lab):
    """
    Pages of a living VMA are mapped with the frames that belong there.
    """
    answers = machine.ask(kind(FAULT, WC), machine.map(), f"driver remap {AREA + 2 * PAGE:x} {2 * PAGE:x} 1")
    (page, (_, entry)) = answers.ptes(2).popitem()

    assert (page, entry & 0xFFFFFFFFF000) == (2, machine.bar + 2 * PAGE)


def test_remap_live_over_a_page(machine: Lab):
    """
    Remapping what is mapped would end the kernel, so it is refused.
    """
    answers = machine.ask(kind(REMAP, WC), machine.map(), f"driver remap {AREA:x} {PAGE:x} 1")

    assert answers.result(2) == "-1 16"


@pytest.mark.parametrize(
    ("how", "mode"),
    [
        (0, "uncached-minus"),
        (1, "write-combining"),
        (2, "uncached-minus"),
        (3, "uncached"),
        (4, "write-through"),
    ],
)
def test_ioremap_is_booked(machine: Lab, how: int, mode: str):
    """
    Each ioremap books what the machine's MTRRs leave of the mode it is named for.
    """
    assert machine.ask(f"driver ioremap {machine.bar:x} {4 * PAGE:x} {how}").book(0) == [(0, 4, mode)]


def test_iounmap_frees(machine: Lab):
    """
    iounmap gives back exactly what ioremap booked.
    """
    answers = machine.ask(f"driver ioremap {machine.bar:x} 4000 1", f"driver iounmap {machine.bar:x}")

    assert (answers.result(1), answers.book(1)) == ("0 0", [])


def test_iounmap_of_nothing(machine: Lab):
    """
    What is not mapped cannot be unmapped.
    """
    assert machine.ask("driver iounmap 0").result(0) == "-1 2"


def test_memremap(machine: Lab):
    """
    memremap books, memunmap frees.
    """
    answers = machine.ask(f"driver memremap {machine.bar:x} 4000 4", "driver memunmap 0")

    assert (answers.book(0), answers.book(1)) == ([(0, 4, "write-combining")], [])


def test_io_mapping(machine: Lab):
    """
    An io_mapping books its aperture write-combining until it is freed.
    """
    answers = machine.ask(f"driver io-mapping {machine.bar:x} 4000", "driver io-mapping-free 0")

    assert (answers.book(0), answers.book(1)) == ([(0, 4, "write-combining")], [])


def test_claim_zaps(machine: Lab):
    """
    request_mem_region takes the claimed pages out of mappings through sysfs.
    """
    answers = machine.ask(
        f"mmap wc {AREA:x} 8000 {RW:x} {SHARED:x} 0", f"driver claim {machine.bar + 2 * PAGE:x} 2000"
    )

    assert sorted(answers.ptes(1)) == [0, 4]


def test_bind(machine: Lab):
    """
    The driver is bound once, and claims the whole BAR; a program leaves it unbound.
    """
    claim = f"driver claim {machine.bar + 2 * PAGE:x} 2000"
    answers = machine.ask("unbind", "bind", "bind", claim, f"mmap wc {AREA:x} 8000 {RW:x} {SHARED:x} 0")
    after = machine.ask("unbind", claim, "bind", "driver release", "bind")

    assert [answers.result(step) for step in range(5)] == ["-1 19", "0 0", "-1 16", "-1 16", "-1 22"]
    assert [after.result(step) for step in range(5)] == ["-1 19", "0 0", "-1 16", "0 0", "0 0"]


def test_claim_twice(machine: Lab):
    """
    One range is claimed at a time.
    """
    claim = f"driver claim {machine.bar:x} 2000"
    answers = machine.ask(claim, claim, "driver release", claim)

    assert [answers.result(step) for step in range(4)] == ["0 0", "-1 16", "0 0", "0 0"]


def test_write_through(machine: Lab):
    """
    The driver's own pages, of which nobody is asked for the mode, are write-through: all three cache bits.
    """
    answers = machine.ask(kind(INSERT_PAGE, WT), machine.map())

    assert set(answers.cache_bits(1).values()) == {CACHE_BITS}


def test_set_memory(machine: Lab):
    """
    RAM whose direct map is write-combining is mapped write-combining.
    """
    answers = machine.ask("driver set-memory 0 8 1", kind(RAM, WC), machine.map())

    assert set(answers.cache_bits(2).values()) == {WC_BITS}


def test_set_memory_twice(machine: Lab):
    """
    A page that has a mode gets no other before it is write-back again.
    """
    answers = machine.ask("driver set-memory 0 1 1", "driver set-memory 0 1 2", "driver set-memory 0 1 0")

    assert [answers.result(step) for step in range(3)] == ["0 0", "-1 16", "0 0"]


def test_set_pages_array(machine: Lab):
    """
    Of several pages of which one has a mode none gets another; each may be freed by the other function.
    """
    asked = ("set-pages 2 2 1", "set-pages 0 4 2", "set-memory 0 2 2", "set-pages 0 4 0", "set-memory 0 4 1")
    answers = machine.ask(*(f"driver {ask}" for ask in asked))

    assert [answers.result(step) for step in range(5)] == ["0 0", "-1 22", "0 0", "0 0", "0 0"]


def test_memtype_free(machine: Lab):
    """
    An entry that nothing else would free can be taken out of the list.
    """
    free = f"driver memtype-free {machine.bar:x} {machine.bar + 8 * PAGE:x}"
    answers = machine.ask(kind(REMAP, WC), machine.map(), free)

    assert (answers.result(2), answers.book(2)) == ("0 0", [])


def test_nothing_reaches_the_next_program(machine: Lab):
    """
    What a program leaves in the driver is gone when the next one begins.
    """
    machine.ask(
        f"driver claim {machine.bar:x} 1000",
        f"driver ioremap {machine.bar + 8 * PAGE:x} 4000 1",
        "driver set-memory 0 1 1",
        kind(FAIL, WC),
    )

    answers = machine.ask(f"driver claim {machine.bar:x} 1000", "driver set-memory 0 1 1", machine.map())

    assert [answers.result(step) for step in range(3)] == ["0 0"] * 3
    assert answers.book(0) == []
