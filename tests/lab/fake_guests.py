"""Guests that answer what a test says, and a lab that boots them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from pfnlab.base.errors import LostGuest
from pfnlab.base.units import PfnRange
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.channel import Hello
from pfnlab.lab.vm.qemu import Guest
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.observation import Run

KERNEL = KernelImage("6.1", "linux-image-6.1", "6.1.1-1", "6.1.1", Path("/no/vmlinuz"), "00")

PROGRAM = load_text("pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\na = mmap bar[0:4] wc shared rw\n")
STORE = load_text(
    "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\na = mmap bar[0:4] wc shared rw\nwrite a[0] 1\n"
)
MIB = 256  # pages
BIG = load_text("pfnlab program 1\ntitle t\ndevice bar: pci, 1 GiB\na = mmap bar[0:4] wc shared rw\n")

WHOLE = "program 1\nbefore\n{before}step 0\nr 0 0\nstep end\nr 0 0\n{left}done 1\n"

Reply = Callable[[int, str], str]


def clean(number: int, text: str) -> str:
    """The reply of a guest in which nothing happens."""
    return with_lines()


def with_lines(before: str = "", left: str = "") -> str:
    """A whole reply with these lines before the program and after its end."""
    return WHOLE.format(before=before, left=left)


def entry(text: str) -> str:
    """A book entry in the request's first window."""
    start = int(text.split("watch ")[1].split()[0], 16)
    return f"m {start:x} {start + 4096:x} write-combining\n"


class BareGuest(Guest):
    """A guest without a machine, whose memory nobody sees: what a test does not say does nothing."""

    begun = 0
    is_disturbed = False

    def __init__(self) -> None:
        self.hello = Hello("6.1.1", 0xF8000000, MIB, "ok", "found")

    def last_alarm(self) -> Alarm | None:
        """None came."""
        return None

    def lose(self, reason: str, *, disturbed: bool = False) -> LostGuest:
        """Nobody knows more about it."""
        return LostGuest(reason)

    def rest(self) -> None:
        """Nothing goes on."""

    def clear(self, pfns: PfnRange) -> bool:
        """Its memory cannot be cleared from outside."""
        return False

    def stop(self) -> bool:
        """There is nothing to stop."""
        return False

    def close(self) -> None:
        """There is nothing to end."""


class FakeGuest(BareGuest):
    """A guest that answers its n-th request (from 0) as it is told to."""

    def __init__(self, reply: Reply, bar_mib: int) -> None:
        self.hello = Hello("6.1.1", 0xF8000000, bar_mib * MIB, "ok", "found")
        self.reply = reply
        self.requests: list[str] = []
        self.closed = threading.Event()
        self.alarm: Alarm | None = None

    def last_alarm(self) -> Alarm | None:
        """The alarm it ended of."""
        return self.alarm

    def request(self, text: str, limit: float = 30) -> str:
        """The reply, unless there is none."""
        assert not self.closed.is_set()
        assert limit > 0
        self.requests.append(text)
        return self.reply(len(self.requests) - 1, text)

    def close(self) -> None:
        """End it."""
        self.closed.set()


class Lab:
    """Boots fake guests: the n-th as the n-th behaviour says, the last one for all others."""

    def __init__(self, *replies: Reply, fails: int = 0) -> None:
        self.replies = replies or (clean,)
        self.fails = fails
        self.guests: list[FakeGuest] = []
        self.asked: list[tuple[int, str | None]] = []
        self.shapes: list[GuestShape] = []

    def __call__(self, kernel: KernelImage, shape: GuestShape, offsets: str | None) -> FakeGuest:
        """Boot one."""
        self.asked.append((shape.bar_mib, offsets))
        self.shapes.append(shape)
        if len(self.asked) <= self.fails:
            raise LostGuest("it did not boot", console="/lost/console")
        guest = FakeGuest(self.replies[min(len(self.guests), len(self.replies) - 1)], shape.bar_mib)
        self.guests.append(guest)
        return guest

    @property
    def cpus(self) -> list[int]:
        """How many CPUs each guest has."""
        return [shape.cpus for shape in self.shapes]

    def run(self, *programs: Program, guests: int = 1) -> list[Run]:
        """The runs of *programs* in this lab."""
        with QemuMachine(KERNEL, guests=guests, factory=self) as machine:
            return machine.run(programs)


def losing(at: int) -> Reply:
    """A guest that dies at its request number *at*."""

    def reply(number: int, text: str) -> str:
        if number == at:
            raise LostGuest("the guest was lost: it did not answer within 30 s", console="/lost/console")
        return clean(number, text)

    return reply


HELD = load_text(
    "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\na = mmap bar[0:4] wc shared rw\n"
    "hold unmap_vmas: munmap a\nrelease\n"
)
