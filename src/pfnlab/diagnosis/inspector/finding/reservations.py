"""Findings about reservations: entries whose owner is gone, that cover more than is mapped, or two BARs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

from pfnlab.base.units import number_of, size_text
from pfnlab.diagnosis.inspector.finding.doubtful import LooseEntry, loose_entries
from pfnlab.diagnosis.inspector.finding.finding_form import (
    MOST_LINES,
    EvidenceLine,
    RawFinding,
    evidence_of_book,
    range_text,
)
from pfnlab.diagnosis.inspector.host_snapshot import PciFunction, Reservation
from pfnlab.diagnosis.inspector.joined_host import BarOf, JoinedHost, driver_words, of_stand_in

#: Where a VMM opens a device through its group, or through the device's own file.
_VFIO_FILES = ("/dev/vfio/", "anon_inode:[vfio-device]")


def loose(machine: JoinedHost) -> Iterator[RawFinding]:
    """Entries in BARs without a driver: those that nobody holds, one finding a BAR; those mapped in part."""
    gone: dict[tuple[str, int], tuple[BarOf, list[Reservation]]] = {}
    for one in loose_entries(machine):
        if one.mapped:
            if not one.claimants and not machine.aliases.any_over(one.entry.start, one.entry.end):
                yield _over_tracked(machine, one)
        elif not _may_hold(machine, one):
            place = one.place
            key = place.device.address, place.bar.number
            if key not in gone:
                gone[key] = place, []
            gone[key][1].append(one.entry.owner)
    for place, entries in gone.values():
        yield _leak(machine, place, entries)


def _leak(machine: JoinedHost, place: BarOf, entries: list[Reservation]) -> RawFinding:
    return RawFinding(
        "leaked_reservation",
        partial(_leak_words, place, entries),
        places=[(entry.start, entry.end, entry.mode) for entry in entries],
        place=place,
        evidence=partial(_leak_lines, machine, place, entries),
    )


def _leak_words(place: BarOf, entries: list[Reservation]) -> str:
    size = sum(entry.end - entry.start for entry in entries)
    driver = place.device.driver
    bound = f"only {driver}, which reserves nothing for itself, is bound" if driver else "no driver is bound"
    entry_words = number_of(len(entries), "entry", "entries")
    return f"{size_text(size)} of {place} stay reserved in {entry_words}: {bound}, and no process maps it."


def _leak_lines(machine: JoinedHost, place: BarOf, entries: list[Reservation]) -> Iterator[EvidenceLine]:
    yield from evidence_of_book([(entry.start, entry.end, entry.mode) for entry in entries])
    yield EvidenceLine("/sys/bus/pci/devices", device_line(place.device))
    low, high = min(entry.start for entry in entries), max(entry.end for entry in entries)
    yield from _frees(machine, low, high)


def _frees(machine: JoinedHost, low: int, high: int) -> Iterator[EvidenceLine]:
    # They say by whom and when.
    for ranged in islice(machine.failed_frees.over(low, high), MOST_LINES):
        yield EvidenceLine("kernel log", ranged.owner)


def _may_hold(machine: JoinedHost, one: LooseEntry) -> bool:
    """True where somebody may have this entry: then it is no leak, whatever its form."""
    entry = one.entry
    if machine.aliases.any_over(entry.start, entry.end):
        return True
    if not all(map(of_stand_in, one.claimants)):
        return True
    # A VMM that reads a BAR through the descriptor lets vfio-pci ioremap all of it, until it is closed: where
    # the kernel's own mappings were read, that was seen above.
    if machine.snapshot.aliases is not None:
        return False
    devices = [place.device for place in machine.bar_over(entry.start, entry.end)]
    return any(device.driver is not None and _opened(machine, device) for device in devices)


def _opened(machine: JoinedHost, device: PciFunction) -> bool:
    group = f"/dev/vfio/{device.group}" if device.group else None
    return any(
        file == group or (group is None and file.startswith(_VFIO_FILES)) or file == _VFIO_FILES[1]
        for process in machine.snapshot.processes or ()
        for file in process.files
    )


def _over_tracked(machine: JoinedHost, one: LooseEntry) -> RawFinding:
    start, end, owner = one.entry
    pids = tuple(sorted({ranged.owner.pid for ranged in one.mapped}))
    return RawFinding(
        "over_tracking",
        partial(_over_tracked_words, machine, one, pids),
        places=[(low, high, owner.mode) for low, high in one.free],
        place=one.place,
        pids=pids,
        evidence=partial(evidence_of_book, [(start, end, owner.mode)]),
    )


def _over_tracked_words(machine: JoinedHost, one: LooseEntry, pids: Sequence[int]) -> str:
    size = sum(high - low for low, high in one.free)
    who = ", ".join(machine.who(pid) for pid in pids[:3])
    return (
        f"{size_text(size)} of {one.place} are reserved and not mapped, "
        f"beside what {who} still maps of {range_text(one.entry.start, one.entry.end)}."
    )


def spanning(machine: JoinedHost) -> Iterator[RawFinding]:
    """Entries that reach from one BAR into another, and are no resource by themselves."""
    for bar in machine.bars:
        # Those over its last byte that go on behind it; an entry over several is looked at with the first.
        for start, end, owner in machine.book.over(bar.end - 1, bar.end):
            places = machine.bar_over(start, end)
            if end <= bar.end or len(places) < 2 or places[0] is not bar.owner:
                continue
            over = machine.resources.over(start, end)
            if any(resource.start == start and resource.end == end for resource in over):
                continue
            yield RawFinding.ready(
                "spans_bars",
                f"{range_text(start, end)} {owner.mode.cattr} begins at {places[0]} "
                f"and reaches into {places[-1]}.",
                [
                    *evidence_of_book([(start, end, owner.mode)]),
                    *(
                        EvidenceLine("/sys/bus/pci/devices", device_line(place.device, place))
                        for place in places[:4]
                    ),
                ],
                places=[(start, end, owner.mode)],
                place=places[0],
            )


def device_line(device: PciFunction, place: BarOf | None = None) -> str:
    """A device in a line, with one BAR of it or its driver."""
    if place is not None:
        return f"{place}: {range_text(place.bar.start, place.bar.end)}"
    return f"{device.address} {device.ids}: {driver_words(device)}"
