"""Traces of a program that are removed, against guests that answer and against a real kernel."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from fake_guests import FakeGuest
from having import NEW, OLD, bootable

from pfnlab.base.errors import LostGuest, Undecided
from pfnlab.base.units import PfnRange
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running.cleaning import cleared, stored_pages, turned_back
from pfnlab.lab.running.inside import Inside
from pfnlab.lab.running.placement import Placement, Windows
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.lab.vm.boots import Boots, GuestShape
from pfnlab.lab.vm.qemu import Guest
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel

PROGRAM = load_text(
    "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\ndevice low: lowmem, 8 pages\n"
    "a = mmap low[0:4] devmem-sync shared rw\n"
)


def placed() -> Placement:
    """The program's place in a guest with a BAR of 4 MiB."""
    placement = Windows(PfnRange(0xF8000, 0xF8400)).place(PROGRAM)
    assert placement is not None
    return placement


def answering(*results: str) -> FakeGuest:
    """A guest whose operations end so, whatever they are."""
    return FakeGuest(lambda number, text: "".join(f"r {result}\n" for result in results), 4)


def dying() -> FakeGuest:
    """A guest that is lost with the first request."""

    def reply(number: int, text: str) -> str:
        raise LostGuest("it is gone")

    return FakeGuest(reply, 4)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[GuestShape]:
    """The guests that are started from now on."""
    shapes: list[GuestShape] = []
    start = Boots.start

    def counted(boots: Boots, shape: GuestShape) -> Guest:
        shapes.append(shape)
        return start(boots, shape)

    monkeypatch.setattr(Boots, "start", counted)
    return shapes


@pytest.mark.parametrize(
    ("left", "names"), [((), {"low"}), (("low[3:4] UC-",), set())], ids=["all of it", "not all"]
)
def test_what_is_seen_in_the_end_counts(left: tuple[str, ...], names: set[str]) -> None:
    """Whatever was written."""
    placement, asked = placed(), list[PfnRange]()

    assert names == turned_back(placement, ["low[2:4] UC-", "ram[0:1] WC"], asked.extend, lambda: left)
    low = placement.windows["low"]
    assert [PfnRange(low.start, low.end + 1)] == asked


def test_what_cannot_be_seen_is_not_clean() -> None:
    """The run that is over stays as it is."""

    def blind() -> tuple[str, ...]:
        raise Undecided("the memory cannot be read")

    assert set() == turned_back(placed(), ["low[0:1] UC-"], lambda frames: None, blind)


@pytest.mark.parametrize(
    ("guest", "names"),
    [
        (lambda: answering("0 0", "0 0", "0 0", "0 0"), {"bar", "low"}),
        (lambda: answering("-1 12", "0 0", "0 0", "0 0"), set()),
        (dying, set()),
    ],
    ids=["cleared", "refused", "lost"],
)
def test_bytes_are_cleared_where_all_went_well(guest: Callable[[], FakeGuest], names: set[str]) -> None:
    """A window whose bytes may have stayed is never handed out again."""
    assert names == cleared(guest(), placed(), {"bar", "low"})


ACROSS = load_text(
    "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\ndevice low: lowmem, 1 page\n"
    "a = mmap low[0] devmem-sync shared rw\nmem_read a[0] at 4092 8 bytes\n"
)
#: Has the same pages of low memory, and maps none of them.
BESIDE = load_text(
    "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\ndevice low: lowmem, 8 pages\n"
    "a = mmap bar[0:4] wc shared rw\n"
)


@pytest.mark.lab
@pytest.mark.xdist_group(f"kernel-{OLD}")
def test_the_page_behind_an_access_is_written_back_too() -> None:
    """The kernel maps it with the page that it reads, where a read goes over its end; not since 7.3."""
    with QemuMachine(bootable(OLD), guests=1, look=LookLevel.MEMORY) as machine:
        _, after = machine.run([ACROSS, BESIDE])

    assert () == after.steps[0].direct_map


#: Up to 6.15 the entry of the middle stays booked for good, in a mode of its own.
LEAKING = load_text(
    "pfnlab program 1\ntitle t\ndevice low: lowmem, 4 pages\n"
    "a = mmap low[0:4] devmem-sync shared rw\nmunmap a[1:3]\nmunmap a\n"
)
#: Have other pages of low memory, and are asked operation by operation.
FAILING = [
    load_text(f"pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\ndevice low: lowmem, {lines}")
    for lines in (
        "8 pages\nfail __pte_alloc 1: a = mmap bar[0:4] wc private rw\nread a[0]\n",
        "32 pages\nfail vm_area_dup 1: c = fork\na = mmap bar[0:4] uc shared rw\n",
    )
]


@pytest.mark.lab
@pytest.mark.xdist_group(f"kernel-{OLD}")
@pytest.mark.parametrize("later", FAILING, ids=["of a page table", "of a VMA"])
def test_what_a_program_has_booked_for_good_changes_nothing_for_the_next(
    later: Program, started: list[GuestShape]
) -> None:
    """What the agent maps before a program does not get the mode that stayed in low memory."""
    with QemuMachine(bootable(OLD), guests=1, look=LookLevel.MEMORY) as machine:
        before, after = machine.run([LEAKING, later])

    assert (True, 1) == (bool(before.steps[-1].book), len(started))
    assert {()} == {step.direct_map for step in after.steps}


@pytest.mark.lab
def test_low_memory_is_written_back_for_the_next_program(started: list[GuestShape]) -> None:
    """One guest has room for more programs than there are windows in low memory."""
    with QemuMachine(bootable(NEW), guests=1, look=LookLevel.MEMORY) as machine:
        runs = machine.run([PROGRAM] * 30)

    assert 1 == len(started)
    assert {("low[0:4] UC-",)} == {run.steps[0].direct_map for run in runs}


HOLE = load_text(
    "pfnlab program 1\ntitle t\ndevice hole: isa, 112 pages\na = mmap hole[4:100] devmem-sync shared rw\n"
)


@pytest.mark.lab
@pytest.mark.parametrize(("turns", "guests"), [(True, 1), (False, 3)], ids=["turned back", "left"])
def test_the_hole_is_written_back_for_the_next_program(
    turns: bool, guests: int, started: list[GuestShape], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one in a guest; where it stays as it was, each program needs a guest of its own."""
    if not turns:
        monkeypatch.setattr(Inside, "turn_back", lambda inside, frames: None)
    with QemuMachine(bootable(NEW), guests=1, look=LookLevel.MEMORY) as machine:
        runs = machine.run([HOLE] * 3)

    assert guests == len(started)
    assert {("hole[4:100] UC-",)} == {run.steps[0].direct_map for run in runs}


@pytest.mark.lab
def test_a_device_that_was_written_is_cleared_for_the_next_program(started: list[GuestShape]) -> None:
    """One guest serves both, and the second finds zero where the first has written."""
    head = "pfnlab program 1\ntitle t\ndevice bar: pci, 600 pages\na = mmap bar[0:600] vfio shared rw\n"
    written, later = (load_text(head + line) for line in ("write a[599] 7\nread a[599]\n", "read a[599]\n"))

    with QemuMachine(bootable(NEW), guests=1) as machine:
        runs = machine.run([written, later])

    assert ([7, 0], 1) == ([run.steps[-2].value for run in runs], len(started))


def test_of_a_large_device_only_the_pages_that_were_stored_to_are_cleared() -> None:
    """Nothing is asked of the guest where there is none."""
    program = load_text(
        "pfnlab program 1\ntitle t\ndevice bar: pci, 64 MiB\na = mmap bar[0:1] wc shared rw\n"
    )
    placement = Windows(PfnRange(0x800000, 0x810000)).place(program)
    assert placement is not None
    guest = answering(*["0 0"] * 7)

    names = [
        cleared(guest, placement, {"bar"}, pages) for pages in (None, {}, {"bar": {5, 900}}, {"bar": {16384}})
    ]

    assert [set(), {"bar"}, {"bar"}, set()] == names
    assert ["5000", "384000"] == re.findall(r"mmap uc 100000000000 1000 3 100001 (\w+)", guest.requests[0])
    assert 1 == len(guest.requests)


LARGE = "pfnlab program 1\ntitle t\ndevice bar: pci, 1 GiB\na = mmap bar[0:262144] vfio shared rw\n"


@pytest.mark.lab
@pytest.mark.parametrize(
    ("tells", "value"), [(stored_pages, 0), (lambda program, steps: {}, 7)], ids=["told", "forgotten"]
)
def test_a_large_device_serves_the_next_program_too(
    tells: Callable[..., object], value: int, started: list[GuestShape], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Its stored pages are zero again; where they were forgotten, the next program finds their bytes.

    On a host that cannot clear them from outside.
    """
    monkeypatch.setattr(Guest, "clear", lambda *_: False)
    monkeypatch.setattr("pfnlab.lab.running.bench.stored_pages", tells)
    written, later = (load_text(LARGE + line) for line in ("write a[777] 7\n", "read a[777]\n"))

    with QemuMachine(bootable(NEW), guests=1, look=LookLevel.MEMORY) as machine:
        runs = machine.run([written, later])

    assert (value, 1) == (runs[1].steps[-2].value, len(started))


@pytest.mark.lab
@pytest.mark.parametrize(
    ("clear", "value", "guests"), [(Guest.clear, 0, 1), (lambda *_: True, 7, 1), (lambda *_: False, 0, 2)]
)
def test_a_large_device_is_cleared_from_outside_whatever_a_run_shows(
    clear: Callable[..., bool],
    value: int,
    guests: int,
    started: list[GuestShape],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Observed at the end alone, no run shows where its stores went.

    Where nothing is cleared, the next program finds them; where that is impossible, it has another guest.
    """
    monkeypatch.setattr(Guest, "clear", clear)
    written, later = (load_text(LARGE + line) for line in ("write a[777] 7\n", "read a[777]\n"))

    with QemuMachine(bootable(NEW), guests=1, look=LookLevel.END) as machine:
        runs = machine.run([written, later])

    assert (value, guests) == (runs[1].steps[-2].value, len(started))


def test_low_memory_is_cleared_by_its_address() -> None:
    """Files of the device do not show it."""
    guest, placement = answering("0 0", "0 0", "0 0", "0 0"), placed()

    assert {"low"} == cleared(guest, placement, {"low"})
    at = placement.windows["low"].start
    assert f"mmap devmem 100000000000 8000 3 100001 {at << 12:x}" in guest.requests[0]


@pytest.mark.lab
def test_low_memory_that_was_written_is_cleared_for_the_next_program(started: list[GuestShape]) -> None:
    """One guest has room for more programs that write than there are windows, and each finds zero."""
    head = "pfnlab program 1\ntitle t\ndevice low: lowmem, 32 pages\na = mmap low[0:32] devmem shared rw\n"
    program = load_text(f"{head}read a[5]\nwrite a[5] 7\n")

    with QemuMachine(bootable(NEW), guests=1, look=LookLevel.MEMORY) as machine:
        runs = machine.run([program] * 12)

    assert ([0] * 12, 1) == ([run.steps[1].value for run in runs], len(started))


@pytest.mark.lab
def test_what_the_driver_keeps_is_given_back_before_it_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims, areas and a binding that a program leaves are no leftovers; unasked they are."""
    keeping = [
        load_text(f"pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\n{lines}")
        for lines in ("ioremap bar[0:2] wc\nrequest_mem_region bar[4]\n", "bind bar\n")
    ]

    def left(kernel: KernelImage) -> list[set[str]]:
        with QemuMachine(kernel, guests=1, look=LookLevel.MEMORY) as machine:
            runs = machine.run(keeping)
        return [{fault.name for fault in run.memory[-1].faults} for run in runs]

    kernel = bootable(NEW)
    given_back = left(kernel)
    request = Guest.request
    monkeypatch.setattr(
        Guest,
        "request",
        lambda guest, text, limit: "" if text == "reset\n" else request(guest, text, limit),
    )

    assert [set(), set()] == given_back
    assert {"areas_left", "resources_left"} == left(kernel)[0]
