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

from pfnlab.base.errors import Misuse
from pfnlab.base.spelling import did_you_mean
from pfnlab.hunt.sweep.failing_cells import FAILURES, failing_cells
from pfnlab.hunt.sweep.neighbouring_cells import NEIGHBOURS, neighbouring_cells, neighbouring_mappings
from pfnlab.hunt.sweep.swept_mappings import Spot, SweptCell, SweptMapping, mappings_in
from pfnlab.programs.cases.mapping_kinds import MAPPING_KINDS
from pfnlab.programs.cases.operation_kinds import POINTS

#: The scope of all cells except marks, neighbours, failures, and holds, which take far longer.
ALL = "all"

#: The scopes with two operations in sequence, and with three; then those that ``all`` does not include.
_TWICE, TRIPLES = ("pci", "mem", "private", "driver", "vfio", "leaves"), "triples"
MARKS, HOLDS = "marks", "holds"

#: The pages written before the first operation. In hold cells, a page that an operation writes is not.
_REACHED, _REACHED_BY_HELD = (3, 5, 6, 8), (3, 5, 8)

#: The areas and tasks that a cell's operations create.
_NAMES = ("b", "d", "e")

#: The operation that moves the pages to another area; at aligned places, the next operation follows them
#: there.
_FOLLOWED = "move"


def scopes() -> tuple[str, ...]:
    """The names of all scopes."""
    return (*_TWICE, TRIPLES, MARKS, HOLDS, NEIGHBOURS, FAILURES, ALL)


def mappings_of(scope: str) -> dict[str, tuple[SweptMapping, ...]]:
    """A scope's kinds of mapping, by the scope that contains them; failures have none.

    :raises Misuse: if there is no such scope
    """
    if scope not in scopes():
        raise Misuse(f"there is no scope `{scope}`{did_you_mean(scope, scopes())}")
    if scope == ALL:
        return {name: mappings_in(name) for name in (*_TWICE, TRIPLES)}
    return {scope: neighbouring_mappings() if scope == NEIGHBOURS else mappings_in(scope)}


@cache
def cells_of(scope: str) -> Sequence[SweptCell]:
    """The cells of a scope, always in the same order.

    :raises Misuse: if there is no such scope
    """
    if scope == FAILURES:
        return tuple(failing_cells())
    if scope == NEIGHBOURS:
        return tuple(neighbouring_cells())
    return tuple(
        cell
        for name, mappings in mappings_of(scope).items()
        for place, mapping in enumerate(mappings)
        for cell in (_held_cells(mapping) if name == HOLDS else _swept_cells(name, place, mapping))
    )


def _swept_cells(scope: str, place: int, mapping: SweptMapping) -> Iterator[SweptCell]:
    _, begins = mapping.begins(*_REACHED)
    for numbers in product(range(len(mapping.kinds)), repeat=3 if scope == TRIPLES else 2):
        kinds = tuple(mapping.kinds[number] for number in numbers)
        turn = (place + sum(numbers)) % 2 == 1
        for odd in (False, True):
            fork = odd is not turn
            spots = list(_spots(mapping, kinds, odd))
            lines = [*begins, *spots[0].lines(kinds[0]), *(("c = fork",) if fork else ())]
            for kind, spot in zip(kinds[1:], spots[1:], strict=True):
                lines += spot.lines(kind)
            lines += [f"{task}read {spots[-1].page}" for task in (("", "c: ") if fork else ("",))]
            row = ", ".join((kinds[0], *(("fork",) if fork else ()), *kinds[1:]))
            title = f"{row} at {'odd' if odd else 'aligned'} places"
            yield SweptCell(scope, mapping.name, kinds, title, "\n".join(lines))


def _spots(mapping: SweptMapping, kinds: Sequence[str], odd: bool) -> Iterator[Spot]:
    """The place of each operation."""
    first, others = mapping.odd if odd else mapping.aligned
    area = "a"
    for number, kind in enumerate(kinds):
        start, end = others if number else first
        if area != "a":
            # Everything moved there.
            start, end = 0, first[1] - first[0]
        yield Spot(mapping, area, start, end, number > 0, _NAMES[number])
        if kind == _FOLLOWED and not odd and area == "a" and number == 0:
            area = _NAMES[number]


def _held_cells(mapping: SweptMapping) -> Iterator[SweptCell]:
    """Two operations, the second executed by a thread, or by a child with its own address space, while the
    first is held.
    """
    reached, begins = mapping.begins(*_REACHED_BY_HELD)
    spots = [
        Spot(mapping, "a", *place, number > 0, _NAMES[number]) for number, place in enumerate(mapping.aligned)
    ]
    # Functions that only some kinds of mapping reach, and this one does not.
    others = {point for kind in MAPPING_KINDS.values() for point in kind.reaches} - {*mapping.kind.reaches}
    for held, points in POINTS.items():
        if held not in mapping.kinds:
            continue
        for point, beside, child in product(points, mapping.kinds, (False, True)):
            if point in others:
                continue
            lines = (
                f"t = {'fork' if child else 'thread'}",
                # Its processor has cached the translations.
                *(f"t: read a[{page}]" for page in reached),
                f"hold {point}: {spots[0].lines(held)[0]}",
                f"t: {spots[1].lines(beside)[0]}",
                "release",
                *(f"{task}read {spot.page}" for task, spot in product(("", "t: "), spots)),
            )
            kinds = (f"{held} in {point}", beside)
            title = f"{kinds[0]}, {beside} by a {'child' if child else 'thread'} meanwhile"
            yield SweptCell(HOLDS, mapping.name, kinds, title, "\n".join((*begins, *lines)))


@cache
def cells_digest(scope: str) -> str:
    """A digest of the programs of all cells of a scope, in order."""
    texts = "\n".join(cell.text for cell in cells_of(scope))
    return hashlib.sha256(texts.encode()).hexdigest()[:16]
