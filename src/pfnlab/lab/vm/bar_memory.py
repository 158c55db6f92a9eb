"""The memory behind a guest's BAR, cleared from outside: in the address space of its QEMU process.

Only pages that the guest has stored to are written, so clearing a device of a gigabyte takes as long as
clearing a page. That takes a host whose kernel tells these pages from others (PAGEMAP_SCAN, since 6.7).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from pfnlab.base.errors import LostGuest
from pfnlab.base.units import PAGE_SIZE, PfnRange, pfn_to_phys
from pfnlab.lab.vm.qmp import tell_monitor

#: What the monitor answers to ``gpa2hva`` if there is memory.
_HOST_ADDRESS = re.compile(r"\bis 0x([0-9a-f]+)")

# struct pm_scan_arg, whose fourth member is where the scan ended, and struct page_region.
_ARGUMENT, _REGION = struct.Struct("<12Q"), struct.Struct("<3Q")
_PAGEMAP_SCAN = 3 << 30 | _ARGUMENT.size << 16 | ord("f") << 8 | 16
_PRESENT, _SWAPPED, _ZERO_PAGE = 1 << 3, 1 << 4, 1 << 5

#: The number of regions that a scan returns at once.
_REGIONS = 512

_ZEROS = bytes(256 * PAGE_SIZE)


class BarMemory:
    """The BAR of the QEMU process *pid*, whose first byte has the address *start* there."""

    def __init__(self, pid: int, bar: PfnRange, start: int) -> None:
        self._process = Path("/proc", str(pid))
        self._bar, self._start = bar, start

    @classmethod
    def of(cls, pid: int, qmp: Path, bar: PfnRange) -> BarMemory | None:
        """The memory of *bar*; None if QEMU (socket *qmp*) emulates each access, or does not answer."""
        try:
            answer = tell_monitor(qmp, f"gpa2hva {pfn_to_phys(bar.start):#x}")
        except LostGuest:
            return None
        found = _HOST_ADDRESS.search(answer)
        return None if found is None else cls(pid, bar, int(found[1], 16))

    def clear(self, pfns: PfnRange) -> bool:
        """Zero these page frames of the BAR; False if the host does not permit or support that."""
        if not self._bar.contains(pfns):
            return False
        at = self._start + (pfns.start - self._bar.start) * PAGE_SIZE
        try:
            with (self._process / "pagemap").open("rb") as pagemap:
                stored_to = list(_stored_to(pagemap.fileno(), at, at + pfns.nr * PAGE_SIZE))
            if stored_to:
                with (self._process / "mem").open("r+b", buffering=0) as memory:
                    for start, end in stored_to:
                        _zero(memory.fileno(), start, end)
        except OSError:
            return False
        return True


def _stored_to(pagemap: int, at: int, end: int) -> Iterator[tuple[int, int]]:
    # The parts of an address range that have memory of their own: present or swapped, and not the zero page.
    regions = bytearray(_REGIONS * _REGION.size)
    address = ctypes.addressof(ctypes.c_char.from_buffer(regions))
    while at < end:
        argument = bytearray(
            _ARGUMENT.pack(
                *(_ARGUMENT.size, 0, at, end, 0, address, _REGIONS, 0),
                *(_ZERO_PAGE, _ZERO_PAGE, _PRESENT | _SWAPPED, _PRESENT),
            )
        )
        found = fcntl.ioctl(pagemap, _PAGEMAP_SCAN, argument)
        for number in range(found):
            start, stop, _ = _REGION.unpack_from(regions, number * _REGION.size)
            yield start, stop
        at = _ARGUMENT.unpack(argument)[4]


def _zero(memory: int, at: int, end: int) -> None:
    while at < end:
        at += os.pwrite(memory, _ZEROS[: end - at], at)
