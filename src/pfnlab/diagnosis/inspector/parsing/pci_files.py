"""PCI devices as sysfs shows them: /sys/bus/pci/devices and the modules of /sys/bus/pci/drivers."""

from __future__ import annotations

import re

from pfnlab.diagnosis.inspector.host_snapshot import Access, PciFunction, SnapshotSource
from pfnlab.diagnosis.inspector.parsing.text_files import TextFiles, first_line
from pfnlab.kernel.hw.pci_regions import bars

#: The folders.
DEVICES, DRIVERS = "/sys/bus/pci/devices", "/sys/bus/pci/drivers"

#: The head of the configuration space that is kept: nothing of it is an address.
CONFIG_BYTES = 16

_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")

# include/uapi/linux/pci_regs.h.
_COMMAND, _COMMAND_MEMORY = 4, 2


def is_address(name: str) -> bool:
    """True for ``0000:01:00.0``."""
    return _ADDRESS.fullmatch(name) is not None


def devices(files: TextFiles) -> tuple[tuple[PciFunction, ...] | None, SnapshotSource]:
    """All devices in order, and what became of their folder."""
    listing = files.names(DEVICES)
    source = SnapshotSource(DEVICES, listing.access, listing.why, listing.seconds)
    if not listing.there:
        return None, source
    names = [name for name in listing.data.decode("utf-8", "replace").split("\n") if is_address(name)]
    made_of: dict[str, tuple[str, ...]] = {}
    found, refused = [], 0
    for name in names:
        folder = f"{DEVICES}/{name}"
        ranges = files.read(f"{folder}/resource")
        refused += ranges.access is Access.REFUSED
        kind = first_line(files, f"{folder}/class").removeprefix("0x")
        driver = _last(files.link(f"{folder}/driver"))
        if driver and driver not in made_of:
            module = _last(files.link(f"{DRIVERS}/{driver}/module"))
            made_of[driver] = (module,) if module else ()
        found.append(
            PciFunction(
                address=name,
                ids=":".join(
                    first_line(files, f"{folder}/{part}").removeprefix("0x") for part in ("vendor", "device")
                ),
                kind=kind,
                driver=driver,
                bars=bars(ranges.data, bridge=kind.startswith(("0604", "0609"))),
                modules=made_of.get(driver or "", ()),
                enabled=_enabled(files.read(f"{folder}/config").data),
                group=_last(files.link(f"{folder}/iommu_group")) or "",
            )
        )
    if refused:
        source = SnapshotSource(DEVICES, Access.CUT, f"{refused} of {len(names)} refused", listing.seconds)
    return tuple(found), source


def _enabled(config: bytes) -> bool | None:
    if len(config) < _COMMAND + 2:
        return None
    return bool(int.from_bytes(config[_COMMAND : _COMMAND + 2], "little") & _COMMAND_MEMORY)


def _last(target: str | None) -> str | None:
    return target.rstrip("/").rpartition("/")[2] or None if target else None
