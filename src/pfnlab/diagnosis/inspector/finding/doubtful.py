"""Entries and mappings that are not simply in order: of a million only they are looked at closely."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from pfnlab.diagnosis.inspector.host_snapshot import HostMapping, IomemLine, Reservation
from pfnlab.diagnosis.inspector.intervals import Ranged, uncovered
from pfnlab.diagnosis.inspector.joined_host import (
    BarOf,
    JoinedHost,
    MappableFile,
    Piece,
    driven_by_own,
    mapped_file,
    physical_of,
)
from pfnlab.kernel.hw.cachemode import CacheMode


class LooseEntry(NamedTuple):
    """An entry in BARs without a driver of their own, of which mappings show a part or nothing.

    :param place: the first BAR it lies in
    :param free: the rest, where anything maps a part
    :param claimants: the resources inside its BARs that somebody claimed
    """

    place: BarOf
    entry: Ranged[Reservation]
    mapped: list[Ranged[HostMapping]]
    free: list[tuple[int, int]]
    claimants: list[IomemLine]


class OddMapping(NamedTuple):
    """A mapping of a file that reserves, whose memory does not simply lie in an entry of the mode asked for.

    :param pieces: its physical memory, in the parts that the memtype list makes of it
    """

    mapping: HostMapping
    file: MappableFile
    pieces: list[Piece]


def loose_entries(machine: JoinedHost) -> Iterator[LooseEntry]:
    """Entries of the memtype list whose BARs have no driver of their own, and that no mapping covers."""
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
                # An entry over several is looked at with the first.
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


def odd_mappings(machine: JoinedHost) -> Iterator[OddMapping]:
    """Mappings of files that reserve, without those that lie in one entry of the mode asked for."""
    starts, ends, owners = machine.book.starts, machine.book.ends, machine.book.owners
    alone, combining = machine.book.disjoint, CacheMode.WC
    for mapping in machine.snapshot.mappings or ():
        file = mapped_file(mapping.path)
        if not file.reserves:
            continue
        physical = mapping.physical
        if alone and mapping.entries is None and physical is not None:
            at = bisect_right(starts, physical[0]) - 1
            if at >= 0 and physical[1] <= ends[at] and (not file.combining or owners[at].mode is combining):
                continue
        pieces = [piece for start, end in physical_of(mapping) for piece in machine.pieces(start, end)]
        yield OddMapping(mapping, file, pieces)
