"""Traces of a program that are taken away, against guests that answer and against a real kernel."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fake_guests import FakeGuest
from having import NEW, bootable

from pfnlab.errors import Defect, LostGuest, Undecided
from pfnlab.lab.running.cleaning import changed_devices, cleared, turned_back
from pfnlab.lab.running.machine import QemuMachine
from pfnlab.lab.running.placement import Placement, Windows
from pfnlab.lab.vm.boots import Boots, GuestLike, GuestShape
from pfnlab.lens.state import LensState
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.runs.look import LookLevel
from pfnlab.units import PfnRange

PROGRAM = load_text(
    "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\ndevice low: lowmem, 8 pages\n"
    "a = mmap low[0:4] devmem-sync shared rw\n"
)


def seen(lines: tuple[str, ...]) -> LensState:
    """A state of which only the direct map matters."""
    return LensState((), (), (), direct_map=lines)


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


def test_the_pages_of_a_line_belong_to_its_device() -> None:
    """A page, or a range."""
    state = seen(("low[2] UC-", "low[4:8] WC", "hole[0:1] UC-"))

    assert {"low": [(2, 3), (4, 8)], "hole": [(0, 1)]} == changed_devices(state)


def test_another_line_is_a_defect() -> None:
    """Nothing is taken for clean that cannot be read."""
    with pytest.raises(Defect):
        changed_devices(seen(("low is odd",)))


@pytest.mark.parametrize(
    ("left", "names"), [((), {"low"}), (("low[3] UC-",), set())], ids=["all of it", "not all"]
)
def test_what_is_seen_from_outside_counts(left: tuple[str, ...], names: set[str]) -> None:
    """Whatever the guest answered."""
    guest, placement = answering("0 0", "0 0", "0 0"), placed()
    state = seen(("low[2:4] UC-",))

    assert names == turned_back(guest, placement, state, lambda: seen(left))
    at = placement.places.devices["low"].start + 2
    assert f"mmap devmem 100000000000 2000 1 100001 {at << 12:x}" in guest.requests[0]


def test_what_cannot_be_seen_is_not_clean() -> None:
    """The run that is over stays as it is."""

    def blind() -> LensState:
        raise Undecided("the memory cannot be read")

    assert set() == turned_back(answering("0 0"), placed(), seen(("low[0] UC-",)), blind)


@pytest.mark.parametrize(
    ("guest", "names"),
    [
        (lambda: answering("0 0", "0 0", "0 0", "0 0"), {"bar"}),
        (lambda: answering("-1 12", "0 0", "0 0", "0 0"), set()),
        (dying, set()),
    ],
    ids=["cleared", "refused", "lost"],
)
def test_bytes_are_cleared_where_all_went_well(guest: Callable[[], FakeGuest], names: set[str]) -> None:
    """A window whose bytes may have stayed is never handed out again."""
    assert names == cleared(guest(), placed(), {"bar", "low"})


@pytest.mark.lab
def test_low_memory_is_written_back_for_the_next_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """One guest has room for more programs than there are windows in low memory."""
    started = []
    start = Boots.start

    def counted(boots: Boots, shape: GuestShape) -> GuestLike:
        started.append(shape)
        return start(boots, shape)

    monkeypatch.setattr(Boots, "start", counted)

    with QemuMachine(bootable(NEW), guests=1, look=LookLevel.MEMORY) as machine:
        runs = machine.run([PROGRAM] * 30)

    assert 1 == len(started)
    assert {("low[0:4] UC-",)} == {run.steps[0].direct_map for run in runs}
