"""The cells of a sweep: enumerated programs.

Each pair of operation kinds has two cells per kind of mapping: one at aligned places and one at odd ones. One
of the two has a fork between the operations, alternating between pairs and between kinds of mapping. After
the last operation, the task and the child each read a page at its place.

In a hold cell, the first operation is held at a kernel function while a thread or a child executes the second
one; then the first is released.

Failure cells are in :mod:`.failing_cells`, neighbour cells in :mod:`.neighbouring_cells`.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple, TypeAlias

from pfnlab.base.errors import Misuse
from pfnlab.base.spelling import did_you_mean
from pfnlab.hunt.sweep.failing_cells import FAILURES, FailingCell, failing_cells
from pfnlab.hunt.sweep.neighbouring_cells import NeighbouringCell, neighbouring_cells
from pfnlab.hunt.sweep.swept_mappings import (
    HOLDS,
    MAPPINGS,
    MARKS,
    NEIGHBOURS,
    ONLY,
    POINTS,
    TRIPLES,
    Spot,
    SweptMapping,
)
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program

#: The scope of all cells except marks, neighbours, failures, and holds, which take far longer.
ALL = "all"

#: The areas and tasks that a cell's operations create.
_NAMES = ("b", "d", "e")

#: The value written to the first reached page; each later page gets the next value.
_FIRST_VALUE = 1

#: The operation that moves the pages to another area; at aligned places, the next operation follows them
#: there.
_FOLLOWED = "move"


class SweptCell(NamedTuple):
    """A cell: operations on a kind of mapping.

    :param kinds: the kinds of operation, two or three
    :param odd: whether the operations are at odd places
    :param fork: whether a fork follows the first one
    """

    scope: str
    mapping: SweptMapping
    kinds: tuple[str, ...]
    odd: bool
    fork: bool

    def __str__(self) -> str:
        first, *others = self.kinds
        row = ", ".join((first, *(("fork",) if self.fork else ()), *others))
        return f"{self.scope}, {self.mapping.name}: {row} at {'odd' if self.odd else 'aligned'} places"

    @property
    def table(self) -> str:
        """The table that contains it."""
        return self.mapping.name

    @property
    def text(self) -> str:
        """The text of its program."""
        lines = _beginning(self)
        spots = list(self._spots())
        for number, (kind, spot) in enumerate(zip(self.kinds, spots, strict=True)):
            lines += spot.lines(kind)
            if self.fork and number == 0:
                lines.append("c = fork")
        lines.append(f"read {spots[-1].page}")
        if self.fork:
            lines.append(f"c: read {spots[-1].page}")
        return "".join(f"{line}\n" for line in lines)

    @property
    def program(self) -> Program:
        """Its program."""
        return load_text(self.text, str(self))

    def _spots(self) -> Iterator[Spot]:
        """The place of each operation."""
        mapping = self.mapping
        first, others = mapping.odd if self.odd else mapping.aligned
        area = "a"
        for number, kind in enumerate(self.kinds):
            start, end = others if number else first
            if area != "a":
                # Everything moved there.
                start, end = 0, first[1] - first[0]
            yield Spot(mapping, area, start, end, number > 0, _NAMES[number])
            if kind == _FOLLOWED and not self.odd and area == "a" and number == 0:
                area = _NAMES[number]


class HeldCell(NamedTuple):
    """A hold cell: two operations on a kind of mapping, the second executed while the first is held.

    :param point: the function where the first is held
    :param beside: the kind of the concurrent operation
    :param odd: whether the concurrent operation is run by a child with its own address space rather than by a
        thread
    """

    scope: str
    mapping: SweptMapping
    held: str
    point: str
    beside: str
    odd: bool

    @property
    def kinds(self) -> tuple[str, str]:
        """Its row and its column."""
        return f"{self.held} in {self.point}", self.beside

    def __str__(self) -> str:
        beside = f"{self.beside} by a {'child' if self.odd else 'thread'}"
        return f"{self.scope}, {self.mapping.name}: {self.kinds[0]}, {beside} meanwhile"

    @property
    def table(self) -> str:
        """The table that contains it."""
        return self.mapping.name

    @property
    def text(self) -> str:
        """The text of its program."""
        mapping = self.mapping
        places = enumerate(mapping.aligned)
        spots = [Spot(mapping, "a", *place, number > 0, _NAMES[number]) for number, place in places]
        lines = [
            *_beginning(self),
            f"t = {'fork' if self.odd else 'thread'}",
            # Its processor has cached the translations.
            *(f"t: read a[{page}]" for page in mapping.reached),
            f"hold {self.point}: {spots[0].lines(self.held)[0]}",
            f"t: {spots[1].lines(self.beside)[0]}",
            "release",
            *(f"{task}read {spot.page}" for task, spot in product(("", "t: "), spots)),
        ]
        return "".join(f"{line}\n" for line in lines)

    @property
    def program(self) -> Program:
        """Its program."""
        return load_text(self.text, str(self))


Cell: TypeAlias = SweptCell | HeldCell | FailingCell | NeighbouringCell


def _beginning(cell: SweptCell | HeldCell) -> list[str]:
    """The lines in a cell's program that create its mapping and reach its pages."""
    mapping = cell.mapping
    return [
        *("pfnlab program 1", f"title   {cell}"),
        *(f"device  bar: {mapping.device}, {2 * mapping.pages} pages", ""),
        f"a = mmap bar[0:{mapping.pages}] {mapping.via} {mapping.sharing} rw",
        *(f"write a[{page}] {value}" for value, page in enumerate(mapping.reached, _FIRST_VALUE)),
    ]


def scopes() -> tuple[str, ...]:
    """The names of all scopes."""
    return (*MAPPINGS, *TRIPLES, *MARKS, *HOLDS, *NEIGHBOURS, FAILURES, ALL)


def mappings_of(scope: str) -> dict[str, tuple[SweptMapping, ...]]:
    """A scope's kinds of mapping, by the scope that contains them; failures have none.

    :raises Misuse: if there is no such scope
    """
    if scope == ALL:
        return MAPPINGS | TRIPLES
    every = MAPPINGS | TRIPLES | MARKS | HOLDS | NEIGHBOURS | {FAILURES: ()}
    if scope not in every:
        raise Misuse(f"there is no scope `{scope}`{did_you_mean(scope, scopes())}")
    return {scope: every[scope]}


@cache
def cells_of(scope: str) -> Sequence[Cell]:
    """The cells of a scope, always in the same order.

    :raises Misuse: if there is no such scope
    """
    if scope == FAILURES:
        return failing_cells()
    if scope in NEIGHBOURS:
        return neighbouring_cells()
    return tuple(
        cell
        for name, mappings in mappings_of(scope).items()
        for place, mapping in enumerate(mappings)
        for cell in (_held_cells(name, mapping) if name in HOLDS else _swept_cells(name, place, mapping))
    )


def _swept_cells(scope: str, place: int, mapping: SweptMapping) -> Iterator[SweptCell]:
    operations = 3 if scope in TRIPLES else 2
    for numbers in product(range(len(mapping.kinds)), repeat=operations):
        kinds = tuple(mapping.kinds[number] for number in numbers)
        turn = (place + sum(numbers)) % 2 == 1
        for odd in (False, True):
            yield SweptCell(scope, mapping, kinds, odd, odd is not turn)


def _held_cells(scope: str, mapping: SweptMapping) -> Iterator[HeldCell]:
    for held, points in POINTS.items():
        if held not in mapping.kinds:
            continue
        for point, beside, odd in product(points, mapping.kinds, (False, True)):
            if mapping.name in ONLY.get(point, (mapping.name,)):
                yield HeldCell(scope, mapping, held, point, beside, odd)


@cache
def cells_digest(scope: str) -> str:
    """A digest of the programs of all cells of a scope, in order."""
    texts = "\n".join(cell.text for cell in cells_of(scope))
    return hashlib.sha256(texts.encode()).hexdigest()[:16]
