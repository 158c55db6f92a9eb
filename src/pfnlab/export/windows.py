"""Turning the physical memory that a trace maps, and the files it uses for that, into devices.

Mapped pages are first recorded as pages of their file; at the end, each file's pages become device pages.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from pfnlab.base.errors import Misuse
from pfnlab.base.units import PAGE_SIZE
from pfnlab.kernel.hw.pci_regions import RESOURCE_LINE, bars
from pfnlab.programs.lang.ops import Device, DeviceKind, Via
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import MAX_ISA_PAGES, MAX_LOWMEM_PAGES

#: The start of `isa` devices, and the end of low memory, in pages.
_ISA_FIRST = 0x98

#: Ranges in /dev/mem that are closer together than this many pages become one device.
_NEAR = 1 << 12

#: The name for all of physical memory, where pages are counted from 0.
PHYSICAL = "physical memory"

#: A device's first regions are its BARs.
_BARS = 6


class FilePlace(NamedTuple):
    """The device or BAR in which a file's pages are counted.

    :param device: ``0000:00:04.0``; :data:`PHYSICAL` for all of physical memory
    :param bar: the number of the BAR; None if pages are physical addresses
    """

    device: str
    bar: int | None = None


class KnownBar(NamedTuple):
    """A BAR from a sysfs ``resource`` file, in pages of physical memory."""

    first: int
    end: int


def bars_of(text: str, source: str) -> dict[int, KnownBar]:
    """The BARs in a sysfs ``resource`` file, by number.

    :raises Misuse: if *text* is not from such a file
    """
    data = text.encode()
    for number, line in enumerate(data.splitlines(), 1):
        if RESOURCE_LINE.fullmatch(line) is None:
            raise Misuse(
                f"{source}:{number}: this is not a line of a sysfs resource file: give a copy of "
                "/sys/bus/pci/devices/DEVICE/resource"
            )
    known = {
        bar.number: KnownBar(bar.start // PAGE_SIZE, -(-bar.end // PAGE_SIZE))
        for bar in bars(data)
        if bar.number < _BARS
    }
    if not known:
        raise Misuse(f"{source}: it has no BAR: give a copy of /sys/bus/pci/devices/DEVICE/resource")
    return known


class _Window:
    # A range of pages in a place, belonging to a single device.

    def __init__(self, place: FilePlace, first: int, end: int, kind: DeviceKind, says: str) -> None:
        self.place, self.first, self.end, self.kind, self.says = place, first, end, kind, says
        self.name = ""


class DeviceWindows:
    """A trace's windows into physical memory.

    :param known: BARs by device, where their sizes are known; the key ``""`` stands for the only device
    """

    def __init__(self, known: dict[str, dict[int, KnownBar]]) -> None:
        self._known = known
        #: Mapped pages, and sizes given in the trace, by place.
        self._mapped: dict[FilePlace, list[tuple[int, int]]] = {}
        self._sizes: dict[FilePlace, int] = {}
        self._windows: list[_Window] = []

    def size(self, place: FilePlace, size: int) -> None:
        """Record that the file at *place* has *size* bytes."""
        if size > 0:
            self._sizes[place] = -(-size // PAGE_SIZE)

    def mapped(self, place: FilePlace, first: int, end: int, *, failed: bool) -> Span:
        """Record mapped pages; the name in the returned span is provisional, see :meth:`span`.

        :param failed: the call failed, so there may be no memory, but its address still needs a device
        """
        ranges = self._mapped.setdefault(place, [])
        if not failed:
            ranges.append((first, end))
        elif place.bar is None:
            ranges.append((first, first + 1))
        return Span(_key(place), first, end)

    def noted(self, device: str) -> str | None:
        """The provisional name that recorded spans use for a device's pages; None if none was mapped."""
        return next((_key(place) for place in self._mapped if place.device == device), None)

    def resolve(self) -> None:
        """Turn all recorded pages into devices."""
        for place, ranges in self._mapped.items():
            if place.bar is None:
                self._physical(place, sorted(ranges))
            else:
                self._bar(place, place.bar, max((end for _, end in ranges), default=1))
        self._name()

    def devices(self) -> list[Device]:
        """The program's devices."""
        return [Device(window.name, window.kind, window.end - window.first) for window in self._windows]

    def comments(self) -> list[str]:
        """One comment line for each device, describing it."""
        width = max((len(window.name) for window in self._windows), default=0)
        return [f"{window.name:<{width}}  {window.says}" for window in self._windows]

    def span(self, noted: Span) -> Span:
        """The device pages for a span that :meth:`mapped` returned."""
        own = [window for window in self._windows if _key(window.place) == noted.name]
        inside = next((window for window in own if window.first <= noted.start < window.end), None)
        place = next((place for place in self._mapped if _key(place) == noted.name), None)
        bar = None if inside or place is None else self._physical_bar(place, noted.start)
        if bar is not None:
            first = bar[1].first
            return self.span(Span(_key(bar[0]), noted.start - first, noted.end - first))
        window = inside or own[0]
        return Span(window.name, noted.start - window.first, noted.end - window.first)

    def _bar(self, place: FilePlace, bar: int, end: int) -> None:
        if any(window.place == place for window in self._windows):
            return
        known = (self._known.get(place.device) or self._known.get("", {})).get(bar)
        if known is not None:
            size, says = known.end - known.first, "that of the resource file"
        elif place in self._sizes:
            size, says = self._sizes[place], "that of its file"
        else:
            size, says = 1 << (end - 1).bit_length(), "not known, and at least what was mapped"
        text = f"map {bar}" if place.device.startswith("uio") else f"BAR {bar}"
        says = f"{text} of {place.device}; its size is {says}"
        self._windows.append(_Window(place, 0, max(size, 1), "pci", says))

    def _physical(self, place: FilePlace, ranges: list[tuple[int, int]]) -> None:
        rest = []
        for first, end in ranges:
            bar = self._physical_bar(place, first)
            if bar is not None:
                self._bar(bar[0], bar[0].bar or 0, end - bar[1].first)
            elif place.device == PHYSICAL and end <= _ISA_FIRST:
                rest.append((first, end, "lowmem"))
            elif place.device == PHYSICAL and first >= _ISA_FIRST and end <= _ISA_FIRST + MAX_ISA_PAGES:
                rest.append((first, end, "isa"))
            else:
                rest.append((first, end, "pci"))
        for first, end, kind in _joined(rest):
            says = f"physical memory from {first * PAGE_SIZE:#x} on"
            if place.device != PHYSICAL:
                says += f", through /proc/bus/pci of {place.device}"
            if kind == "isa":
                window = _Window(place, _ISA_FIRST, _ISA_FIRST + MAX_ISA_PAGES, "isa", says)
            elif kind == "lowmem" and end - first <= MAX_LOWMEM_PAGES:
                window = _Window(place, first, end, "lowmem", f"{says}: RAM")
            else:
                window = _Window(place, first, end, "pci", f"{says}, taken for memory of a device")
            self._windows.append(window)

    def _physical_bar(self, place: FilePlace, page: int) -> tuple[FilePlace, KnownBar] | None:
        """The BAR that contains physical memory page *page*."""
        if place.bar is not None:
            return None
        for device, known in self._known.items():
            if place.device not in (PHYSICAL, device) and device:
                continue
            for number, bar in known.items():
                if bar.first <= page < bar.end:
                    named = (mapped.device for mapped in self._mapped if mapped.device != PHYSICAL)
                    return FilePlace(device or next(named, "the device"), number), bar
        return None

    def _name(self) -> None:
        bars = [window for window in self._windows if window.place.bar is not None]
        owners = list(dict.fromkeys(window.place.device for window in bars))
        counts: dict[str, int] = {}
        for window in self._windows:
            place = window.place
            if len(bars) == 1 and place.bar is not None:
                window.name = "bar"
            elif place.bar is not None:
                letter = chr(ord("a") + owners.index(place.device)) if len(owners) > 1 else ""
                window.name = f"bar{place.bar}{letter}"
            else:
                stem = {"isa": "hole", "lowmem": "low"}.get(window.kind, "mem")
                counts[stem] = counts.get(stem, -1) + 1
                window.name = f"{stem}{counts[stem] or ''}"


def _key(place: FilePlace) -> str:
    return f"{place.device} {'' if place.bar is None else place.bar}"


def _joined(ranges: Iterable[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Join ranges of one kind that are close together; there is only one ``isa`` device."""
    joined: list[tuple[int, int, str]] = []
    for first, end, kind in sorted(ranges, key=lambda item: (item[2], item[0])):
        if joined and joined[-1][2] == kind and (kind == "isa" or first - joined[-1][1] <= _NEAR):
            start, last, _ = joined.pop()
            joined.append((start, max(last, end), kind))
        else:
            joined.append((first, end, kind))
    return joined


class DeviceFile(NamedTuple):
    """A file through which physical memory can be mapped.

    :param via: the program language's word for it, which may depend on how the file is opened
    :param device: its device, ``0000:00:04.0``; ``""`` for all physical memory
    :param bar: the number of the BAR, if the file is for just one
    """

    via: Via
    device: str = ""
    bar: int | None = None


_BDF = r"(?:[0-9a-f]{4,6}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"
_RESOURCE = re.compile(rf"/sys/(?:.*/)?({_BDF}|device)/resource([0-5])(_wc)?\Z")
_PROC = re.compile(r"/proc/bus/pci/(?:([0-9a-f]{4,6}):)?([0-9a-f]{2})/([0-9a-f]{2}\.[0-7])\Z")
_UIO = re.compile(r"/dev/(uio\d+)\Z")
_VFIO = re.compile(r"/dev/vfio/devices/(vfio\d+)\Z")
_FOLDERS = re.compile(r"/(?:\.?/)+")
_CLASS = re.compile(r"/sys/class/(.+)/device/resource")

#: Files of drivers that map device memory in special ways, which the language cannot express.
_DRIVERS = re.compile(
    r"/dev/(dri/(card|renderD)\d+|nvidia.*|kfd|infiniband/.*|fb\d+|mei\d+|accel/.*|vfio/\d+)\Z"
)


def device_file(path: str) -> DeviceFile | None:
    """The device file at *path*; None if mapping it gives ordinary memory."""
    path = _FOLDERS.sub("/", path)
    if path == "/dev/mem":
        return DeviceFile("devmem")
    if found := _RESOURCE.search(path):
        device = found[1]
        if device == "device":
            owner = _CLASS.match(path)
            device = owner[1] if owner else path
        return DeviceFile("wc" if found[3] else "uc", _full(device), int(found[2]))
    if found := _PROC.match(path):
        return DeviceFile("proc-uc", _full(f"{found[1] or '0000'}:{found[2]}:{found[3]}"))
    if found := _UIO.match(path):
        return DeviceFile("driver", found[1])
    if found := _VFIO.match(path):
        return DeviceFile("vfio", found[1])
    return None


def driver_file(path: str) -> bool:
    """True if *path* belongs to a driver that maps device memory in a special way."""
    return _DRIVERS.match(path) is not None


def _full(device: str) -> str:
    return f"0000:{device}" if re.fullmatch(r"[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", device) else device
