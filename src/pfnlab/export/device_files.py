"""The files through which a process maps device memory, known by their paths."""

from __future__ import annotations

import re
from typing import NamedTuple

from pfnlab.programs.lang.ops import Via


class DeviceFile(NamedTuple):
    """A file that maps physical memory.

    :param via: its word in the program language; it may depend on how the file is opened
    :param device: the device behind it, ``0000:00:04.0``; ``""`` for all physical memory
    :param bar: the number of the BAR, where the file is that of one
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

#: Files of drivers that map device memory in ways of their own, which no word of the language says.
_DRIVERS = re.compile(
    r"/dev/(dri/(card|renderD)\d+|nvidia.*|kfd|infiniband/.*|fb\d+|mei\d+|accel/.*|vfio/\d+)\Z"
)


def device_file(path: str) -> DeviceFile | None:
    """The device file at *path*; None where a mapping of it is ordinary memory."""
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
    """True where a driver maps device memory in a way of its own at *path*."""
    return _DRIVERS.match(path) is not None


def _full(device: str) -> str:
    return f"0000:{device}" if re.fullmatch(r"[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", device) else device
