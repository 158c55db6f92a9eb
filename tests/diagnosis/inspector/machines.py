"""Small machines for tests: one device with a BAR of 16 pages, and what a test changes of it."""

from __future__ import annotations

from typing import Any

import msgspec

from pfnlab.diagnosis.inspector.finding.every import findings
from pfnlab.diagnosis.inspector.finding.finding_form import Finding
from pfnlab.diagnosis.inspector.host_snapshot import (
    Access,
    Bar,
    Entries,
    HostMapping,
    IomemLine,
    PciFunction,
    Process,
    Reservation,
    Snapshot,
    SnapshotSource,
)
from pfnlab.diagnosis.inspector.joined_host import JoinedHost
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pat import PatConfig

#: The first byte of the BAR, and its size.
BASE, SIZE = 0xF8000000, 0x10000

ADDRESS = "0000:00:04.0"

BAR = Bar(2, BASE, BASE + SIZE, prefetchable=True)
DEVICE = PciFunction(ADDRESS, "1234:11e8", "00ff00", None, (BAR,))

_FILE = f"/sys/devices/pci0000:00/{ADDRESS}/resource2"


def entry(first: int, last: int, mode: CacheMode = CacheMode.WC) -> Reservation:
    """A reservation of pages *first* up to *last* of the BAR."""
    return Reservation(BASE + first * 0x1000, BASE + last * 0x1000, mode)


def mapping(first: int, last: int, *, pid: int = 7, path: str = f"{_FILE}_wc", **more: Any) -> HostMapping:
    """A mapping of pages *first* up to *last* of the BAR through sysfs."""
    size = (last - first) << 12
    physical = (BASE + first * 0x1000, BASE + last * 0x1000)
    start = 0x7F0000000000 + first * 0x1000
    return HostMapping(pid, start, start + size, "rw-s", path, first << 12, physical=physical, **more)


def entries(first: int, last: int, mode: CacheMode) -> tuple[Entries, ...]:
    """Page-table entries of pages *first* up to *last* of the BAR."""
    low, high = BASE + first * 0x1000, BASE + last * 0x1000
    return (Entries(0x7F0000000000 + first * 0x1000, low, high, mode),)


def snapshot(**parts: Any) -> Snapshot:
    """A machine of 6.1.85 on which nothing is wrong, with other *parts*."""
    healthy = Snapshot(
        origin="a test",
        sources=(SnapshotSource("/proc/*/smaps", Access.READ),),
        kernel="6.1.85",
        book=(),
        resources=(
            IomemLine(0x1000, 0x9FC00, "System RAM"),
            IomemLine(0xF0000000, 0xFE000000, "PCI Bus 0000:00"),
            IomemLine(BASE, BASE + SIZE, ADDRESS, 1),
        ),
        devices=(DEVICE,),
        modules=(),
        processes=(Process(7, "Xorg"),),
        mappings=(),
        log=(),
        mtrrs=(),
        pat=PatConfig.from_msr(0x0407050600070106),
    )
    return msgspec.structs.replace(healthy, **parts)


def found(**parts: Any) -> list[str]:
    """The kinds of findings of such a machine, in order."""
    return [one.kind for one in whole(**parts)]


def whole(**parts: Any) -> tuple[Finding, ...]:
    """The findings of such a machine."""
    return findings(JoinedHost(snapshot(**parts)))
