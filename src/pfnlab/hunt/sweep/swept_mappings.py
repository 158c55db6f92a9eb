"""The mappings of a sweep, by kind: how pages are mapped and reached, and the program lines for it."""

from typing import NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from pfnlab.base.toml_text import package_tables
from pfnlab.programs.lang.span import Span

#: Rows of words by name: of kinds of operation, or of functions.
_Rows: TypeAlias = dict[str, tuple[str, ...]]

#: Pages for the first operation and for the others.
_Places: TypeAlias = tuple[tuple[int, int], tuple[int, int]]

#: Pages of a leaf of the middle level.
_PAGES_2M = 1 << 9

#: The maximum number of pages of ordinary memory that fit into a guest.
_MOST_ANON = 1024


class SweptMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of mapping.

    :param via: the way to map it, as in a program line
    :param kinds: the kinds of operation on it, rows and columns of its table
    :param leaf: the pages of one of its leaves, if it has large ones
    :param sharing: ``shared`` or ``private``
    :param reached: pages that are written before the first operation
    :param beside: the way to map its neighbour, if it differs; ``anon`` for ordinary memory
    """

    name: str
    via: str
    kinds: tuple[str, ...]
    device: str = "pci"
    leaf: int = 0
    sharing: str = "shared"
    reached: tuple[int, ...] = (3, 5, 6, 8)
    beside: str = ""

    @property
    def pages(self) -> int:
        """The number of pages of area ``a``; the device has twice as many."""
        return 2 * self.leaf or 16

    @property
    def aligned(self) -> _Places:
        """Places at borders of the mapping or of leaves."""
        if self.leaf > _PAGES_2M:
            return (_PAGES_2M, 2 * _PAGES_2M), (0, self.pages)
        return ((0, self.leaf) if self.leaf else (4, 8)), (0, self.pages)

    @property
    def odd(self) -> _Places:
        """Places inside, chosen so that the second range extends past the first one."""
        return (3, 7), (self.leaf - 12, self.leaf + 20) if self.leaf else (5, 11)


_Mappings: TypeAlias = dict[str, tuple[SweptMapping, ...]]


class _Sweep(msgspec.Struct, forbid_unknown_fields=True):
    """The tables of ``sweep.toml``; each is described there."""

    calls: _Rows
    rows: _Rows
    points: _Rows
    only: _Rows
    mappings: _Mappings
    triples: _Mappings
    marks: _Mappings
    holds: _Mappings
    neighbours: _Mappings

    def row(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The words of *names*."""
        return tuple(word for name in names for word in self.rows.get(name, (name,)))

    def whole(self, scopes: _Mappings) -> _Mappings:
        """The mappings of *scopes* with every kind of operation."""
        return {
            scope: tuple(replace(mapping, kinds=self.row(mapping.kinds)) for mapping in mappings)
            for scope, mappings in scopes.items()
        }


_SWEEP = package_tables(__package__, "sweep.toml", _Sweep)

#: The lines of each kind of operation: of the first one, and of a later one if that differs.
CALLS = _SWEEP.calls

#: The functions that an operation reaches, among those at which it can be held.
POINTS = {kind: _SWEEP.row(names) for kind, names in _SWEEP.points.items()}

#: The kinds of mapping that alone reach a function.
ONLY = _SWEEP.only

#: The scopes, each with its kinds of mapping: of two operations in a row, and of three.
MAPPINGS, TRIPLES = _SWEEP.whole(_SWEEP.mappings), _SWEEP.whole(_SWEEP.triples)

#: The scopes of marks, and those with one operation held and another one concurrent.
MARKS, HOLDS = _SWEEP.whole(_SWEEP.marks), _SWEEP.whole(_SWEEP.holds)

#: The scope of two mappings next to each other.
NEIGHBOURS = _SWEEP.whole(_SWEEP.neighbours)


class Spot(NamedTuple):
    """Pages to which an operation applies.

    :param start: the first page; *end*: the page after the last
    :param second: whether it is the second or third operation of the cell; some then have other words
    :param name: the area or the task that an operation creates
    :param device: the pages of the device; None for those shown there by a mapping of ``bar`` from its start
    """

    mapping: SweptMapping
    area: str
    start: int
    end: int
    second: bool
    name: str
    device: Span | None = None

    def lines(self, kind: str) -> list[str]:
        """The program lines for an operation of this kind at this place."""
        mapping, pages = self.mapping, self.end - self.start
        way = mapping.via.rpartition(" ")[0]
        # The same number of device pages outside area `a`, at the same offset in a leaf.
        other = f"bar[{mapping.pages + self.start}:{mapping.pages + self.end}]"
        device = f"{other} {mapping.via} {mapping.sharing}"
        text = CALLS[kind][-1 if self.second else 0].format(
            span=self.span,
            page=self.page,
            name=self.name,
            pages=pages,
            twice=2 * pages,
            half=max(pages // 2, 1),
            via=mapping.via,
            sharing=mapping.sharing,
            shown=self.device or f"bar[{self.start}:{self.end}]",
            other=other,
            device=device,
            later=f"anon[0:{pages}] private"
            if pages <= _MOST_ANON
            else f"{other} {mapping.via} {mapping.sharing}",
            # A cache mode other than write-combining.
            uncached=f"{way} uc-" if way else "uc",
        )
        return text.split("\n")

    @property
    def span(self) -> str:
        """The range, as in a program line."""
        return f"{self.area}[{self.start}:{self.end}]"

    @property
    def page(self) -> str:
        """Its middle page."""
        return f"{self.area}[{(self.start + self.end) // 2}]"
