"""The test driver books, maps and sets ranges for itself when programs in a guest ask it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from driver_guest import ASKED, PAGE, WC, WC_BITS, Lab, kind
from having import NEW, bootable, have

from pfnlab.lab.images.driver_module import image_with_driver
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.qemu import Guest
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.runs.look import LookLevel

pytestmark = pytest.mark.lab

APPLY = 0xB
OF_RAM = 1 << 63

HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\n"
BOOKED = HEAD + "arch_io_reserve_memtype_wc ram[2:4]\narch_io_free_memtype_wc ram[2:4]\n"
LATER = HEAD + "a = mmap bar[0:4] driver remap shared rw\n"


@pytest.fixture(scope="module", params=ASKED)
def machine(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Every series that is asked, in turn."""
    kernel = bootable(request.param)
    with Guest(kernel.vmlinuz, GuestShape(image=have(lambda: image_with_driver(kernel)))) as guest:
        yield Lab(guest)


def test_an_aperture_is_booked_and_freed(machine: Lab):
    """
    arch_io_reserve_memtype_wc makes an entry, arch_io_free_memtype_wc takes it away.
    """
    answers = machine.ask(f"driver reserve-wc {machine.bar:x} 4000", f"driver free-wc {machine.bar:x} 4000")

    assert (answers.book(0), answers.book(1)) == ([(0, 4, "write-combining")], [])


def test_another_range_frees_no_aperture(machine: Lab):
    """
    Only an entry of just that range goes, and the call says nothing of it.
    """
    answers = machine.ask(f"driver reserve-wc {machine.bar:x} 4000", f"driver free-wc {machine.bar:x} 2000")

    assert (answers.result(1), answers.book(1)) == ("0 0", [(0, 4, "write-combining")])


def test_no_mtrr_is_needed(machine: Lab):
    """
    With PAT arch_phys_wc_add has nothing to do and nothing to undo.
    """
    assert machine.ask(f"driver phys-wc-add {machine.bar:x} 4000").result(0) == "0 0 0"


def test_entries_nobody_is_asked_about(machine: Lab):
    """
    apply_to_page_range maps write-combining beside an uncached mapping, and books nothing.
    """
    other = f"driver ioremap {machine.bar:x} 4000 0"
    answers = machine.ask(other, kind(APPLY, WC), machine.map(4))

    assert set(answers.cache_bits(2).values()) == {WC_BITS}
    assert answers.book(2) == [(0, 4, "uncached-minus")]


def test_memory_is_memremapped_where_it_is(machine: Lab):
    """
    Write-back gives the direct map's own place, other modes are refused.
    """
    answers = machine.ask(
        f"driver memremap {OF_RAM:x} 2000 1", "driver memunmap 0", f"driver memremap {OF_RAM:x} 2000 4"
    )

    assert [answers.result(step) for step in range(3)] == ["0 0", "0 0", "-1 12"]


def test_memory_is_not_ioremapped(machine: Lab):
    """
    A place in the driver's own pages is one in memory.
    """
    assert machine.ask(f"driver ioremap {OF_RAM + PAGE:x} 1000 1").result(0) == "-1 12"


@pytest.mark.parametrize("p2pdma", [0, 1])
def test_struct_pages_are_booked(machine: Lab, p2pdma: int):
    """
    Of write-back the MTRRs leave what memory for peers asks for.
    """
    made = f"driver memremap-pages {machine.bar:x} 200000 {p2pdma}"
    answers = machine.ask(made, "driver memunmap-pages 0", pages=512)

    assert (answers.book(0), answers.book(1)) == ([(0, 512, "uncached-minus")], [])


def test_struct_pages_are_there_once(machine: Lab):
    """
    The second time is refused, and the first entry stays.
    """
    made = f"driver memremap-pages {machine.bar:x} 200000 0"
    answers = machine.ask(made, made, pages=512)

    assert (answers.result(1), answers.book(1)) == ("-1 12", [(0, 512, "uncached-minus")])


def test_memory_is_as_it_was_for_the_next_program() -> None:
    """
    A booking of the driver's own pages changes the direct map, and freeing it does not change it back.
    """
    with QemuMachine(bootable(NEW), guests=1, look=LookLevel.MEMORY) as kernel:
        booked, later = kernel.run([load_text(BOOKED), load_text(LATER)])

    assert [step.direct_map for step in booked.steps] == [("ram[2:4] WC",)] * 3
    assert [step.direct_map for step in later.steps] == [(), ()]


def test_nothing_of_it_reaches_the_next_program(machine: Lab):
    """
    Apertures and struct pages that a program leaves are gone when the next one begins.
    """
    machine.ask(
        f"driver memremap-pages {machine.bar:x} 200000 0",
        f"driver reserve-wc {machine.bar:x} 4000",
        pages=512,
    )

    assert machine.ask("nop", pages=512).book(0) == []
