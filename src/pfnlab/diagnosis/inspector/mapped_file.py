"""A file that is mapped: the BAR it shows, and if the kernel reserves what a mapping of it shows."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

#: Files whose mmap reserves what it maps, in every kernel: those of sysfs, /proc/bus/pci and /dev/mem (S9.1
#: to S9.3). Of vfio-pci that depends on the kernel, and drivers may insert without a reservation.
_RESERVES = re.compile(r"^/sys/.*/resource\d+(_wc)?( \(deleted\))?$|^/proc/bus/pci/|^/dev/mem$")

_RESOURCE = re.compile(
    r"^/sys/.*/(?P<device>[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])/resource(?P<bar>\d+)(?P<wc>_wc)?"
)

#: So many paths are remembered; a machine has some dozen.
_MOST_PATHS = 4096


class MappableFile(msgspec.Struct, frozen=True):
    """The file of a mapping.

    :param reserves: every kernel reserves what a mapping of it shows
    :param combining: it asks for write-combining (``resourceN_wc``)
    :param device: the address of the PCI device whose resource it is; empty of other files
    :param bar: the number of the BAR, as the name of the file has it
    :param deleted: the file is there no more
    """

    reserves: bool
    combining: bool = False
    device: str = ""
    bar: str = ""
    deleted: bool = False


@lru_cache(_MOST_PATHS)
def mapped_file(path: str) -> MappableFile:
    """The file with this path, as /proc/PID/maps writes it."""
    found = _RESOURCE.match(path)
    reserves = _RESERVES.match(path) is not None
    if found is None:
        return MappableFile(reserves)
    return MappableFile(
        reserves, found["wc"] is not None, found["device"], found["bar"], path.endswith(" (deleted)")
    )
