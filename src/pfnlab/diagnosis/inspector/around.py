"""The physical memory around a finding: BARs, resources, reservations and mappings as rows of a picture."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Literal

import msgspec

from pfnlab.base.result import Address
from pfnlab.base.units import size_text
from pfnlab.diagnosis.inspector.finding.finding_form import Finding, check_bounds
from pfnlab.diagnosis.inspector.joined_host import JoinedHost, driver_words

RowKind = Literal["bar", "resource", "reservation", "free", "mapping"]

#: Of each kind so many rows are shown.
_MOST_ROWS = 8


class MemoryRow(msgspec.Struct, frozen=True):
    """Something that lies in physical memory.

    :param kind: ``bar``, ``resource``, ``reservation``, ``free`` (not reserved) or ``mapping``
    :param start: its first byte, in hexadecimal
    :param end: the byte behind its last
    :param label: its name
    :param mode: the cache mode; empty where it has none
    :param found: it is what the finding is about
    """

    kind: RowKind
    start: Address
    end: Address
    label: str
    mode: str = ""
    found: bool = False

    def __post_init__(self) -> None:
        check_bounds(*self.bounds)

    @property
    def bounds(self) -> tuple[int, int]:
        """Its first byte and the one behind its last."""
        return int(self.start, 16), int(self.end, 16)

    @property
    def size(self) -> str:
        """Its size in words."""
        start, end = self.bounds
        return size_text(end - start)


def around(machine: JoinedHost, finding: Finding) -> tuple[MemoryRow, ...]:
    """The rows around a finding that has a place, by their starts; the larger first."""
    if not finding.places:
        return ()
    low = min(place.bounds[0] for place in finding.places)
    high = max(place.bounds[1] for place in finding.places)
    bars = machine.bar_over(low, high)
    if bars:
        low, high = min(low, bars[0].bar.start), max(high, bars[-1].bar.end)
    about = [place.bounds for place in finding.places]
    rows = list(_rows(machine, low, high, about))
    return tuple(sorted(rows, key=lambda row: (row.bounds[0], _ORDER.index(row.kind), -row.bounds[1])))


_ORDER: tuple[RowKind, ...] = ("bar", "resource", "reservation", "free", "mapping")


def _rows(machine: JoinedHost, low: int, high: int, about: list[tuple[int, int]]) -> Iterator[MemoryRow]:
    def row(kind: RowKind, start: int, end: int, label: str, mode: str = "") -> MemoryRow:
        return MemoryRow(kind, f"{start:#x}", f"{end:#x}", label, mode, (start, end) in about)

    for place in islice(machine.bars.over(low, high), _MOST_ROWS):
        yield row("bar", place.start, place.end, f"{place.owner}, {driver_words(place.owner.device)}")
    for line in islice(machine.claimants(low, high), _MOST_ROWS):
        yield row("resource", line.start, line.end, line.name)
    if machine.snapshot.book is not None:
        for entry in islice(machine.book.over(low, high), _MOST_ROWS):
            yield row("reservation", entry.start, entry.end, "reserved", entry.owner.mode.short)
        for piece in islice(machine.pieces(low, high), _MOST_ROWS):
            if piece.mode is None:
                yield row("free", piece.start, piece.end, "not reserved")
    for ranged in islice(machine.mapped.over(low, high), _MOST_ROWS):
        mapping = ranged.owner
        mode = mapping.mode.short if mapping.mode is not None else ""
        yield row("mapping", ranged.start, ranged.end, f"{machine.who(mapping.pid)} {mapping.perms}", mode)
