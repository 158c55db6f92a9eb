"""Devices, physical memory and processes, with names and addresses changed.

Covers PCI, UIO, lspci and the kernel's lists, and for processes their mappings, open files and commands.
"""

import re
from collections.abc import Iterator
from random import Random

from pfnlab.base.units import PAGE_SIZE
from pfnlab.diagnosis.inspector.host_snapshot import Snapshot
from pfnlab.diagnosis.inspector.parsing import memory_lists
from pfnlab.diagnosis.inspector.parsing.mapped_range import VFIO
from pfnlab.diagnosis.inspector.parsing.pci_files import DEVICES, DRIVERS
from pfnlab.diagnosis.inspector.parsing.process_files import HEAD, TRIMMED_LINE
from pfnlab.diagnosis.inspector.parsing.text_files import LSPCI
from pfnlab.diagnosis.inspector.sources.address_shift import AddressShift
from pfnlab.diagnosis.inspector.sources.redacted_names import (
    PCI_ADDRESS,
    FileForm,
    LineForm,
    RedactedNames,
    TextForm,
    each,
    nothing,
)
from pfnlab.kernel.hw.pci_regions import RESOURCE_LINE

#: The bytes of configuration space that are kept: the IDs and the command register.
CONFIG_KEPT = 6
_USER_END, _KERNEL_ADDRESS = 1 << 47, "0xffff800000000000"
_PLACE = re.compile(rf"{DEVICES}/(?P<device>{PCI_ADDRESS})/(?P<file>[a-z_]+)")
_MODULE = re.compile(rf"{DRIVERS}/(?P<driver>[^/]+)/module")
_UIO = re.compile(r"/sys/class/uio/uio[0-9]{1,3}/maps/map[0-4]/addr")
_ADDRESS, _IDS = re.compile(r"0x([0-9a-f]{1,16})"), re.compile(r"0x[0-9a-f]{4,6}")
_REGION, _RESOURCE = (
    re.compile(RESOURCE_LINE.pattern.decode()[1:-1]),
    re.compile(memory_lists.IOMEM_LINE.pattern.decode()[1:-1]),
)
_REGISTER = re.compile(memory_lists.MTRR_LINE.pattern.decode()[1:-1])
_RANGE = re.compile(r"0x([0-9a-f]{1,16})-0x([0-9a-f]{1,16})")
_TYPES = {kind: word.decode() for word, kind in memory_lists.MTRR_TYPES.items()}

#: lspci lines that the inspector reads; the words in the first come from a list of names.
_HEAD = re.compile(
    r"(?P<device>(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) .*?\[(?P<kind>[0-9a-f]{4})\]: "
    r".*?\[(?P<ids>[0-9a-f]{4}:[0-9a-f]{4})\].*?(?:\(prog-if (?P<interface>[0-9a-f]{2})\b.*)?"
)
_MEMORY = re.compile(
    r"(?P<what>\s+(?:(?:Region [0-9]: )?Memory|Expansion ROM) at )(?P<address>[0-9a-f]{1,16})"
    r"(?P<how> \((?:(?:32|64)-bit|low-1M|type 3), (?:non-)?prefetchable\))?.*?"
    r"(?P<size> \[size=[0-9]{1,6}[KMGT]?\])?"
)
_LAST = re.compile(
    r"\s+(?:Control: .*\bMem(?P<memory>[+-]).*|IOMMU group: (?P<group>[0-9]+)"
    r"|Kernel driver in use: (?P<driver>\S+))"
)


class RedactedDevices:
    """Forms of files about devices and physical memory."""

    def __init__(self, names: RedactedNames, shift: AddressShift) -> None:
        self._names = names
        self._shift = shift
        self._files: dict[str, TextForm] = {
            memory_lists.MEMTYPES: each(self._reservation),
            memory_lists.IOMEM: each(self._resource),
            memory_lists.MTRRS: each(self._register),
            LSPCI: each(self._listed),
            DEVICES: each(lambda name: name if re.fullmatch(PCI_ADDRESS, name) else None),
        }
        self._of_device: dict[str, LineForm] = {
            **dict.fromkeys(("vendor", "device", "class"), lambda one: one if _IDS.fullmatch(one) else None),
            "resource": lambda line: (
                (found := _REGION.fullmatch(line))
                and f"0x{self._moved(found[1])} 0x{self._moved(found[2])} 0x{found[3]}"
            ),
            "driver": lambda target: f"../../../../bus/pci/drivers/{names.driver(_last(target))}",
            "iommu_group": lambda target: f"../../../kernel/iommu_groups/{names.group(_last(target))}",
        }

    def of(self, path: str) -> FileForm | None:
        """Return the form of a file or a link; None if it is not about devices."""
        if path in self._files:
            return FileForm(path, path, self._files[path])
        if (found := _PLACE.fullmatch(path)) and found["file"] in self._of_device:
            return FileForm(path, f"{DEVICES}/*/{found['file']}", each(self._of_device[found["file"]]))
        if found := _MODULE.fullmatch(path):
            other = f"{DRIVERS}/{self._names.driver(found['driver'])}/module"
            return FileForm(
                other,
                f"{DRIVERS}/*/module",
                each(lambda target: f"../../../../module/{self._names.driver(_last(target))}"),
            )
        return FileForm(path, "/sys/class/uio", each(self._address)) if _UIO.fullmatch(path) else None

    def _moved(self, digits: str) -> str:
        return f"{self._shift(int(digits, 16)):0{len(digits)}x}"

    def _reservation(self, line: str) -> str | None:
        plain = line.strip(" \r")
        found, _ = memory_lists.reservations(plain.encode("ascii", "replace"))
        if not found:
            return plain if plain.encode("ascii", "replace") == memory_lists.MEMTYPES_HEAD else None
        return _RANGE.sub(lambda ends: f"0x{self._moved(ends[1])}-0x{self._moved(ends[2])}", plain)

    def _resource(self, line: str) -> str | None:
        found = _RESOURCE.fullmatch(line)
        if found is None:
            return None
        return f"{found[1]}{self._moved(found[2])}-{self._moved(found[3])} : {self._names.resource(found[4])}"

    def _register(self, line: str) -> str | None:
        found = _REGISTER.fullmatch(line)
        registers = memory_lists.mtrr_ranges(line.encode("ascii", "replace"))
        if found is None or not registers:
            return None
        number, one = line[3:].partition(":")[0][-3:], registers[0]
        start, end = self._shift(one.start), self._shift(one.end)
        whole = not (end - start) & 0xFFFFF
        size, unit = ((end - start) >> 20, "M") if whole else ((end - start) >> 10, "K")
        base = f"base=0x{start:09x} ({start >> 20:5d}MB)"
        return f"reg{number}: {base}, size={size:5d}{unit}B, count=1: {_TYPES[one.kind]}"

    def _address(self, line: str) -> str | None:
        found = _ADDRESS.fullmatch(line)
        if found is None:
            return None
        # For kernel memory the file gives the virtual address.
        return f"0x{self._moved(found[1])}" if int(found[1], 16) < _USER_END else _KERNEL_ADDRESS

    def _listed(self, line: str) -> str | None:
        line = line.rstrip("\r")
        if found := _HEAD.fullmatch(line):
            interface = f" (prog-if {found['interface']})" if found["interface"] else ""
            return f"{found['device']} Class [{found['kind']}]: Device [{found['ids']}]{interface}"
        if found := _MEMORY.fullmatch(line):
            what = found["what"].replace("  ", "\t")
            return f"{what}{self._moved(found['address'])}{found['how'] or ''}{found['size'] or ''}"
        found = _LAST.fullmatch(line)
        if found is None:
            return None
        if found["memory"]:
            return f"\tControl: Mem{found['memory']}"
        if found["group"]:
            return f"\tIOMMU group: {self._names.group(found['group'])}"
        return f"\tKernel driver in use: {self._names.driver(found['driver'])}"


def _last(target: str) -> str:
    return target.rstrip("/").rpartition("/")[2]


_VMA = re.compile(HEAD.pattern.decode()[1:-1])
_TRIMMED = re.compile(TRIMMED_LINE.pattern.decode())
_FLAG = re.compile(r"[a-z?]{2}")
_INFO = re.compile(r"(ino|vfio-device-syspath):\s*(\S+)\s*")
#: Offsets that are not addresses: UIO region numbers, in pages, and VFIO region numbers, above bit 40.
_REGIONS_OF_UIO, _REGION_SHIFT, _REGIONS_OF_VFIO = 5, 40, 16


class RedactedProcesses:
    """Forms of files about processes."""

    def __init__(self, names: RedactedNames, shift: AddressShift, snapshot: Snapshot, random: Random) -> None:
        self._names = names
        self._shift = shift
        self._random = random
        mappings = snapshot.mappings or ()
        self._physical = {(one.pid, one.start): one.physical for one in mappings}
        self._lowest: dict[int, int] = {}
        for one in mappings:
            self._lowest[one.pid] = min(one.start, self._lowest.get(one.pid, one.start))
        # Shifted by the same amount in both files for a process.
        self._down: dict[int, int] = {}

    def form(self, pid: int, file: str) -> TextForm:
        """Return the form of one per-process file."""
        if file in ("maps", "smaps"):
            return lambda text: self._mappings(pid, text)
        if file == "comm":
            return lambda text: iter((self._names.process(text.partition("\n")[0].strip()),))
        if file.startswith("fd/"):
            return each(self._names.path)
        return self._info if file.startswith("fdinfo/") else nothing

    def _mappings(self, pid: int, text: str) -> Iterator[str]:
        kept = False
        for line in text.split("\n"):
            if found := _VMA.fullmatch(line):
                yield self._mapping(pid, found)
                kept = True
            elif kept and line.startswith("VmFlags:") and _TRIMMED.fullmatch(line):
                flags = line.split()[1:]
                yield " ".join(["VmFlags:", *(flag if _FLAG.fullmatch(flag) else "??" for flag in flags)])
                kept = False
            else:
                # Flags belong to the line just before them.
                kept = False

    def _mapping(self, pid: int, found: re.Match[str]) -> str:
        start, end, offset = int(found[1], 16), int(found[2], 16), int(found[4], 16)
        path = found[6] or ""
        offset = self._offset(path, offset, self._physical.get((pid, start)))
        down = self._below(pid)
        head = (
            f"{max(0, start - down):08x}-{max(0, end - down):08x} {found[3]} {offset:08x} 00:00 "
            f"{self._names.inode(found[5])}"
        )
        return f"{head}        {self._names.path(path)}" if path else head

    def _below(self, pid: int) -> int:
        down = self._down.get(pid)
        if down is None:
            pages = self._lowest.get(pid, 0) // PAGE_SIZE
            down = self._down[pid] = self._random.randint(1, pages // 2) * PAGE_SIZE if pages > 1 else 0
        return down

    def _offset(self, path: str, offset: int, physical: tuple[int, int] | None) -> int:
        if physical is not None and not path.startswith("/dev/uio"):
            # An offset in a BAR is not an address.
            return self._shift(offset) if offset == physical[0] else offset
        if path.startswith("/dev/uio") and offset < _REGIONS_OF_UIO * PAGE_SIZE:
            return offset
        if path.startswith(VFIO) and 0 < offset >> _REGION_SHIFT < _REGIONS_OF_VFIO:
            return offset
        return self._shift(offset)

    def _info(self, text: str) -> Iterator[str]:
        for line in text.split("\n"):
            found = _INFO.fullmatch(line)
            if found is None:
                continue
            if found[1] == "ino":
                if found[2].isdecimal():
                    yield f"ino:\t{self._names.inode(found[2])}"
            else:
                yield f"vfio-device-syspath: {self._names.system_path(found[2])}"
