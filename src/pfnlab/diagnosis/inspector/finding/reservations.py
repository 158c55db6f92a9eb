"""Findings about reservations: entries with no owner, larger than their mappings, or spanning two BARs."""

from bisect import bisect_left
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple

from pfnlab.base.units import number_of, size_text
from pfnlab.diagnosis.inspector.finding.finding_form import EvidenceLine, range_text
from pfnlab.diagnosis.inspector.finding.raw_finding import MOST_LINES, RawFinding, evidence_of_book
from pfnlab.diagnosis.inspector.host_snapshot import HostMapping, IomemLine, PciFunction, Reservation
from pfnlab.diagnosis.inspector.intervals import Ranged, uncovered
from pfnlab.diagnosis.inspector.joined_host import (
    STAND_INS,
    BarOf,
    JoinedHost,
    driven_by_own,
    driver_words,
    of_stand_in,
)
from pfnlab.diagnosis.messages.file_notes import LARGE_APERTURE
from pfnlab.kernel.hw.cachemode import CacheMode

_UNCACHED = (CacheMode.UC, CacheMode.UC_MINUS)
#: Paths by which a VMM opens a device: through its group, or its own file.
_VFIO_FILES = ("/dev/vfio/", "anon_inode:[vfio-device]")


class LooseEntry(NamedTuple):
    """An entry in BARs that no driver uses for itself, covered by mappings only in part or not at all.

    :param place: the first BAR it lies in
    :param free: the unmapped rest, if part of it is mapped
    :param claimants: claimed resources inside its BARs
    """

    place: BarOf
    entry: Ranged[Reservation]
    mapped: list[Ranged[HostMapping]]
    free: list[tuple[int, int]]
    claimants: list[IomemLine]


def loose_entries(machine: JoinedHost) -> Iterator[LooseEntry]:
    """Find memtype entries that no mapping fully covers, in BARs whose device no driver uses for itself."""
    alone, mapped = machine.bars.disjoint, machine.mapped
    starts, ends = mapped.starts, mapped.ends
    for bar in machine.bars:
        driven = driven_by_own(bar.owner.device)
        if driven and alone:
            continue
        claims = machine.claims_in(bar)
        for entry in machine.book.over(bar.start, bar.end):
            first, last, _ = entry
            inside = alone and bar.start <= first and last <= bar.end
            if not inside:
                places = machine.bar_over(first, last)
                # An entry spanning several BARs is handled with the first one.
                if places[0] is not bar.owner or any(driven_by_own(place.device) for place in places):
                    continue
            at = bisect_left(starts, first)
            if at < len(starts) and starts[at] == first and last <= ends[at]:
                continue
            over = list(mapped.over(first, last))
            free = list(uncovered(first, last, [(one.start, one.end) for one in over])) if over else []
            if over and not free:
                continue
            claimants = list(machine.claimants(first, last)) if claims or not inside else []
            yield LooseEntry(bar.owner, entry, over, free, claimants)


def loose(machine: JoinedHost) -> Iterator[RawFinding]:
    """Find unowned entries (merged per BAR) and partly mapped ones, in BARs without a driver."""
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
    driver = place.device.driver
    bound = f"only {driver}, which reserves nothing for itself, is bound" if driver else "no driver is bound"
    places = [(entry.start, entry.end, entry.mode) for entry in entries]

    def stay() -> str:
        size = size_text(sum(end - start for start, end, _ in places))
        return f"{size} of {place} stay reserved in {number_of(len(places), 'entry', 'entries')}: {bound}"

    def lines() -> Iterator[EvidenceLine]:
        yield from evidence_of_book(places)
        yield device_line(place.device)
        # Failed frees reveal the process and the time.
        low, high = min(start for start, _, _ in places), max(end for _, end, _ in places)
        for ranged in islice(machine.failed_frees.over(low, high), MOST_LINES):
            yield EvidenceLine("kernel log", ranged.owner)

    perhaps = RawFinding(
        "perhaps_leaked",
        lambda: f"{stay()}. Leaked, unless a process maps it.",
        places,
        place,
        evidence=lines,
    )
    return RawFinding(
        "leaked_reservation",
        lambda: f"{stay()}, and no process maps it.",
        places,
        place,
        evidence=lines,
        otherwise=perhaps,
    )


def _may_hold(machine: JoinedHost, one: LooseEntry) -> bool:
    """True if the entry may have an owner; if so, it is never reported as leaked."""
    entry = one.entry
    if machine.aliases.any_over(entry.start, entry.end) or not all(map(of_stand_in, one.claimants)):
        return True
    # A VMM that reads a BAR through the descriptor makes vfio-pci ioremap all of it until the descriptor
    # closes: if the kernel's own mappings were read, that was detected above.
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

    def says() -> str:
        size = size_text(sum(high - low for low, high in one.free))
        who = ", ".join(machine.who(pid) for pid in pids[:3])
        still = f"beside what {who} still maps of {range_text(start, end)}"
        return f"{size} of {one.place} are reserved and not mapped, {still}."

    return RawFinding(
        "over_tracking",
        says,
        places=[(low, high, owner.mode) for low, high in one.free],
        place=one.place,
        pids=pids,
        evidence=lambda: evidence_of_book([(start, end, owner.mode)]),
    )


def uncached_prefetchable(machine: JoinedHost) -> Iterator[RawFinding]:
    """Find large uncached entries in prefetchable BARs, unless an MTRR makes them write-combining."""
    for bar in machine.bars:
        place = bar.owner
        # vfio-pci maps every BAR uncached; if it leaks one, that is a different finding.
        if not place.bar.prefetchable or place.device.driver in STAND_INS:
            continue
        for entry in machine.book.over(bar.start, bar.end):
            start, end, owner = entry
            is_large = bar.start <= start and end <= bar.end and end - start >= LARGE_APERTURE
            if not is_large or owner.mode not in _UNCACHED:
                continue
            if machine.effective(start, end, owner.mode) not in (*_UNCACHED, None):
                continue
            yield RawFinding(
                "uncached_prefetchable",
                partial(_uncached, machine, entry, place),
                places=[(start, end, owner.mode)],
                place=place,
                evidence=partial(_lines_of_entry, start, end, place, owner.mode),
            )


def _uncached(machine: JoinedHost, entry: Ranged[Reservation], place: BarOf) -> str:
    start, end, owner = entry
    reserved = f"{size_text(end - start)} at {start:#x} are reserved {owner.mode.cattr}"
    is_known = machine.effective(start, end, owner.mode) is not None
    unless = "" if is_known else " Unless an MTRR makes it write-combining, which is not known, it is slow."
    return f"{reserved}, and {place} is prefetchable.{unless}"


def _lines_of_entry(start: int, end: int, place: BarOf, mode: CacheMode) -> Iterator[EvidenceLine]:
    yield from evidence_of_book([(start, end, mode)])
    yield device_line(place.device, place)


def spanning(machine: JoinedHost) -> Iterator[RawFinding]:
    """Find entries that extend from one BAR into another and are not a single resource."""
    for bar in machine.bars:
        # Entries past the last byte of the BAR; an entry spanning several BARs is handled with the first one.
        for start, end, owner in machine.book.over(bar.end - 1, bar.end):
            places = machine.bar_over(start, end)
            if end <= bar.end or len(places) < 2 or places[0] is not bar.owner:
                continue
            over = machine.resources.over(start, end)
            if any(resource.start == start and resource.end == end for resource in over):
                continue
            reserved = f"{range_text(start, end)} {owner.mode.cattr}"
            entry = [(start, end, owner.mode)]
            yield RawFinding(
                "spans_bars",
                f"{reserved} begins at {places[0]} and reaches into {places[-1]}.",
                evidence=[
                    *evidence_of_book(entry),
                    *(device_line(place.device, place) for place in places[:4]),
                ],
                places=entry,
                place=places[0],
            )


def device_line(device: PciFunction, place: BarOf | None = None) -> EvidenceLine:
    """Make a line of evidence about a device, with one of its BARs or its driver."""
    line = f"{device.address} {device.ids}: {driver_words(device)}"
    if place is not None:
        line = f"{place}: {range_text(place.bar.start, place.bar.end)}"
    return EvidenceLine("/sys/bus/pci/devices", line)
