"""The mappings of a sweep, by kind: how pages are mapped and reached, and the lines that then do it."""

from typing import NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from pfnlab.base.toml_text import package_tables

#: Rows of words by a name: of kinds of operation, or of functions.
_Rows: TypeAlias = dict[str, tuple[str, ...]]

#: Pages for the first operation and for the others.
_Places: TypeAlias = tuple[tuple[int, int], tuple[int, int]]

#: Pages of a leaf of the middle level.
_PAGES_2M = 1 << 9

#: The most pages of ordinary memory that a guest has room for.
_MOST_ANON = 1024


class SweptMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of mapping.

    :param via: the way to map it, as a line of a program has it
    :param kinds: the kinds of operation that are done to it, rows and columns of its table
    :param leaf: the pages of one of its leaves, where it has large ones
    :param sharing: ``shared`` or ``private``
    :param reached: pages that are written before the first operation
    """

    name: str
    via: str
    kinds: tuple[str, ...]
    device: str = "pci"
    leaf: int = 0
    sharing: str = "shared"
    reached: tuple[int, ...] = (3, 5, 6, 8)

    @property
    def pages(self) -> int:
        """How many pages area ``a`` shows; the device has twice as many."""
        return 2 * self.leaf or 16

    @property
    def aligned(self) -> _Places:
        """Places at borders of the mapping or of leaves."""
        if self.leaf > _PAGES_2M:
            return (_PAGES_2M, 2 * _PAGES_2M), (0, self.pages)
        return ((0, self.leaf) if self.leaf else (4, 8)), (0, self.pages)

    @property
    def odd(self) -> _Places:
        """Places somewhere inside, so that the second range leaves the first one."""
        return (3, 7), (self.leaf - 12, self.leaf + 20) if self.leaf else (5, 11)


_Mappings: TypeAlias = dict[str, tuple[SweptMapping, ...]]


class _Sweep(msgspec.Struct, forbid_unknown_fields=True):
    """``sweep.toml``, which says what each table means."""

    calls: _Rows
    rows: _Rows
    points: _Rows
    only: _Rows
    mappings: _Mappings
    triples: _Mappings
    marks: _Mappings
    holds: _Mappings

    def row(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The words that *names* stand for."""
        return tuple(word for name in names for word in self.rows.get(name, (name,)))

    def whole(self, scopes: _Mappings) -> _Mappings:
        """The mappings of *scopes* with every kind of operation."""
        return {
            scope: tuple(replace(mapping, kinds=self.row(mapping.kinds)) for mapping in mappings)
            for scope, mappings in scopes.items()
        }


_SWEEP = package_tables(__package__, "sweep.toml", _Sweep)

#: The lines of each kind of operation: of the first one, and of a later one where that has others.
CALLS = _SWEEP.calls

#: The functions to which an operation gets, of those where it can be held.
POINTS = {kind: _SWEEP.row(names) for kind, names in _SWEEP.points.items()}

#: The kinds of mapping that alone get to a function.
ONLY = _SWEEP.only

#: The scopes, each with its kinds of mapping: of two operations in a row, and of three.
MAPPINGS, TRIPLES = _SWEEP.whole(_SWEEP.mappings), _SWEEP.whole(_SWEEP.triples)

#: The scopes of marks, and those of an operation that is held and another one beside it.
MARKS, HOLDS = _SWEEP.whole(_SWEEP.marks), _SWEEP.whole(_SWEEP.holds)


class Spot(NamedTuple):
    """Pages to which an operation is applied.

    :param start: the first page; *end*: that behind the last
    :param second: whether it is the second operation of the cell, or the third; some then have other words
    :param name: the area that an operation makes, the task that it makes
    """

    mapping: SweptMapping
    area: str
    start: int
    end: int
    second: bool
    name: str

    def lines(self, kind: str) -> list[str]:
        """The lines of a program that do an operation of this kind here."""
        mapping, pages = self.mapping, self.end - self.start
        way = mapping.via.rpartition(" ")[0]
        # As many pages of the device that area `a` does not show, at the same place of a leaf.
        other = f"bar[{mapping.pages + self.start}:{mapping.pages + self.end}]"
        device = f"{other} {mapping.via} {mapping.sharing}"
        text = CALLS[kind][-1 if self.second else 0].format(
            span=self.span,
            page=self.page,
            name=self.name,
            pages=pages,
            twice=2 * pages,
            half=pages // 2,
            via=mapping.via,
            sharing=mapping.sharing,
            shown=f"bar[{self.start}:{self.end}]",
            other=other,
            device=device,
            later=f"anon[0:{pages}] private"
            if pages <= _MOST_ANON
            else f"{other} {mapping.via} {mapping.sharing}",
            # Another cache mode than write-combining.
            uncached=f"{way} uc-" if way else "uc",
        )
        return text.split("\n")

    @property
    def span(self) -> str:
        """The range, as a line has it."""
        return f"{self.area}[{self.start}:{self.end}]"

    @property
    def page(self) -> str:
        """The middle page of it."""
        return f"{self.area}[{(self.start + self.end) // 2}]"
