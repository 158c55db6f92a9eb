"""The cells of a sweep: each is a program, enumerated and never drawn.

A pair of kinds of operation has two cells on a kind of mapping: one at aligned places and one at odd ones. In
one of the two a fork lies between the operations, in turn from pair to pair and from one kind of mapping to
the next. Behind the last operation the task reads a page of its place, and so does the child.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

from pfnlab.errors import Misuse
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.words import did_you_mean
from pfnlab.sweep.swept_calls import CALLS, FOLLOWED, Spot
from pfnlab.sweep.swept_mappings import MAPPINGS, TRIPLES, SweptMapping

#: The scope of all others.
ALL = "all"

#: The areas, and tasks, that the operations of a cell make.
_NAMES = ("b", "d", "e")

#: The value that is written to the first page that is reached; the next page has the next one.
_FIRST_VALUE = 1


class SweptCell(NamedTuple):
    """A cell: operations on a kind of mapping.

    :param scope: the scope that has it
    :param mapping: the kind of mapping
    :param kinds: the kinds of operation, two or three
    :param odd: whether they are at odd places
    :param fork: whether a fork lies behind the first one
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
    def text(self) -> str:
        """The text of its program."""
        mapping = self.mapping
        source = f"bar[0:{mapping.pages}]"
        lines = [
            *("pfnlab program 1", f"title   {self}"),
            *(f"device  bar: {mapping.device}, {2 * mapping.pages} pages", ""),
            f"a = mmap {source} {mapping.via} {mapping.sharing} rw",
            *(f"write a[{page}] {value}" for value, page in enumerate(mapping.reached, _FIRST_VALUE)),
        ]
        spots = list(self._spots())
        for number, (kind, spot) in enumerate(zip(self.kinds, spots, strict=True)):
            lines += CALLS[kind](spot)
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
                # All that was led there.
                start, end = 0, first[1] - first[0]
            second = number > 0
            yield Spot(area, start, end, mapping.via, mapping.sharing, mapping.pages, second, _NAMES[number])
            if kind in FOLLOWED and not self.odd and area == "a" and number == 0:
                area = _NAMES[number]


def scopes() -> tuple[str, ...]:
    """The names of all scopes."""
    return (*MAPPINGS, *TRIPLES, ALL)


def mappings_of(scope: str) -> dict[str, tuple[SweptMapping, ...]]:
    """The kinds of mapping of a scope, by the scope that has them.

    :raises Misuse: there is no such scope
    """
    every = MAPPINGS | TRIPLES
    if scope == ALL:
        return every
    if scope not in every:
        raise Misuse(f"there is no scope `{scope}`{did_you_mean(scope, scopes())}")
    return {scope: every[scope]}


@cache
def cells_of(scope: str) -> Sequence[SweptCell]:
    """The cells of a scope, always in the same order.

    :raises Misuse: there is no such scope
    """
    found = []
    for name, mappings in mappings_of(scope).items():
        operations = 3 if name in TRIPLES else 2
        for place, mapping in enumerate(mappings):
            for numbers in product(range(len(mapping.kinds)), repeat=operations):
                kinds = tuple(mapping.kinds[number] for number in numbers)
                turn = (place + sum(numbers)) % 2 == 1
                found += [SweptCell(name, mapping, kinds, odd, odd is not turn) for odd in (False, True)]
    return tuple(found)


@cache
def cells_digest(scope: str) -> str:
    """A name for the programs of all cells of a scope, in their order."""
    texts = "\n".join(cell.text for cell in cells_of(scope))
    return hashlib.sha256(texts.encode()).hexdigest()[:16]
