"""The guests of one machine: booted on demand, ended together; a kernel that never boots is given up on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pfnlab.base.errors import Defect, LostGuest
from pfnlab.lab.images.image import DriverImage
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.vm.accel import Acceleration
from pfnlab.programs.runs.machine import Accel

if TYPE_CHECKING:
    from pfnlab.lab.vm.qemu import Guest

#: After this many failed boots in a row, the kernel counts as unbootable.
MAX_FAILED_BOOTS = 4


@dataclass(frozen=True)
class GuestShape:
    """The properties that a guest is booted with.

    :param bar_mib: the size of the device under test in MiB, a power of two; only written pages use memory
    :param image: its initramfs; the agent's image if None
    :param cpus: the number of CPUs
    :param slot: whether the device under test is in a slot and can be unplugged
    :param resets: whether the device under test can be reset and put to sleep; such
        machines are always booted
    :param accel: KVM or TCG; with KVM the processor is the host's (:class:`pfnlab.lab.vm.accel.Accel`), and
        no state is saved, because it would not fit another host
    :param devices: additional devices, each an argument to QEMU's ``-device``; such
        machines are always booted
    :param parameters: additional words for the kernel's command line; such machines are always booted
    :param phys_bits: the width of a physical address on an emulated processor; the emulator's default if None
    :param ram_mib: RAM in MiB; derived from the kernel's configuration if None
    :param probed: whether the order of kernel calls is observed, with probes that cause flushes themselves
    :param steady: whether the clock of a single emulated CPU advances with its instructions, whatever else
        the host does; several CPUs take turns, so that their blocks can be counted in one place
    """

    bar_mib: int = 64
    image: Path | None = None
    cpus: int = 1
    slot: bool = False
    resets: bool = False
    accel: Accel = Accel.TCG
    devices: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    phys_bits: int | None = None
    ram_mib: int | None = None
    probed: bool = False
    steady: bool = False


#: A small guest with nothing but the agent.
SMALL = GuestShape()

#: Boots a kernel as a guest of that shape; the offsets come from an earlier boot of the kernel.
GuestFactory = Callable[[KernelImage, GuestShape, str | None], "Guest"]


class AbandonedBoot(Exception):
    """The run was abandoned while this guest was booting."""


@dataclass
class Boots:
    """State shared by the guests of one machine, including the images with the driver and with vfio-pci."""

    boot: Callable[[GuestShape, str | None], Guest]
    driver: DriverImage
    vfio: DriverImage
    acceleration: Acceleration = field(default_factory=Acceleration)
    guests: set[Guest] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)
    offsets: str | None = None
    failed_boots: int = 0
    failure: str = ""

    def start(self, shape: GuestShape) -> Guest:
        """Start a new guest; a failed boot is retried once, unless all recent boots have failed."""
        for last_try in (False, True):
            with self.lock:
                if self.failed_boots >= MAX_FAILED_BOOTS:
                    raise LostGuest(f"the last {self.failed_boots} boots failed: {self.failure}")
                offsets = self.offsets
            try:
                guest = self._boot(shape, offsets)
            except LostGuest as reason:
                with self.lock:
                    self.failed_boots += 1
                    self.failure = str(reason)
                if last_try:
                    raise
                continue
            with self.lock:
                self.failed_boots = 0
                if guest.hello.ptes == "ok":
                    self.offsets = guest.hello.offsets
                self.guests.add(guest)
            if self.stop.is_set():
                self.end(guest)
                raise AbandonedBoot
            return guest
        raise Defect("a boot neither worked nor failed")

    def _boot(self, shape: GuestShape, offsets: str | None) -> Guest:
        # Until the first guest has booted with KVM, it is not known whether guests can.
        shape = replace(shape, accel=self.acceleration.still(shape.accel))
        try:
            guest = self.boot(shape, offsets)
        except LostGuest as reason:
            if shape.accel is not Accel.KVM or not self.acceleration.falls_back(str(reason)):
                raise
            return self.boot(replace(shape, accel=Accel.TCG), offsets)
        if shape.accel is Accel.KVM:
            self.acceleration.works()
        return guest

    def end(self, guest: Guest) -> None:
        """Close one guest."""
        with self.lock:
            self.guests.discard(guest)
        guest.close()

    def end_all(self) -> None:
        """Close all guests, even while other threads are waiting for them."""
        with self.lock:
            guests, self.guests = list(self.guests), set()
        for guest in guests:
            guest.close()
