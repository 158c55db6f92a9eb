"""Guests of several shapes: stopped while another one runs, and resumed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_guests import BIG, KERNEL, PROGRAM, FakeGuest, Lab, clean, losing
from having import NEW, bootable

from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running import guests
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import Run


class StoppableGuest(FakeGuest):
    """A guest that can be stopped, and answers nothing while it is.

    :ivar told: what it was told, in order
    """

    def __init__(self, guest: FakeGuest, *, obeys: bool) -> None:
        super().__init__(guest.reply, guest.hello.bar_pages // 256)
        self.told: list[str] = []
        self._obeys, self._is_stopped = obeys, False

    def request(self, text: str, limit: float = 30) -> str:
        """The reply of a running guest."""
        assert not self._is_stopped
        return super().request(text, limit)

    def stop(self) -> bool:
        """Stop it."""
        self.told.append("stop")
        self._is_stopped = True
        return self._obeys

    def resume(self) -> bool:
        """Let it run again."""
        self.told.append("resume")
        self._is_stopped = False
        return True


class StoppableLab(Lab):
    """Boots guests that can be stopped; those with a BAR of *stubborn* MiB do not obey."""

    stubborn = 0

    def __call__(self, kernel: KernelImage, shape: GuestShape, offsets: str | None) -> StoppableGuest:
        """Boot one."""
        guest = StoppableGuest(super().__call__(kernel, shape, offsets), obeys=shape.bar_mib != self.stubborn)
        self.guests[-1] = guest
        return guest

    def run_in_turn(self, *programs: Program) -> list[Run]:
        """The runs of *programs*, one after the other."""
        with QemuMachine(KERNEL, guests=1, factory=self) as machine:
            return [machine.run([program])[0] for program in programs]


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> StoppableLab:
    """A lab on a host with much memory."""
    monkeypatch.setattr(guests, "_free_mib", lambda: guests.LEAST_FREE_MIB)
    return StoppableLab()


HUGE = load_text("pfnlab program 1\ntitle t\ndevice bar: pci, 8 GiB\na = mmap bar[0:4] wc shared rw\n")


def test_a_guest_waits_for_the_next_program_of_its_shape(lab: StoppableLab) -> None:
    """Three programs, two shapes, two boots."""
    runs = lab.run_in_turn(PROGRAM, BIG, PROGRAM)

    first, _ = lab.guests
    assert isinstance(first, StoppableGuest)
    assert ([None] * 3, ["stop", "resume"]) == ([run.unfinished for run in runs], first.told)


def test_a_guest_that_does_not_stop_is_ended(lab: StoppableLab) -> None:
    """It would take time from the others."""
    lab.stubborn = 256

    lab.run_in_turn(PROGRAM, BIG, PROGRAM)

    assert 3 == len(lab.guests)


def test_without_memory_no_guest_waits(lab: StoppableLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host needs it more."""
    monkeypatch.setattr(guests, "_free_mib", lambda: guests.LEAST_FREE_MIB - 1)

    lab.run_in_turn(PROGRAM, BIG, PROGRAM)

    assert 3 == len(lab.guests)


def test_a_guest_whose_memory_is_on_a_disk_is_ended(
    lab: StoppableLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several such files would fill the disk, and are slow."""
    monkeypatch.setattr(guests, "_is_on_disk", lambda guest: True)

    lab.run_in_turn(PROGRAM, BIG, PROGRAM)

    assert 3 == len(lab.guests)


@pytest.mark.parametrize(
    ("ram", "on_disk"),
    [(None, False), ("/dev/shm/pfnlab-1/ram", False), ("/tmp/pfnlab-1/ram", True), ("/dev/shmem/ram", True)],
)
def test_where_the_memory_is(ram: str | None, on_disk: bool) -> None:
    """Memory that cannot be read from outside is QEMU's own."""
    guest: Any = SimpleNamespace(ram=None if ram is None else Path(ram))

    assert on_disk == guests._is_on_disk(guest)


def test_the_guest_that_waited_longest_is_ended(lab: StoppableLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many wait."""
    monkeypatch.setattr(guests, "MOST_STOPPED", 1)

    lab.run_in_turn(PROGRAM, BIG, HUGE, BIG, PROGRAM)

    assert [256, 4096, 16384, 256] == [bar for bar, _ in lab.asked]


def test_after_a_reboot_no_stopped_guest_is_used(lab: StoppableLab) -> None:
    """Programs have run in it."""
    with QemuMachine(KERNEL, guests=1, factory=lab) as machine:
        for program in (PROGRAM, BIG):
            machine.run([program])
        machine.reboot()
        machine.run([PROGRAM])

    assert 3 == len(lab.guests)


def test_leaving_ends_stopped_guests(lab: StoppableLab) -> None:
    """Nothing stays on the host."""
    lab.run_in_turn(PROGRAM, BIG)

    assert all(guest.closed.is_set() for guest in lab.guests)


def test_a_lost_guest_leaves_the_stopped_ones(lab: StoppableLab) -> None:
    """They have nothing to do with it."""
    lab.replies = (clean, losing(0), clean)

    runs = lab.run_in_turn(PROGRAM, BIG, PROGRAM)

    assert ([True, False], 2) == ([bool(run.lost) for run in runs[1:]], len(lab.guests))


def test_free_memory_is_read_from_the_host() -> None:
    """Every Linux host tells it."""
    assert guests._free_mib() > 0


def test_a_container_may_have_less(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its limit is the end of its processes, whatever the host has."""
    monkeypatch.setattr(guests, "_CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text(f"{100 << 20}\n")
    (tmp_path / "memory.current").write_text(f"{60 << 20}\n")

    assert 40 == guests._free_mib()


def test_a_container_without_limit_has_what_the_host_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The file then has a word."""
    monkeypatch.setattr(guests, "_CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1\n")

    assert guests._free_mib() > 0


HELD = load_text(
    "pfnlab program 1\ntitle held\ndevice bar: pci, 8 pages\na = mmap bar[0:4] wc shared rw\nt = fork\n"
    "hold unmap_vmas: t: munmap a\nrelease\n"
)


@pytest.mark.lab
def test_a_kernel_behaves_the_same_after_a_stop() -> None:
    """The gdbstub stops and resumes one of two guests, QEMU's monitor the other."""
    bootable(NEW)
    runs = []
    with QemuMachine(NEW, guests=1) as machine:
        for program in (PROGRAM, HELD, PROGRAM, HELD):
            runs.append(machine.run([program])[0])
        boots = len(machine._shared.guests)

    assert [None] * 4 == [run.unfinished for run in runs]
    assert ([run.steps for run in runs[:2]], 2) == ([run.steps for run in runs[2:]], boots)
