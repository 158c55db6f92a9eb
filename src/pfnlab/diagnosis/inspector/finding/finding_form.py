"""The form of a finding, and the kinds there are (``kinds.toml``): what each means and what to do.

A finding is put together of the words of its kind, bugs of this kernel, and lines as their files have them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated

import msgspec

from pfnlab.base.errors import Defect
from pfnlab.base.result import Address, Count
from pfnlab.diagnosis.inspector.host_snapshot import IomemLine
from pfnlab.diagnosis.inspector.joined_host import BarOf
from pfnlab.diagnosis.inspector.parsing import memory_lists
from pfnlab.kernel.bugs.here import BugHere
from pfnlab.kernel.hw.cachemode import CacheMode


class Severity(StrEnum):
    """How much a finding matters."""

    #: Something is wrong, and stays so.
    WRONG = "wrong"
    #: It stands in somebody's way, or will be wrong.
    LOOK = "look here"
    #: It explains what one sees; nothing is wrong.
    NOTE = "note"

    @property
    def weight(self) -> int:
        """The order of findings: what is wrong first."""
        return list(Severity).index(self)


class FindingKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of findings, a table of ``kinds.toml``.

    :param means: two sentences
    :param rules: steps of docs/semantics
    :param bugs: identifiers of docs/bugs.md that make it; which of them this kernel has is said with each
    :param advice: what to do, each with its cost
    :param through: parts of a snapshot that are gone through: of a part that was cut, some findings are lost
    :param needs: parts that have to be whole, for something is concluded of what is not in them
    :param helps: parts of which more findings follow
    """

    title: str
    severity: Severity
    means: str
    rules: tuple[str, ...]
    advice: tuple[str, ...]
    bugs: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    through: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()


class EvidenceLine(msgspec.Struct, frozen=True):
    """A line on which a finding rests.

    :param source: the file it is of
    :param line: as the file has it, or as it would
    """

    source: str
    line: str


class PhysicalPlace(msgspec.Struct, frozen=True):
    """A range of physical memory.

    :param start: its first byte, in hexadecimal
    :param end: the byte behind its last
    :param mode: the cache mode it is reserved with; null where it is not
    """

    start: Address
    end: Address
    mode: str | None = None

    @classmethod
    def of(cls, start: int, end: int, mode: str | None = None) -> PhysicalPlace:
        """The place of bytes *start* up to *end*."""
        return cls(f"{start:#x}", f"{end:#x}", mode)

    @property
    def bounds(self) -> tuple[int, int]:
        """Its first byte and the one behind its last."""
        return int(self.start, 16), int(self.end, 16)

    def __post_init__(self) -> None:
        check_bounds(*self.bounds)

    def __str__(self) -> str:
        return f"{self.start}-{self.end}" + (f" {self.mode}" if self.mode else "")


class Finding(msgspec.Struct, frozen=True):
    """One thing that was found.

    :param kind: its name in ``kinds.toml``
    :param severity: ``wrong``, ``look here`` or ``note``
    :param says: what was found, in one or two sentences
    :param means: what that means
    :param places: the physical memory in question, the first of it where it is in many pieces
    :param size: bytes of all of it
    :param count: of how many places, reservations or mappings it was put together
    :param device: the PCI address; null where no device is concerned
    :param bar: the number of its BAR
    :param pids: processes in question
    :param evidence: the lines
    :param bugs: bugs of this kernel that do it
    :param programs: programs that make the same
    :param advice: what to do, with what it costs
    """

    kind: str
    severity: Severity
    says: str
    means: str
    places: tuple[PhysicalPlace, ...] = ()
    size: Count = 0
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    device: str | None = None
    bar: int | None = None
    pids: tuple[int, ...] = ()
    evidence: tuple[EvidenceLine, ...] = ()
    bugs: tuple[BugHere, ...] = ()
    programs: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


#: Of a finding of many pieces so many are named.
MOST_PLACES = 8


@cache
def finding_kinds() -> dict[str, FindingKind]:
    """The kinds of findings by name, in the order of reports; raises Defect where the table is wrong."""
    text = files("pfnlab.diagnosis.inspector.finding").joinpath("kinds.toml").read_text(encoding="utf-8")
    try:
        return msgspec.toml.decode(text, type=dict[str, FindingKind])
    except msgspec.ValidationError as trouble:
        raise Defect(f"kinds.toml: {trouble}") from trouble


def check_bounds(start: int, end: int) -> None:
    """Refuse a range that ends before it begins; raises ValueError where this one does."""
    if start > end:
        raise ValueError(f"a range ends at {end:#x}, before it begins at {start:#x}")


def range_text(start: int, end: int) -> str:
    """A half-open range as the kernel's messages write it, with its last byte."""
    return f"[mem {start:#010x}-{end - 1:#010x}]"


#: Of a finding so many lines are shown for one source.
MOST_LINES = 6


class RawFinding(msgspec.Struct, frozen=True):
    """A finding before it is put together.

    Of a million of one kind a dozen are shown: sentences and lines are made when they are asked for.

    :param says: gives the sentences of this one
    :param evidence: gives the lines that show it
    :param places: ranges in question, each with the mode it is reserved with, None where it is not
    :param device: the device, where no BAR is in question
    :param size: bytes of all places, where *places* are the first of them
    :param count: how many places there are; 0 where *places* are all
    :param otherwise: the finding that it is where a source that it needs is lacking
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
    otherwise: RawFinding | None = None

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
    """The whole finding; raises KeyError where there is no such kind."""
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


def claim_line(line: IomemLine) -> EvidenceLine:
    """A claim as /proc/iomem writes it."""
    return EvidenceLine("/proc/iomem", f"{line.start:08x}-{line.end - 1:08x} : {line.name}")


def evidence_of_book(entries: Sequence[tuple[int, int, CacheMode]]) -> Iterator[EvidenceLine]:
    """Entries as the memtype list prints them since 5.13: with the byte behind their last."""
    for start, end, mode in entries[:MOST_LINES]:
        yield EvidenceLine(memory_lists.MEMTYPES, f"PAT: [mem {start:#018x}-{end:#018x}] {mode.cattr}")
    if len(entries) > MOST_LINES:
        yield EvidenceLine(memory_lists.MEMTYPES, f"and {len(entries) - MOST_LINES:,} more entries")
