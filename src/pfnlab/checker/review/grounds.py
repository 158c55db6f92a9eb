"""The grounds of a review: what is mapped before an operation is tried, and the operations that can follow.

A ground is a kind of mapping with its neighbours, in the area and on the device. Its subject is
``a[510:514]``, across two page tables; its neighbours are in ``a[506:522]``, or more than a page table away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from pfnlab.base.errors import ProgramError
from pfnlab.programs.lang.ops import Op, Program
from pfnlab.programs.lang.text import parse

#: The header of every program of a review.
HEADER = "pfnlab program 1\ndevice bar: pci, 32 pages\n"

#: The subject, in the words of the language, and the smallest range that has its near neighbours too.
SUBJECT, NEAR = "a[510:514]", "a[506:522]"

#: The page of the first neighbour that is more than a page table away.
FAR = 1534


class MappingKind(NamedTuple):
    """A way to map a part of the device.

    :param name: for people
    :param line: maps ``{device}`` over ``{area}``
    :param touched: operations behind it, for what has no entries before, or copies
    :param thp: the header line that it needs
    :param alone: whether the guest driver's own operations cannot be in its programs
    """

    name: str
    line: str
    touched: tuple[str, ...] = ()
    thp: str = ""
    alone: bool = False

    @property
    def revoked(self) -> bool:
        """True where it is of the guest driver's file, whose mappings the driver revokes."""
        return " driver " in self.line

    @property
    def framed(self) -> bool:
        """True where it shows frames in a cache mode, and not counted pages alone."""
        return self.line.startswith("mmap {device}") and "insert_page" not in self.line


#: The kinds, the most common first.
KINDS = (
    MappingKind("a PCI file", "mmap {device} wc shared rw over {area}"),
    MappingKind("a driver's remap", "mmap {device} driver remap wc shared rw over {area}"),
    MappingKind("a private mapping", "mmap {device} wc private rw over {area}"),
    MappingKind(
        "a private mapping with a copied page", "mmap {device} wc private rw over {area}", ("write a[510] 1",)
    ),
    MappingKind("/dev/mem", "mmap {device} devmem shared rw over {area}"),
    MappingKind("a remapped part", "mmap {device} driver part[0:2] wc shared rw over {area}"),
    MappingKind("faults", "mmap {device} driver fault wc shared rw over {area}", ("read a[510]",)),
    MappingKind("a mixed map", "mmap {device} driver mixed wc shared rw over {area}", ("write a[510] 1",)),
    MappingKind(
        "counted pages and frames",
        "mmap {device} driver mixed_pages wc shared rw over {area}",
        ("write a[510] 1",),
    ),
    MappingKind("a remap on fault", "mmap {device} driver fault_remap wc shared rw over {area}"),
    MappingKind("pages of the driver", "mmap {device} driver insert_page shared rw over {area}"),
    MappingKind("a private remap", "mmap {device} driver remap wc private rw over {area}"),
    MappingKind("vfio", "mmap {device} vfio shared rw over {area}", ("read a[510]",), alone=True),
    MappingKind("ordinary memory", "mmap anon[0:4] private rw over {area}", ("write a[510] 1",)),
)


class Neighbour(NamedTuple):
    """A mapping that stands beside the subject.

    :param name: for people
    :param area: its pages; *device*: its pages on the device, where it is of the subject's kind
    :param line: maps it, where it is of another kind
    :param before: whether it is mapped before the subject
    """

    name: str
    area: str = ""
    device: str = ""
    line: str = ""
    before: bool = False


#: The neighbourhoods, the plainest first.
NEIGHBOURS = (
    Neighbour("alone"),
    Neighbour("behind it, touching", "a[514:518]", "bar[12:16]"),
    Neighbour("behind it, overlapping by a page", "a[515:519]", "bar[11:15]"),
    Neighbour("behind it, with a hole of one page", "a[515:519]", "bar[13:17]"),
    Neighbour("behind it, with a hole of two pages on the device", "a[514:518]", "bar[14:18]"),
    Neighbour("in front of it", "a[506:510]", "bar[4:8]", before=True),
    Neighbour(
        "ordinary memory in front",
        "a[506:510]",
        line="mmap anon[0:4] private rw over a[506:510]",
        before=True,
    ),
    Neighbour("ordinary memory behind", "a[514:518]", line="mmap anon[0:4] private rw over a[514:518]"),
    Neighbour("a page table away", f"a[{FAR}:{FAR + 4}]", "bar[16:20]"),
)

#: The operations, each a list of lines. ``{b}`` is an area and ``{c}`` a task of its own.
OPERATIONS: tuple[tuple[str, ...], ...] = (
    ("munmap a[510:514]",),
    ("munmap a[510:511]",),
    ("munmap a[511:512]",),
    ("munmap a[513:514]",),
    (f"munmap {NEAR}",),
    ("munmap a[506:1542]",),
    ("mprotect a[510:514] none",),
    ("mprotect a[511:512] r",),
    ("madvise a[510:514] dontneed",),
    ("madvise a[511:512] dontneed",),
    ("madvise a[510:514] dontfork",),
    ("mremap a[510:514] 2 pages",),
    ("mremap a[510:514] 6 pages maymove",),
    ("{b} = mremap a[510:514] 4 pages maymove fixed",),
    ("{b} = mremap a[510:512] 2 pages maymove fixed",),
    ("{b} = mremap a[510:514] 4 pages maymove fixed dontunmap",),
    ("mmap anon[0:1] private rw over a[511:512]",),
    ("mmap bar[16:18] wc shared rw over a[510:512]",),
    ("{b} = mmap bar[8:12] wc shared rw",),
    ("{b} = mmap bar[8:10] uc shared rw",),
    ("read a[510]",),
    ("write a[510] 1",),
    ("write a[513] 1",),
    ("{c} = fork",),
    ("{c} = fork", "{c}: munmap a[510:514]"),
    ("{c} = fork", "munmap a[510:514]"),
    ("{c} = fork", "{c}: write a[510] 1"),
    ("{c} = fork", "{c}: exit"),
    ("{c} = fork pids_max",),
    ("mlock a[510:514]",),
    ("fail __pte_alloc 1: {c} = fork",),
    ("fail vm_area_dup 1: {c} = fork",),
    ("fail vm_area_dup 1: munmap a[511:512]",),
    ("fail __pte_alloc 1: {b} = mmap bar[16:20] wc shared rw",),
    ("zap_vma_ptes a[510:514]",),
    ("zap_vma_ptes a[510:511]",),
    ("unmap_mapping_range bar[8:12]",),
    ("unmap_mapping_range bar[8:9]",),
    ("remap_pfn_range a[510:514] wc",),
    ("remap_pfn_range a[510:511] wc",),
    ("request_mem_region bar[8:12]",),
    ("bind bar",),
    ("memory_disable bar",),
    ("vfio_reset bar",),
)

#: The names of the areas and tasks of the first and the second operation.
_NAMES = (("b", "c"), ("d", "e"))

_DRIVERS = ("zap_vma_ptes", "unmap_mapping_range", "remap_pfn_range", "request_mem_region", "bind")
_VFIOS = ("memory_disable", "vfio_reset")


class MadeSetup(NamedTuple):
    """A kind of mapping with its neighbours.

    :param program: the setup as a program
    :param firsts: the operations, with the names of a first one; *seconds*: with those of a second
    """

    kind: MappingKind
    neighbour: Neighbour
    program: Program
    firsts: tuple[tuple[Op, ...], ...]
    seconds: tuple[tuple[Op, ...], ...]

    def program_of(self, ops: Sequence[Op], title: str, asks: str) -> Program:
        """The setup and *ops* behind it."""
        ops = (*self.program.ops, *ops)
        return msgspec.structs.replace(self.program, title=title, asks=asks, ops=ops)

    @property
    def name(self) -> str:
        """The ground in words."""
        return f"{self.kind.name}, {self.neighbour.name}"


def grounds() -> Iterator[tuple[MappingKind, Neighbour]]:
    """Every kind alone, then every kind with every neighbour."""
    yield from ((kind, neighbour) for neighbour in NEIGHBOURS for kind in KINDS)


def header(kind: MappingKind) -> str:
    """The header of the programs of a kind."""
    areas = "".join(f"area {name}: {pages} pages\n" for name, pages in (("a", 1600), ("b", 16), ("d", 16)))
    return HEADER + kind.thp + areas


def setup(kind: MappingKind, neighbour: Neighbour) -> list[str]:
    """The lines that make a kind of mapping and its neighbours."""
    own = kind.line.format(device="bar[8:12]", area=SUBJECT)
    lines = [own]
    if neighbour.area:
        beside = neighbour.line or kind.line.format(device=neighbour.device, area=neighbour.area)
        lines = [beside, own] if neighbour.before else [own, beside]
    return [*lines, *kind.touched]


@lru_cache(maxsize=256)
def ground(kind: MappingKind, neighbour: Neighbour) -> MadeSetup:
    """The ground of a kind of mapping and its neighbours."""
    lines = setup(kind, neighbour)
    program = _parsed(kind, lines)
    assert program is not None, lines
    parts = []
    for b, c in _NAMES:
        parts.append(tuple(filter(None, (_ops(kind, lines, op, b, c) for op in OPERATIONS))))
    return MadeSetup(kind, neighbour, program, *parts)


def _ops(
    kind: MappingKind, lines: list[str], operation: tuple[str, ...], b: str, c: str
) -> tuple[Op, ...] | None:
    """An operation of a ground; None where it cannot be in one program with its kind."""
    others = _DRIVERS if kind.alone else _VFIOS
    if operation[0].startswith(others):
        return None
    written = [line.format(b=b, c=c) for line in operation]
    program = _parsed(kind, [*lines, *written])
    return None if program is None else program.ops[len(lines) :]


def _parsed(kind: MappingKind, lines: list[str]) -> Program | None:
    try:
        return parse(header(kind) + "\n".join(lines) + "\n", "review")
    except ProgramError:
        return None
