"""The guests of one machine: booted on demand, ended together; a kernel that never boots is given up on.

They use the emulator's own accelerator (TCG), or the host's processor (KVM) where that works.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pfnlab.base.errors import LostGuest, MissingTool
from pfnlab.lab.images.cache import quiet
from pfnlab.lab.images.image import DriverImage
from pfnlab.lab.images.kernels import KernelImage
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
    :param accel: KVM or TCG; with KVM the processor is the host's (:class:`Acceleration`), and
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


#: The device that QEMU opens for KVM.
KVM_DEVICE = Path("/dev/kvm")

#: Seconds that a guest with KVM has to say hello; it takes about one.
HELLO_LIMIT = 20.0


class Acceleration:
    """The accelerator for one machine's guests, and whether KVM has worked there.

    :param requested: the accelerator that the user requested
    :param say: called once, with the reason, if a different one is used
    :param device: the KVM device; replaced in tests
    """

    def __init__(
        self, requested: Accel = Accel.TCG, say: Callable[[str], None] = quiet, *, device: Path | None = None
    ) -> None:
        self._requested = Accel(requested)
        self._say = say
        self._device = device or KVM_DEVICE
        self._lock = threading.Lock()
        self._told_kinds = set[str]()
        self._kvm_works = False
        self._current = Accel.TCG if self._requested is Accel.TCG else Accel.AUTO

    def settle(self) -> None:
        """Find out, once, whether KVM can be used; MissingTool if it was requested but cannot be."""
        with self._lock:
            if self._current is not Accel.AUTO:
                return
            trouble = _kvm_trouble(self._device)
            if trouble and self._requested is Accel.KVM:
                raise MissingTool(f"KVM cannot be used: {trouble}, or leave `--accel kvm` out")
            if trouble:
                self._tell(f"guests run without KVM: {trouble}")
            self._current = Accel.TCG if trouble else Accel.KVM

    def of(self, *, steered: bool) -> Accel:
        """The accelerator for the next guest, KVM or TCG.

        :param steered: whether its programs hold a processor or force a function; such programs have only
            been measured with TCG
        """
        self.settle()
        with self._lock:
            if steered and self._current is Accel.KVM:
                if self._requested is Accel.KVM:
                    self._tell("programs that hold a processor or force a function run without KVM")
                return Accel.TCG
            return self._current

    def still(self, accel: Accel) -> Accel:
        """The accelerator for a guest planned with *accel*: TCG if KVM has failed for another guest."""
        return self._current if accel is Accel.KVM else accel

    def works(self) -> None:
        """Record that a guest with KVM has said hello."""
        self._kvm_works = True

    def falls_back(self, reason: str) -> bool:
        """Give up on KVM for *reason*; return True if the guest that failed to boot should be retried."""
        with self._lock:
            if self._kvm_works:
                return False
            self._current = Accel.TCG
            self._tell(f"guests run without KVM, which does not work here: {reason}")
            return True

    def _tell(self, line: str) -> None:
        # Each kind of message is printed once: the reason from one guest is enough.
        if (kind := line.partition(":")[0]) not in self._told_kinds:
            self._told_kinds.add(kind)
            self._say(line)


def _kvm_trouble(device: Path) -> str:
    # The reason why KVM cannot be used, with a remedy; empty if it can be used.
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return (
            f"no {device}: load the module kvm_intel or kvm_amd, and allow virtualization in the "
            "firmware, or nested in the host of a virtual machine"
        )
    except PermissionError:
        return f"{device} may not be opened: add yourself to the group kvm (usermod -aG kvm $USER)"
    except OSError as trouble:
        return f"{device} cannot be opened ({trouble.strerror}): load the module kvm_intel or kvm_amd"
    return ""


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
        try:
            guest = self._counted_boot(shape)
        except LostGuest:
            guest = self._counted_boot(shape)
        if self.stop.is_set():
            self.end(guest)
            raise AbandonedBoot
        return guest

    def _counted_boot(self, shape: GuestShape) -> Guest:
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
            raise
        with self.lock:
            self.failed_boots = 0
            if guest.hello.ptes == "ok":
                self.offsets = guest.hello.offsets
            self.guests.add(guest)
        return guest

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
