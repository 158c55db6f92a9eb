"""The grounds of a review: the mappings that exist before an operation is tried, and the operations to try.

A ground is a kind of mapping with its neighbours in the area and on the device. Its subject is
``a[510:514]``, which spans two page tables; its neighbours are in ``a[506:522]``, or more than a page table
away.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import msgspec

from pfnlab.base.errors import ProgramError
from pfnlab.base.toml_text import package_tables
from pfnlab.programs.lang.neighbours import beside
from pfnlab.programs.lang.ops import Op, Program
from pfnlab.programs.lang.printer import op_text
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.text import parse

#: The header of every program of a review.
HEADER = "pfnlab program 1\ndevice bar: pci, {pages} pages\n"

#: The subject, and the device pages that most kinds show there.
_SUBJECT, _SHOWN = Span("a", 510, 514), Span("bar", 8, 12)

#: The subject, as written in programs.
SUBJECT = str(_SUBJECT)


class MappingKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A way to map part of the device.

    :param line: the operation that maps ``{device}`` over ``{area}``
    :param device: the device pages that the subject shows
    :param area: the pages of the area; for a leaf, they end where the subject ends
    :param touched: operations after the mapping, to create its entries or make copies
    :param thp: the header line that it needs, if any
    :param frames: whether it shows frames with a cache mode, rather than only counted pages
    :param alone: whether its programs must not use the guest driver's own operations
    :param pages: the number of pages of the device
    """

    name: str
    line: str
    device: str = str(_SHOWN)
    area: str = SUBJECT
    touched: tuple[str, ...] = ()
    thp: str = ""
    frames: bool = True
    alone: bool = False
    pages: int = 1024

    @property
    def revoked(self) -> bool:
        """True if it belongs to the guest driver's first file, whose mappings the driver revokes."""
        return " driver " in self.line and " driver export " not in self.line

    @property
    def flushes_within(self) -> bool:
        """True if it has a shared page that was written, whose entry is flushed before others are cleared."""
        return " shared " in self.line and any(line.startswith("write ") for line in self.touched)


class Neighbour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping next to the subject.

    :param area: its distance from the subject in the area, in pages; None if there is no neighbour
    :param device: its distance on the device, if it has the subject's kind
    :param line: the operation that maps it over ``{area}``, if it has a different kind
    :param kind: the name of that kind, if that shows the device
    :param front: whether it lies in front of the subject
    :param before: whether it is mapped before the subject
    """

    name: str
    area: int | None = None
    device: int = 0
    pages: int = 4
    line: str = ""
    kind: str = ""
    front: bool = False
    before: bool = False

    @property
    def place(self) -> Span | None:
        """Its pages in the area; None if there is no neighbour."""
        if self.area is None:
            return None
        return beside(_SUBJECT, self.area, self.pages, front=self.front)

    def mapped(self, kind: MappingKind) -> str | None:
        """The operation that maps it next to a *kind* mapping; None if there is no neighbour."""
        shown = beside(_SHOWN, self.device, self.pages, front=self.front)
        return None if self.place is None else (self.line or kind.line).format(device=shown, area=self.place)


class GivingUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operation that releases frames.

    :param device: the frames
    :param reader: a page of ``a`` that showed one of the frames
    """

    operation: str
    device: str
    reader: int


class MeetingOperations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Operations to run concurrently on some kinds of mapping: each in *first* with each in *beside*.

    :param kinds: the names of the kinds
    :param thirds: additional operations for a third task; empty for pairs
    """

    kinds: tuple[str, ...]
    first: tuple[str, ...]
    beside: tuple[str, ...]
    thirds: tuple[str, ...] = ("",)


class GroundTables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of ``grounds.toml``.

    :param operations: the operations in sequences, each as a list of lines
    :param allocations: the allocations that fail in each of *allocating*, as written after ``fail``
    :param first: the operations of the first task in a schedule
    :param frees: the operations that release frames, each in its own way
    :param beside_each_other: the neighbours that may affect the order of functions
    :param leaves: kinds used only in schedules
    :param meetings: operations that read or insert entries, with operations that remove them
    :param triples: the same, with a third task
    """

    operations: tuple[tuple[str, ...], ...]
    allocations: tuple[str, ...]
    allocating: tuple[str, ...]
    first: tuple[str, ...]
    frees: tuple[GivingUp, ...]
    beside: tuple[str, ...]
    beside_each_other: tuple[str, ...]
    kinds: tuple[MappingKind, ...]
    neighbours: tuple[Neighbour, ...]
    leaves: tuple[MappingKind, ...]
    meetings: tuple[MeetingOperations, ...]
    triples: tuple[MeetingOperations, ...]


TABLES = package_tables(__package__, "grounds.toml", GroundTables)
KINDS, NEIGHBOURS, OPERATIONS = TABLES.kinds, TABLES.neighbours, TABLES.operations

#: Every operation with a failing allocation.
FAILING = tuple(
    (f"fail {call}: {operation}",) for operation in TABLES.allocating for call in TABLES.allocations
)

#: The operations to try first and second, with the names of their areas and tasks.
_TRIED = (((*OPERATIONS, *FAILING), "b", "c"), (OPERATIONS, "d", "e"))

_DRIVERS = ("zap_vma_ptes", "unmap_mapping_range", "remap_pfn_range", "request_mem_region", "bind")
_VFIOS = ("memory_disable", "vfio_reset")


class MadeSetup(NamedTuple):
    """A kind of mapping with its neighbours.

    :param firsts: the operations, with the names used for a first operation; *seconds*: with those for a
        second one
    """

    kind: MappingKind
    neighbour: Neighbour
    program: Program
    firsts: tuple[tuple[Op, ...], ...]
    seconds: tuple[tuple[Op, ...], ...]

    def program_of(self, ops: Sequence[Op], title: str, asks: str) -> Program:
        """The setup followed by *ops*."""
        ops = (*self.program.ops, *ops)
        return msgspec.structs.replace(self.program, title=title, asks=asks, ops=ops)

    @property
    def name(self) -> str:
        """The ground in words."""
        return f"{self.kind.name}, {self.neighbour.name}"


#: Every kind on its own, then every kind with every neighbour.
GROUNDS = tuple((kind, neighbour) for neighbour in NEIGHBOURS for kind in KINDS)


def header(kind: MappingKind) -> str:
    """The header of programs for a kind."""
    areas = "".join(f"area {name}: {pages} pages\n" for name, pages in (("a", 1600), ("b", 16), ("d", 16)))
    return HEADER.format(pages=kind.pages) + kind.thp + areas


def setup(kind: MappingKind, neighbour: Neighbour) -> list[str]:
    """The lines that create a mapping of a kind with its neighbours."""
    own = kind.line.format(device=kind.device, area=kind.area)
    lines = [own]
    other = neighbour.mapped(kind)
    if other is not None:
        lines = [other, own] if neighbour.before else [own, other]
    return [*lines, *kind.touched]


@cache
def ground(number: int) -> MadeSetup:
    """The ground with that number in :data:`GROUNDS`, built on first use because it takes some 10 ms."""
    kind, neighbour = GROUNDS[number]
    lines = setup(kind, neighbour)
    program = _parsed(kind, lines)
    assert program is not None, lines
    parts = [
        tuple(filter(None, (_ops(kind, lines, operation, *names) for operation in operations)))
        for operations, *names in _TRIED
    ]
    return MadeSetup(kind, neighbour, program, *parts)


def can_follow(kind: MappingKind, operation: str) -> bool:
    """False if *operation* belongs to a driver without mappings of *kind*."""
    return not operation.startswith(_DRIVERS if kind.alone else _VFIOS)


def ops_text(ops: Sequence[Op]) -> str:
    """Operations as program lines, one per line."""
    return "\n".join(map(op_text, ops))


def used_areas(program: Program) -> Program:
    """The program without areas that no operation names."""
    named = "; ".join(map(op_text, program.ops))
    used = tuple(area for area in program.areas if re.search(rf"\b{area.name}\b", named))
    return msgspec.structs.replace(program, areas=used)


def pages_of(area: str) -> tuple[int, int]:
    """The first page in an area like ``a[510:514]``, and the page after the last."""
    first, last = area.removesuffix("]").partition("[")[2].split(":")
    return int(first), int(last)


def _ops(
    kind: MappingKind, lines: list[str], operation: tuple[str, ...], b: str, c: str
) -> tuple[Op, ...] | None:
    """An operation on a ground; None if it cannot be in one program with the ground's kind."""
    if not can_follow(kind, operation[0]):
        return None
    written = [line.format(b=b, c=c) for line in operation]
    program = _parsed(kind, [*lines, *written])
    return None if program is None else program.ops[len(lines) :]


def _parsed(kind: MappingKind, lines: list[str]) -> Program | None:
    try:
        return parse(header(kind) + "\n".join(lines) + "\n", "review")
    except ProgramError:
        return None
