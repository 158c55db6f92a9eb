"""The form of a finding, and all kinds (``kinds.toml``): what each means and what to do.

A finding consists of the words of its kind, bugs of this kernel, and lines copied from their files.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from typing import Annotated, Literal

import msgspec

from pfnlab.base.result import Address, Count
from pfnlab.base.toml_text import package_tables
from pfnlab.base.units import size_text
from pfnlab.kernel.bugs.here import BugHere
from pfnlab.kernel.bugs.known_bugs import bugs_with


class Severity(StrEnum):
    """The severity of a finding."""

    #: Something is wrong and will stay wrong.
    WRONG = "wrong"
    #: It gets in another user's way, or will go wrong later.
    LOOK = "look here"
    #: It explains an observation; nothing is wrong.
    NOTE = "note"

    @property
    def weight(self) -> int:
        """Sort key that puts the most serious findings first."""
        return list(Severity).index(self)


class FindingKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of finding: a table in ``kinds.toml``.

    :param means: two sentences
    :param rules: steps in docs/semantics
    :param violates: the property that it shows to be violated: bugs that violate it may be the cause
    :param advice: what to do, each with its cost
    :param through: the parts of a snapshot that are searched; if one was truncated, findings may be missing
    :param needs: the parts that must be complete because a missing entry counts as evidence
    :param helps: the parts that make more findings possible
    """

    title: str
    severity: Severity
    means: str
    rules: tuple[str, ...]
    advice: tuple[str, ...]
    violates: str = ""
    programs: tuple[str, ...] = ()
    through: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()

    @property
    def bugs(self) -> tuple[str, ...]:
        """The numbers of the bugs that may be the cause, according to their data."""
        return bugs_with("breaks", self.violates) if self.violates else ()


class EvidenceLine(msgspec.Struct, frozen=True):
    """A line that supports a finding.

    :param source: its file
    :param line: verbatim, or as the file would print it
    """

    source: str
    line: str


class PhysicalPlace(msgspec.Struct, frozen=True):
    """A range of physical memory.

    :param start: its first byte, in hexadecimal
    :param end: the byte after its last
    :param mode: the cache mode of its reservation; null if not reserved
    """

    start: Address
    end: Address
    mode: str | None = None

    @classmethod
    def of(cls, start: int, end: int, mode: str | None = None) -> PhysicalPlace:
        """Make the byte range from *start* up to *end*."""
        return cls(f"{start:#x}", f"{end:#x}", mode)

    @property
    def bounds(self) -> tuple[int, int]:
        """Its first byte, and the byte after its last."""
        return int(self.start, 16), int(self.end, 16)

    def __post_init__(self) -> None:
        check_bounds(*self.bounds)

    def __str__(self) -> str:
        return f"{self.start}-{self.end}" + (f" {self.mode}" if self.mode else "")


class Finding(msgspec.Struct, frozen=True):
    """One finding.

    :param kind: its name in ``kinds.toml``
    :param severity: ``wrong``, ``look here`` or ``note``
    :param says: the finding in one or two sentences
    :param means: its meaning
    :param places: the physical memory concerned; only the first ranges if there are many
    :param size: bytes in total
    :param count: number of places, reservations or mappings merged into it
    :param device: the PCI address; null if no device is concerned
    :param bar: the number of its BAR
    :param pids: processes concerned
    :param evidence: the lines that support it
    :param bugs: bugs of this kernel that cause it
    :param programs: reproducers
    :param advice: what to do, with its cost
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


RowKind = Literal["bar", "resource", "reservation", "free", "mapping"]


class MemoryRow(msgspec.Struct, frozen=True):
    """A range of physical memory.

    :param kind: ``bar``, ``resource``, ``reservation``, ``free`` (not reserved) or ``mapping``
    :param start: its first byte, in hexadecimal
    :param end: the byte after its last
    :param label: its name
    :param mode: the cache mode; empty if it has no mode
    :param found: whether it is the subject of the finding
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
        """Its first byte, and the byte after its last."""
        return int(self.start, 16), int(self.end, 16)

    @property
    def size(self) -> str:
        """Its size in words."""
        start, end = self.bounds
        return size_text(end - start)


class PlacedFinding(msgspec.Struct, frozen=True):
    """A finding, and the memory around it.

    :param finding: the finding
    :param around: the memory around it, in the order of a picture
    """

    finding: Finding
    around: tuple[MemoryRow, ...]


def serious(found: Iterable[PlacedFinding]) -> tuple[PlacedFinding, ...]:
    """Return the findings more serious than a note."""
    return tuple(one for one in found if one.finding.severity is not Severity.NOTE)


#: Maximum number of pieces named in a finding.
MOST_PLACES = 8


@cache
def finding_kinds() -> dict[str, FindingKind]:
    """Return the kinds of findings by name, in report order."""
    return package_tables(__package__, "kinds.toml", dict[str, FindingKind])


def check_bounds(start: int, end: int) -> None:
    """Raise ValueError for a range that ends before it begins."""
    if start > end:
        raise ValueError(f"a range ends at {end:#x}, before it begins at {start:#x}")


def range_text(start: int, end: int) -> str:
    """Format a half-open range like the kernel's messages, with its last byte."""
    return f"[mem {start:#010x}-{end - 1:#010x}]"
