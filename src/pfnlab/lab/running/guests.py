"""The guests of one bench: the one that ran the latest program, and others, stopped until they are needed.

Programs need guests of different shapes, and a boot takes as long as many programs. So when the next program
needs another shape, a guest is stopped rather than ended; it still uses memory, but no processor time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pfnlab.base.errors import Defect, LostGuest
from pfnlab.base.units import PfnRange, phys_to_pfn
from pfnlab.lab.running.kernel_blocks import ReachedBlocks
from pfnlab.lab.running.placement import Placement, Windows
from pfnlab.lab.running.stepper import Stepper
from pfnlab.lab.vm.boots import Boots, GuestShape
from pfnlab.lab.vm.launch import SHARED_MEMORY
from pfnlab.lab.vm.qemu import Guest
from pfnlab.programs.lang.device_ops import DRIVER_RAM_PAGES
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.places import bar_mib_for

if TYPE_CHECKING:
    from pfnlab.lab.lens.resource_use import ResourceUse

#: Maximum number of stopped guests per bench, at some 350 MiB each.
MOST_STOPPED = 6

#: If the host has less free memory than this, in MiB, guests are ended instead of stopped.
LEAST_FREE_MIB = 4 << 10

_CGROUP = Path("/sys/fs/cgroup")

#: The address of the driver's own pages: the request, and the pattern that the reply must match.
_DRIVER_RAM_REQUEST = "program ram\nop 0 driver ram\nend\n"
_DRIVER_RAM_ANSWER = re.compile(r"^r 0 0 (\d+)$", re.MULTILINE)
_DRIVER_LIMIT = 30.0


@dataclass
class BootedGuest:
    """One guest, and traces left by the programs it has run."""

    guest: Guest
    windows: Windows
    shape: GuestShape
    stepper: Stepper
    reached: ReachedBlocks | None = None
    fresh: bool = True
    leaked_entries: int = 0
    once_messages: dict[str, None] = field(default_factory=dict)
    #: Resources in use when the guest was last asked.
    in_use: ResourceUse | None = None


class Guests:
    """The guests of one bench, at most one of each shape.

    :param shared: where guests come from
    :param vmlinuz: their kernel
    :param leave: called before a guest is stopped or ended that could run another program, and may end it
    :ivar current: the guest that ran the latest program, unless it has ended
    """

    def __init__(self, shared: Boots, vmlinuz: Path, leave: Callable[[], None] = lambda: None) -> None:
        self._shared, self._vmlinuz, self._leave = shared, vmlinuz, leave
        self.current: BootedGuest | None = None
        #: Stopped guests, least recently used first.
        self._stopped: dict[GuestShape, BootedGuest] = {}

    @property
    def any(self) -> bool:
        """True if there is a guest."""
        return self.current is not None or bool(self._stopped)

    def place(
        self, program: Program, shape: GuestShape, *, blocks: bool = False
    ) -> tuple[BootedGuest, Placement]:
        """A running guest of that shape with room for *program*, and where in it the program goes.

        :param blocks: whether a new guest reports the kernel blocks that programs reach
        :raises LostGuest: if a new guest is needed but does not boot
        """
        if self.current is None or self.current.shape != shape:
            waiting = self._stopped.pop(shape, None)
            self._leave()
            self._stop_current()
            self._resume(waiting)
        if self.current is not None:
            placement = self.current.windows.place(program)
            if placement is not None:
                return self.current, placement
            self._leave()
            self.end_current()
        self.current = booted = self._boot(program, shape, blocks=blocks)
        placement = booted.windows.place(program)
        if placement is None:
            need = bar_mib_for(program)
            raise Defect(f"a BAR of {shape.bar_mib} MiB has no room for a program that needs {need} MiB")
        return booted, placement

    def end_current(self) -> None:
        """End the guest that ran the latest program."""
        if self.current is not None:
            self._end(self.current)
            self.current = None

    def end_all(self) -> None:
        """End all guests."""
        self.end_current()
        for booted in self._stopped.values():
            self._end(booted)
        self._stopped.clear()

    def _end(self, booted: BootedGuest) -> None:
        booted.stepper.close()
        self._shared.end(booted.guest)

    def _boot(self, program: Program, shape: GuestShape, *, blocks: bool) -> BootedGuest:
        guest = self._shared.start(shape)
        ram = driver_pages(guest) if program.needs.driver else None
        return BootedGuest(
            guest,
            Windows(guest.hello.bar, driver_ram=ram, phys_bits=guest.hello.phys_bits),
            # If KVM did not work, the guest has a different accelerator.
            replace(shape, accel=self._shared.acceleration.still(shape.accel)),
            Stepper(guest, self._vmlinuz),
            ReachedBlocks(guest, self._vmlinuz, has_module=program.needs.vfio) if blocks else None,
        )

    def _stop_current(self) -> None:
        booted, self.current = self.current, None
        if booted is None:
            return
        if _free_mib() < LEAST_FREE_MIB or _is_on_disk(booted.guest) or not booted.stepper.stop():
            self._end(booted)
            return
        self._stopped[booted.shape] = booted
        if len(self._stopped) > MOST_STOPPED:
            self._end(self._stopped.pop(next(iter(self._stopped))))

    def _resume(self, booted: BootedGuest | None) -> None:
        if booted is None:
            return
        if booted.stepper.resume():
            self.current = booted
        else:
            self._end(booted)


def driver_pages(guest: Guest) -> PfnRange | None:
    """The driver's own pages, loading the driver first; None if that fails, as the program will report."""
    try:
        reply = guest.request(_DRIVER_RAM_REQUEST, _DRIVER_LIMIT)
    except LostGuest:
        return None
    address = _DRIVER_RAM_ANSWER.search(reply)
    if address is None:
        return None
    start = phys_to_pfn(int(address[1]))
    return PfnRange(start, start + DRIVER_RAM_PAGES)


def _is_on_disk(guest: Guest) -> bool:
    """True if a guest's RAM is a file on a disk, because there was no room for it in shared memory."""
    return guest.ram is not None and not guest.ram.is_relative_to(SHARED_MEMORY)


def _free_mib() -> int:
    """The memory for new processes in MiB: that of the host, or of its container; 0 if unknown."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        available = next(int(line.split()[1]) >> 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return 0
    try:
        most, used = (int((_CGROUP / name).read_text()) >> 20 for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):
        # There is no limit.
        return available
    return min(available, most - used)
