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
from pfnlab.programs.cases.forced_failures import FORCED
from pfnlab.programs.cases.mapping_kinds import MAPPING_KINDS, MappingKind, case_tables
from pfnlab.programs.cases.neighbours import NEIGHBOURS, Neighbour
from pfnlab.programs.lang.lines import lines_of
from pfnlab.programs.lang.ops import Op, Program
from pfnlab.programs.lang.printer import op_text
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.text import Reading, parse

#: The header of every program of a review.
HEADER = "pfnlab program 1\ndevice bar: pci, {pages} pages\n"

#: The subject, and the device pages that most kinds show there.
SUBJECT, _SHOWN = Span("a", 510, 514), Span("bar", 8, 12)


class ReviewedMapping(NamedTuple):
    """A kind of mapping at its place in the area and on the device.

    :param name: its name in a review
    :param area: its pages in the area; for a leaf, they end where the subject ends
    :param shown: the device pages that it shows
    :param touched: operations after the mapping
    :param pages: the number of pages of the device
    """

    name: str
    kind: MappingKind
    area: Span
    shown: Span
    touched: tuple[str, ...]
    pages: int = 1024

    @property
    def mapped(self) -> str:
        """The operation that maps it, in its own area if there is no room in ``a``."""
        line = self.kind.mapped(self.shown)
        return f"{line} over {self.area}" if self.area.name == SUBJECT.name else f"{self.area.name} = {line}"


def reviewed(kind: MappingKind) -> ReviewedMapping:
    """A kind of mapping where sequences and most schedules try it."""
    area, shown = SUBJECT, _SHOWN
    if kind.leaf:
        area, shown = Span(area.name, 0, kind.leaf), Span(shown.name, kind.shift, kind.leaf + kind.shift)
    first = SUBJECT.start
    words = {"page": f"a[{first}]", "half": Span("a", first, first + 2)}
    touched = tuple(line.format(**words) for line in kind.touched)
    return ReviewedMapping(kind.says, kind, area, shown, touched)


def scheduled(kind: MappingKind) -> ReviewedMapping:
    """A kind of leaf where schedules try whole leaves, which walkers split."""
    shown = Span(_SHOWN.name, 0, kind.leaf)
    area = Span("a", kind.leaf, 2 * kind.leaf) if kind.leaf < SUBJECT.end else Span("e", 0, kind.leaf)
    touched = (f"read {area.name}[{area.start}]",)
    return ReviewedMapping(kind.scheduled, kind, area, shown, touched, kind.leaf)


class GivingUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operation that releases frames.

    :param shown: the first of the frames on the device, and the one after the last
    :param reader: a page of ``a`` that showed one of the frames
    """

    operation: str
    shown: tuple[int, int]
    reader: int

    @property
    def device(self) -> Span:
        """The frames, as device pages."""
        return Span(_SHOWN.name, *self.shown)


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
    :param allocating: the operations in each of which an allocation fails
    :param first: the operations of the first task in a schedule
    :param frees: the operations that release frames, each in its own way
    :param beside_each_other: the neighbours that may affect the order of functions
    :param meetings: operations that read or insert entries, with operations that remove them
    :param triples: the same, with a third task
    """

    operations: tuple[tuple[str, ...], ...]
    allocating: tuple[str, ...]
    first: tuple[str, ...]
    frees: tuple[GivingUp, ...]
    beside: tuple[str, ...]
    beside_each_other: tuple[str, ...]
    meetings: tuple[MeetingOperations, ...]
    triples: tuple[MeetingOperations, ...]


TABLES = case_tables(__package__, "grounds.toml", GroundTables)
OPERATIONS = TABLES.operations


def reviewed_mappings() -> tuple[ReviewedMapping, ...]:
    """Every kind of mapping in sequences, most common first."""
    kinds = MAPPING_KINDS.values()
    return tuple(reviewed(kind) for kind in kinds if kind.says and not kind.only_beside)


#: Every kind of mapping in sequences, and the kinds used only in schedules.
KINDS = reviewed_mappings()
LEAVES = tuple(scheduled(kind) for kind in MAPPING_KINDS.values() if kind.scheduled)

#: Every operation with a failing allocation.
FAILING = tuple(
    (f"fail {call}: {operation}",) for operation in TABLES.allocating for call in FORCED["review"]
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

    kind: ReviewedMapping
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

#: The numbers of the grounds of kinds on their own, and of those with neighbours.
ALONE, BESIDE = range(len(KINDS)), range(len(KINDS), len(GROUNDS))


def header(kind: ReviewedMapping) -> str:
    """The header of programs for a kind."""
    areas = "".join(f"area {name}: {pages} pages\n" for name, pages in (("a", 1600), ("b", 16), ("d", 16)))
    return HEADER.format(pages=kind.pages) + ("thp always\n" if kind.kind.leaf else "") + areas


def setup(kind: ReviewedMapping, neighbour: Neighbour) -> list[str]:
    """The lines that create a mapping of a kind with its neighbours."""
    lines = [kind.mapped]
    if (other := neighbour.mapped(SUBJECT, _SHOWN, kind.kind)) is not None:
        lines.insert(0 if neighbour.before else 1, other)
    return [*lines, *kind.touched]


@cache
def ground(number: int) -> MadeSetup:
    """The ground with that number in :data:`GROUNDS`, built on first use because it takes some 10 ms."""
    kind, neighbour = GROUNDS[number]
    lines = setup(kind, neighbour)
    program = parsed(kind, lines)
    assert program is not None, lines
    parts = [
        tuple(filter(None, (_ops(kind, program, operation, *names) for operation in operations)))
        for operations, *names in _TRIED
    ]
    return MadeSetup(kind, neighbour, program, *parts)


def can_follow(kind: ReviewedMapping, operation: str) -> bool:
    """False if *operation* belongs to a driver without mappings of *kind*."""
    return not operation.startswith(_DRIVERS if kind.kind.alone else _VFIOS)


def ops_text(ops: Sequence[Op]) -> str:
    """Operations as program lines, one per line."""
    return "\n".join(map(op_text, ops))


def used_areas(program: Program) -> Program:
    """The program without areas that no operation names."""
    named = "; ".join(map(op_text, program.ops))
    used = tuple(area for area in program.areas if re.search(rf"\b{area.name}\b", named))
    return msgspec.structs.replace(program, areas=used)


def _ops(
    kind: ReviewedMapping, before: Program, operation: tuple[str, ...], b: str, c: str
) -> tuple[Op, ...] | None:
    """An operation after the program of a ground; None if it cannot be in one program with it."""
    if not can_follow(kind, operation[0]):
        return None
    reading = Reading("review")
    reading.go_on(before)
    try:
        for line in lines_of("\n".join(operation).format(b=b, c=c), "review"):
            reading.line(line)
        return reading.finish(len(operation)).ops
    except ProgramError:
        return None


def parsed(kind: ReviewedMapping, lines: Sequence[str]) -> Program | None:
    """The program of *lines* on the device and areas of a kind; None if it cannot be written."""
    try:
        return parse(header(kind) + "\n".join(lines) + "\n", "review")
    except ProgramError:
        return None
