"""The cells of a sweep, its kinds of mapping, and the places of operations on them."""

from typing import NamedTuple, TypeAlias

from pfnlab.programs.cases.mapping_kinds import MAPPING_KINDS, MappingKind
from pfnlab.programs.cases.operation_kinds import CALLS, operations_of
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.span import Span

#: The pages for the first operation, and for the others.
_Places: TypeAlias = tuple[tuple[int, int], tuple[int, int]]

#: The number of pages in a middle-level leaf.
_PAGES_2M = 1 << 9

#: The maximum number of ordinary pages that fit into a guest.
_MOST_ANON = 1024


class SweptCell(NamedTuple):
    """A cell: a program with its place in the tables of a sweep.

    :param table: the table that contains it: a kind of mapping, or a group of failures
    :param kinds: its row, which may have several words, and its column
    :param title: what it does
    :param lines: the lines of its program after the title, separated by newlines
    """

    scope: str
    table: str
    kinds: tuple[str, ...]
    title: str
    lines: str

    def __str__(self) -> str:
        return f"{self.scope}, {self.table}: {self.title}"

    @property
    def text(self) -> str:
        """The text of its program."""
        return f"pfnlab program 1\ntitle   {self}\n{self.lines}\n"

    @property
    def program(self) -> Program:
        """Its program."""
        return load_text(self.text, str(self))


class SweptMapping(NamedTuple):
    """A kind of mapping in one scope.

    :param name: the name of its table
    :param kinds: the kinds of operation on it, which are the rows and columns of its table
    :param beside: its neighbour's kind of mapping, if different
    """

    name: str
    kind: MappingKind
    kinds: tuple[str, ...]
    beside: MappingKind | None = None

    @property
    def pages(self) -> int:
        """The number of pages of area ``a``; the device has twice as many."""
        return 2 * self.kind.leaf or 16

    @property
    def aligned(self) -> _Places:
        """Places at the borders of the mapping or of leaves."""
        leaf = self.kind.leaf
        if leaf > _PAGES_2M:
            return (_PAGES_2M, 2 * _PAGES_2M), (0, self.pages)
        return ((0, leaf) if leaf else (4, 8)), (0, self.pages)

    @property
    def odd(self) -> _Places:
        """Places inside, chosen so that the second range extends past the first one."""
        leaf = self.kind.leaf
        return (3, 7), (leaf - 12, leaf + 20) if leaf else (5, 11)

    def begins(self, *small: int) -> tuple[tuple[int, ...], list[str]]:
        """The pages written before the first operation, and the lines that map and write them.

        :param small: these pages, if it has no leaves
        """
        reached = (5, self.kind.leaf + 5) if self.kind.leaf else small
        return reached, [
            *(f"device  bar: {self.kind.device}, {2 * self.pages} pages", ""),
            f"a = {self.kind.mapped(Span('bar', 0, self.pages))}",
            *(f"write a[{page}] {value}" for value, page in enumerate(reached, 1)),
        ]


def mappings_in(scope: str) -> tuple[SweptMapping, ...]:
    """The kinds of mapping in a scope, with the operations on them."""
    return tuple(
        SweptMapping(kind.name, kind, operations_of(kind.sweeps[scope]))
        for kind in MAPPING_KINDS.values()
        if scope in kind.sweeps
    )


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
        via = mapping.kind.via
        way = via.rpartition(" ")[0]
        # The same number of device pages outside area `a`, at the same offset within a leaf.
        other = f"bar[{mapping.pages + self.start}:{mapping.pages + self.end}]"
        device = f"{other} {mapping.kind.way}"
        text = CALLS[kind][-1 if self.second else 0].format(
            span=self.span,
            page=self.page,
            name=self.name,
            pages=pages,
            twice=2 * pages,
            half=max(pages // 2, 1),
            via=via,
            sharing=mapping.kind.sharing,
            shown=self.device or f"bar[{self.start}:{self.end}]",
            other=other,
            device=device,
            later=f"anon[0:{pages}] private" if pages <= _MOST_ANON else device,
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
