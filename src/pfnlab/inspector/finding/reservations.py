"""Findings about reservations: entries whose owner is gone, that cover more than is mapped, or two BARs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pfnlab.inspector.finding.finding_form import EvidenceLine, range_text
from pfnlab.inspector.finding.raw_finding import MOST_LINES, RawFinding, evidence_of_book
from pfnlab.inspector.host_snapshot import PciFunction, Reservation
from pfnlab.inspector.intervals import Ranged, uncovered
from pfnlab.inspector.joined_host import STAND_INS, BarOf, JoinedHost, driver_words, of_stand_in
from pfnlab.units import number_of, size_text

#: Where a VMM opens a device through its group, or through the device's own file.
_VFIO_FILES = ("/dev/vfio/", "anon_inode:[vfio-device]")


def leaked(machine: JoinedHost) -> Iterator[RawFinding]:
    """Entries in BARs that nobody holds, one finding a BAR."""
    gone: dict[BarOf, list[Reservation]] = {}
    for entry in machine.book:
        places = machine.bar_over(entry.start, entry.end)
        if places and not any(_may_hold(machine, place, entry) for place in places):
            gone.setdefault(places[0], []).append(entry.owner)
    for place, entries in gone.items():
        yield _leak(machine, place, entries)


def _leak(machine: JoinedHost, place: BarOf, entries: list[Reservation]) -> RawFinding:
    size = sum(entry.end - entry.start for entry in entries)
    driver = place.device.driver
    bound = f"only {driver}, which reserves nothing for itself, is bound" if driver else "no driver is bound"
    entry_words = number_of(len(entries), "entry", "entries")
    low = min(entry.start for entry in entries)
    high = max(entry.end for entry in entries)
    lines = [
        *evidence_of_book([(entry.start, entry.end, entry.mode) for entry in entries]),
        EvidenceLine("/sys/bus/pci/devices", device_line(place.device)),
        *_frees(machine, low, high),
    ]
    return RawFinding(
        "leaked_reservation",
        f"{size_text(size)} of {place} stay reserved in {entry_words}: {bound}, and no process maps it.",
        places=[(entry.start, entry.end, entry.mode) for entry in entries],
        place=place,
        evidence=lines,
    )


def _frees(machine: JoinedHost, low: int, high: int) -> Iterator[EvidenceLine]:
    # They say by whom and when.
    for ranged in islice(machine.failed_frees.over(low, high), MOST_LINES):
        yield EvidenceLine("kernel log", ranged.owner)


def _may_hold(machine: JoinedHost, place: BarOf, entry: Ranged[Reservation]) -> bool:
    """True where somebody may have this entry: then it is no leak, whatever its form."""
    device = place.device
    if device.driver is not None and device.driver not in STAND_INS:
        return True
    if machine.mapped.any_over(entry.start, entry.end) or machine.aliases.any_over(entry.start, entry.end):
        return True
    claimants = machine.claimants(entry.start, entry.end)
    if not all(map(of_stand_in, claimants)):
        return True
    # A VMM that reads a BAR through the descriptor lets vfio-pci ioremap all of it, until it is closed: where
    # the kernel's own mappings were read, that was seen above.
    unseen = machine.snapshot.aliases is None
    return unseen and device.driver is not None and _opened(machine, device)


def _opened(machine: JoinedHost, device: PciFunction) -> bool:
    group = f"/dev/vfio/{device.group}" if device.group else None
    return any(
        file == group or (group is None and file.startswith(_VFIO_FILES)) or file == _VFIO_FILES[1]
        for process in machine.snapshot.processes or ()
        for file in process.files
    )


def over_tracked(machine: JoinedHost) -> Iterator[RawFinding]:
    """Entries in BARs without a driver that processes map in part only."""
    for entry in machine.book:
        places = machine.bar_over(entry.start, entry.end)
        if not places or any(
            place.device.driver is not None and place.device.driver not in STAND_INS for place in places
        ):
            continue
        if machine.aliases.any_over(entry.start, entry.end) or machine.claimants(entry.start, entry.end):
            continue
        mapped = [(ranged.start, ranged.end) for ranged in machine.mapped.over(entry.start, entry.end)]
        free = list(uncovered(entry.start, entry.end, mapped)) if mapped else []
        if not free:
            continue
        pids = sorted({mapping.pid for mapping in machine.mappings_over(entry.start, entry.end)})
        who = ", ".join(machine.who(pid) for pid in pids[:3])
        size = sum(high - low for low, high in free)
        yield RawFinding(
            "over_tracking",
            f"{size_text(size)} of {places[0]} are reserved and not mapped, "
            f"beside what {who} still maps of {range_text(entry.start, entry.end)}.",
            places=[(low, high, entry.owner.mode) for low, high in free],
            place=places[0],
            pids=pids,
            evidence=evidence_of_book([(entry.start, entry.end, entry.owner.mode)]),
        )


def spanning(machine: JoinedHost) -> Iterator[RawFinding]:
    """Entries that reach from one BAR into another, and are no resource by themselves."""
    for entry in machine.book:
        places = machine.bar_over(entry.start, entry.end)
        if len(places) < 2:
            continue
        over = machine.resources.over(entry.start, entry.end)
        if any(resource.start == entry.start and resource.end == entry.end for resource in over):
            continue
        first, last = places[0], places[-1]
        yield RawFinding(
            "spans_bars",
            f"{range_text(entry.start, entry.end)} {entry.owner.mode.cattr} begins at {first} "
            f"and reaches into {last}.",
            places=[(entry.start, entry.end, entry.owner.mode)],
            place=first,
            evidence=[
                *evidence_of_book([(entry.start, entry.end, entry.owner.mode)]),
                *(
                    EvidenceLine("/sys/bus/pci/devices", device_line(place.device, place))
                    for place in places[:4]
                ),
            ],
        )


def device_line(device: PciFunction, place: BarOf | None = None) -> str:
    """A device in a line, with one BAR of it or its driver."""
    if place is not None:
        return f"{place}: {range_text(place.bar.start, place.bar.end)}"
    return f"{device.address} {device.ids}: {driver_words(device)}"
