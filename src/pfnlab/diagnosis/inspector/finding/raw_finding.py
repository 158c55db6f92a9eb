"""Findings as the searches of a host make them, and lines that show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from pfnlab.diagnosis.inspector.finding.finding_form import EvidenceLine
from pfnlab.diagnosis.inspector.host_snapshot import IomemLine
from pfnlab.diagnosis.inspector.joined_host import BarOf
from pfnlab.diagnosis.inspector.parsing import memory_lists
from pfnlab.kernel.hw.cachemode import CacheMode

#: Maximum number of lines from one source shown in a finding.
MOST_LINES = 6


class RawFinding(msgspec.Struct, frozen=True):
    """A finding whose text has not been written yet.

    Of a million findings of one kind only a dozen are shown, so sentences and lines are made on demand.

    :param says: its sentences, or a function that returns them
    :param evidence: the lines that show it, or a function that returns them
    :param places: the affected ranges, each with the mode of its reservation, or None if not reserved
    :param device: the device, if no BAR is involved
    :param otherwise: the finding to report instead if this one lacks a source
    """

    kind: str
    says: str | Callable[[], str]
    places: Sequence[tuple[int, int, CacheMode | None]] = ()
    place: BarOf | None = None
    device: str | None = None
    pids: Sequence[int] = ()
    evidence: Iterable[EvidenceLine] | Callable[[], Iterable[EvidenceLine]] = ()
    otherwise: RawFinding | None = None


def claim_line(line: IomemLine) -> EvidenceLine:
    """Format a claim like a line of /proc/iomem."""
    return EvidenceLine("/proc/iomem", f"{line.start:08x}-{line.end - 1:08x} : {line.name}")


def evidence_of_book(entries: Sequence[tuple[int, int, CacheMode]]) -> Iterator[EvidenceLine]:
    """Format entries like the memtype list since 5.13, where the end is the byte after the last."""
    for start, end, mode in entries[:MOST_LINES]:
        yield EvidenceLine(memory_lists.MEMTYPES, f"PAT: [mem {start:#018x}-{end:#018x}] {mode.cattr}")
    if len(entries) > MOST_LINES:
        yield EvidenceLine(memory_lists.MEMTYPES, f"and {len(entries) - MOST_LINES:,} more entries")
