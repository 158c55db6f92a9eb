"""A finding put together: the words of its kind, the bugs of this kernel, lines as their files have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from pfnlab.diagnosis.inspector.finding.finding_form import (
    MOST_PLACES,
    EvidenceLine,
    Finding,
    PhysicalPlace,
    finding_kinds,
)
from pfnlab.diagnosis.inspector.joined_host import BarOf
from pfnlab.diagnosis.inspector.parsing import memtype_list
from pfnlab.kernel.bugs.here import BugHere
from pfnlab.kernel.hw.cachemode import CacheMode

#: Of a finding so many lines are shown for one source.
MOST_LINES = 6


class RawFinding(msgspec.Struct, frozen=True):
    """A finding before it is put together.

    Of a million of one kind a dozen are shown: sentences and lines are made when they are asked for.

    :param kind: a name in ``kinds.toml``
    :param says: gives the sentences of this one
    :param evidence: gives the lines that show it
    :param places: ranges in question, each with the mode it is reserved with, None where it is not
    :param place: the BAR in question
    :param device: the device, where no BAR is in question
    :param size: bytes of all places, where *places* are the first of them
    :param count: how many places there are; 0 where *places* are all
    """

    kind: str
    says: Callable[[], str]
    places: Sequence[tuple[int, int, CacheMode | None]] = ()
    place: BarOf | None = None
    device: str | None = None
    pids: Sequence[int] = ()
    evidence: Callable[[], Iterable[EvidenceLine]] = tuple
    size: int = 0
    count: int = 0

    @classmethod
    def ready(
        cls,
        kind: str,
        says: str,
        evidence: Iterable[EvidenceLine],
        places: Sequence[tuple[int, int, CacheMode | None]] = (),
        place: BarOf | None = None,
        pids: Sequence[int] = (),
    ) -> RawFinding:
        """One of which there are few: its sentences and lines are there already."""
        lines = tuple(evidence)
        return cls(kind, lambda: says, places, place, None, pids, lambda: lines)


def composed(found: RawFinding, bugs: tuple[BugHere, ...]) -> Finding:
    """The whole finding.

    :param bugs: those of its kind that this kernel has
    :raises KeyError: there is no such kind
    """
    kind = finding_kinds()[found.kind]
    place = found.place
    return Finding(
        kind=found.kind,
        severity=kind.severity,
        says=found.says(),
        means=kind.means,
        places=tuple(
            PhysicalPlace.of(start, end, None if mode is None else mode.short)
            for start, end, mode in found.places[:MOST_PLACES]
        ),
        size=found.size or sum(end - start for start, end, _ in found.places),
        count=max(1, found.count or len(found.places)),
        device=found.device if place is None else place.device.address,
        bar=None if place is None else place.bar.number,
        pids=tuple(found.pids),
        evidence=tuple(found.evidence()),
        bugs=bugs,
        programs=kind.programs,
        advice=kind.advice,
    )


def evidence_of_book(entries: Sequence[tuple[int, int, CacheMode]]) -> Iterator[EvidenceLine]:
    """Entries as the memtype list prints them since 5.13: with the byte behind their last."""
    for start, end, mode in entries[:MOST_LINES]:
        yield EvidenceLine(memtype_list.PATH, f"PAT: [mem {start:#018x}-{end:#018x}] {mode.cattr}")
    if len(entries) > MOST_LINES:
        yield EvidenceLine(memtype_list.PATH, f"and {len(entries) - MOST_LINES:,} more entries")
