"""The physical range of a mapping, if its file and offset determine one.

A BAR mapping through sysfs or /proc/bus/pci has the physical address in vm_pgoff
(pci_mmap_resource_range, drivers/pci/mmap.c), and so did VFIO mappings until 6.9 (vfio_pci_core_mmap). Since
aac6db75a9fc in 6.10, a VFIO offset stays a region number plus an offset in that region. BARs are aligned to
their size, so an address in a BAR is never also an offset in it.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping

from pfnlab.diagnosis.inspector.host_snapshot import PciFunction
from pfnlab.diagnosis.inspector.parsing.text_files import TextFiles, decoded
from pfnlab.kernel.hw.pci_regions import Bar

#: VFIO_PCI_OFFSET_SHIFT (drivers/vfio/pci).
_REGION_SHIFT = 40
_BARS = 6
_SYSFS = re.compile(r"/sys/devices/.*/([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])/resource([0-5])(?:_wc)?")
_DELETED = " (deleted)"
#: The file behind a VFIO mapping.
VFIO = "anon_inode:[vfio-device]"
_MOST = 1 << 64
#: No BAR lies below this, so a smaller offset is not an address.
_FIRST_OF_BARS = 1 << 20


class BarPlaces:
    """The BARs of all devices, indexed by device and number, and by address."""

    def __init__(self, devices: Iterable[PciFunction]) -> None:
        self._by_device = {device.address: {bar.number: bar for bar in device.bars} for device in devices}
        bars = {(bar.start, bar.end) for one in self._by_device.values() for bar in one.values()}
        self._sorted = sorted(bars)
        self._starts = [start for start, _ in self._sorted]
        self._known: dict[str, tuple[str, Bar | None]] = {}

    def range_of(self, path: str, offset: int, size: int, device: str | None) -> tuple[int, int] | None:
        """Return the half-open byte range that a mapping of *size* bytes at file *offset* covers, or None.

        *device* is known for some VFIO mappings.
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
        # If the BAR is unknown, e.g. if the device was removed, an offset above the ISA hole is the address.
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
        # BARs can nest in virtual function BARs but never extend beyond them.
        at = bisect_right(self._starts, offset)
        nearby = self._sorted[max(0, at - 8) : at]
        return offset if any(start <= offset < end for start, end in nearby) else None


_SYSPATH = re.compile(rb"^vfio-device-syspath:\s*(\S+)\s*$", re.MULTILINE)
_INODE = re.compile(rb"^ino:\s*([0-9]+)\s*$", re.MULTILINE)
_GROUP = re.compile(r"/dev/vfio/([0-9]+)")
#: A device opened without its group (VFIO_DEVICE_CDEV); the number does not reveal the address.
_WITHOUT_GROUP = "/dev/vfio/devices/"


class VfioOwners:
    """Devices by process and by file, as far as open descriptors show them."""

    def __init__(self, files: TextFiles, devices: Iterable[PciFunction]) -> None:
        self._files = files
        self._bound = [device for device in devices if (device.driver or "").startswith("vfio")]
        # For each process: the files whose device is known, and the device if there is only one.
        self._own: dict[int, tuple[dict[bytes, set[str]], str | None]] = {}
        self._by_inode: dict[bytes, set[str]] = {}
        self._groups: set[str] = set()
        self._without_group = False

    def add(self, pid: int, targets: Mapping[str, str]) -> None:
        """Add the device files a process has open, by descriptor number."""
        groups = {group[1] for target in targets.values() if (group := _GROUP.fullmatch(target))}
        self._groups |= groups
        self._without_group |= any(target.startswith(_WITHOUT_GROUP) for target in targets.values())
        descriptors = [name for name, target in targets.items() if target == VFIO]
        by_inode: dict[bytes, set[str]] = {}
        found: set[str] = set()
        unknown = not descriptors
        for name in descriptors:
            text = self._files.read(f"/proc/{pid}/fdinfo/{name}").data
            syspath, inode = _SYSPATH.search(text), _INODE.search(text)
            if syspath is None:
                unknown = True
                continue
            address = decoded(syspath[1]).rpartition("/")[2]
            found.add(address)
            if inode is not None:
                for table in (by_inode, self._by_inode):
                    table.setdefault(inode[1], set()).add(address)
        if unknown:
            found |= {device.address for device in self._bound if device.group in groups}
        self._own[pid] = by_inode, next(iter(found)) if len(found) == 1 else None

    def device_of(self, pid: int, inode: bytes) -> str | None:
        """Return the device that has *inode*, or None if undetermined; add all processes first."""
        # A mapping outlives its descriptor and may have been inherited from another process, so the open
        # files of all processes count. Until 6.9 all VFIO files share one inode.
        by_inode, single = self._own.get(pid, ({}, None))
        for named in (by_inode.get(inode), {single} if single else None, self._by_inode.get(inode)):
            if named is not None:
                return next(iter(named)) if len(named) == 1 else None
        # No open file identifies it: use the only VFIO device, unless another may have been open.
        if len(self._bound) == 1 and not self._without_group and self._groups <= {self._bound[0].group}:
            return self._bound[0].address
        return None
