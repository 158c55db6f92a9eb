"""The physical range of a mapping, where the file and the offset in it say one.

What maps a BAR through sysfs or /proc/bus/pci leaves the physical address in vm_pgoff
(pci_mmap_resource_range, drivers/pci/mmap.c), and so did VFIO until 6.9 (vfio_pci_core_mmap). Since
aac6db75a9fc, of 6.10, an offset of VFIO stays the number of a region and a place in it. BARs are aligned to
their size, so an address in a BAR is never also a place in it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

from pfnlab.diagnosis.inspector.host_snapshot import PciFunction
from pfnlab.kernel.hw.pci_regions import Bar

#: VFIO_PCI_OFFSET_SHIFT (drivers/vfio/pci).
_REGION_SHIFT = 40
_BARS = 6

_SYSFS = re.compile(r"/sys/devices/.*/([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])/resource([0-5])(?:_wc)?")
_DELETED = " (deleted)"

#: The file of a mapping through VFIO.
VFIO = "anon_inode:[vfio-device]"

_MOST = 1 << 64

#: No BAR lies below: a smaller offset is no address.
_FIRST_OF_BARS = 1 << 20


class BarPlaces:
    """The BARs of all devices, to look up by device and number and by address."""

    def __init__(self, devices: Iterable[PciFunction]) -> None:
        self._by_device = {device.address: {bar.number: bar for bar in device.bars} for device in devices}
        bars = {(bar.start, bar.end) for one in self._by_device.values() for bar in one.values()}
        self._sorted = sorted(bars)
        self._starts = [start for start, _ in self._sorted]
        self._known: dict[str, tuple[str, Bar | None]] = {}

    def range_of(self, path: str, offset: int, size: int, device: str | None) -> tuple[int, int] | None:
        """The bytes that a mapping of *size* bytes shows, half-open; None where nothing says which.

        :param path: its file as maps writes it
        :param offset: bytes in the file
        :param device: of a mapping through VFIO the device, where it is known
        """
        kind, bar = self._known.get(path) or self._know(path)
        start: int | None
        if kind == "memory":
            start = offset
        elif kind == "sysfs":
            start = self._in_bar(bar, offset)
        elif kind == "vfio":
            start = self._of_region(offset, device)
        else:
            start = None
        if start is None or start + size > _MOST:
            return None
        return start, start + size

    def _know(self, path: str) -> tuple[str, Bar | None]:
        plain = path.removesuffix(_DELETED)
        sysfs = _SYSFS.fullmatch(plain)
        found: tuple[str, Bar | None]
        if sysfs is not None:
            found = "sysfs", self._by_device.get(sysfs[1], {}).get(int(sysfs[2]))
        elif plain == "/dev/mem" or plain.startswith("/proc/bus/pci/"):
            found = "memory", None
        else:
            found = "vfio" if plain == VFIO else "", None
        self._known[path] = found
        return found

    def _in_bar(self, bar: Bar | None, offset: int) -> int | None:
        # Without the BAR, as of a device that is gone, an offset beyond the ISA hole is the address.
        if bar is None:
            return offset if offset >= _FIRST_OF_BARS else None
        if bar.start <= offset < bar.end:
            return offset
        return bar.start + offset if offset < bar.end - bar.start else None

    def _of_region(self, offset: int, device: str | None) -> int | None:
        own = self._by_device.get(device or "")
        if own is not None:
            if any(bar.start <= offset < bar.end for bar in own.values()):
                return offset
            number, place = offset >> _REGION_SHIFT, offset & ((1 << _REGION_SHIFT) - 1)
            bar = own.get(number) if number < _BARS else None
            return bar.start + place if bar is not None and place < bar.end - bar.start else None
        return offset if self._has(offset) else None

    def _has(self, address: int) -> bool:
        # BARs nest in those of virtual functions, never beyond them.
        at = bisect_right(self._starts, address)
        return any(start <= address < end for start, end in self._sorted[max(0, at - 8) : at])
