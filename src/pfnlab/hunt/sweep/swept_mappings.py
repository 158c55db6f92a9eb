"""The kinds of mapping in a sweep, each with the program lines that map and reach its pages."""

from typing import NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from pfnlab.base.toml_text import package_tables
from pfnlab.programs.lang.span import Span

#: Rows of words by name; the words are kinds of operation or functions.
_Rows: TypeAlias = dict[str, tuple[str, ...]]

#: The pages for the first operation, and for the others.
_Places: TypeAlias = tuple[tuple[int, int], tuple[int, int]]

#: The number of pages in a middle-level leaf.
_PAGES_2M = 1 << 9

#: The maximum number of ordinary pages that fit into a guest.
_MOST_ANON = 1024


class SweptMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of mapping.

    :param via: how to map it, as in a program line
    :param kinds: the kinds of operation on it, which are the rows and columns of its table
    :param leaf: the number of pages in each of its leaves, if these are large
    :param sharing: ``shared`` or ``private``
    :param reached: the pages written before the first operation
    :param beside: how to map its neighbour, if different; ``anon`` for ordinary memory
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
        """Places at the borders of the mapping or of leaves."""
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

#: The lines for each kind of operation, as the first one and, if different, as a later one.
CALLS = _SWEEP.calls

#: The functions an operation reaches, among those where it can be held.
POINTS = {kind: _SWEEP.row(names) for kind, names in _SWEEP.points.items()}

#: For some functions, the only kinds of mapping that reach them.
ONLY = _SWEEP.only

#: The scopes of two and of three operations in sequence, each with its kinds of mapping.
MAPPINGS, TRIPLES = _SWEEP.whole(_SWEEP.mappings), _SWEEP.whole(_SWEEP.triples)

#: The mark scopes, and those with one operation held while another runs.
MARKS, HOLDS = _SWEEP.whole(_SWEEP.marks), _SWEEP.whole(_SWEEP.holds)

#: The scope with two mappings next to each other.
NEIGHBOURS = _SWEEP.whole(_SWEEP.neighbours)


class Spot(NamedTuple):
    """Pages to which an operation applies.

    :param start: the first page; *end*: the page after the last
    :param second: whether it is the second or third operation in the cell; some are then written differently
    :param name: the area or the task that an operation creates
    :param device: the device pages; None for those that a mapping of ``bar`` from its start shows there
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
        # The same number of device pages outside area `a`, at the same offset within a leaf.
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
