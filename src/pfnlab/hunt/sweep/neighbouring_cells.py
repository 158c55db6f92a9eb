"""The cells of a neighbour sweep: two mappings next to each other, and one operation spanning both.

Two mappings are tried with each pair of gaps in the area and on the device: they touch, overlap by a page, or
leave a hole of one or two pages. For each, every operation has two cells: one on the pages around the border,
one on all pages of both mappings. In one of the two cells, a fork follows the operation; in one, the second
mapping lies in front of the first. Both alternate. At the end, the task reads the pages at all borders and
unmaps everything.
"""

from collections.abc import Iterator
from itertools import product

from pfnlab.hunt.sweep.swept_mappings import Spot, SweptCell, SweptMapping, mappings_in
from pfnlab.programs.cases.mapping_kinds import MAPPING_KINDS
from pfnlab.programs.cases.neighbours import GAPS, PAIRS, across, beside
from pfnlab.programs.cases.operation_kinds import operations_of
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import ANON

#: The scope.
NEIGHBOURS = "neighbours"

#: The first mapping in its area, and the device pages that it shows.
_FIRST, _SHOWN = Span("a", 8, 12), Span("bar", 8, 12)

#: The size of the device, large enough to have the other pages of :class:`.Spot` for each place in the area.
_DEVICE_PAGES = 40


def neighbouring_mappings() -> tuple[SweptMapping, ...]:
    """The pairs of kinds of mapping, with the operations on both."""
    own = {mapping.name: mapping for mapping in mappings_in(NEIGHBOURS)}
    pairs = []
    for pair in PAIRS:
        if not pair.operations:
            pairs.append(own.pop(pair.kinds[0]))
            continue
        first, second = (MAPPING_KINDS[name] for name in pair.kinds)
        name = pair.name or ", ".join(pair.kinds)
        pairs.append(SweptMapping(name, first, operations_of(pair.operations), second))
    return (*pairs, *own.values())


def neighbouring_cells() -> Iterator[SweptCell]:
    """The cells for all kinds of mapping, row by row."""
    for place, mapping in enumerate(neighbouring_mappings()):
        # Ordinary memory has no place on the device.
        anon = mapping.beside is not None and mapping.beside.device == ANON
        gaps = enumerate(product(GAPS, ("",) if anon else GAPS))
        for (row, operation), (column, gap) in product(enumerate(mapping.kinds), list(gaps)):
            forks, in_front = (place + row + column) % 2 == 1, (row + column // len(GAPS)) % 2 == 1
            for whole in (False, True):
                yield _cell(mapping, gap, operation, in_front is not whole, whole, forks is not whole)


def _cell(
    mapping: SweptMapping, gap: tuple[str, str], operation: str, front: bool, whole: bool, fork: bool
) -> SweptCell:
    """Two neighbouring mappings, and an operation on pages of both.

    :param gap: the gaps in the area and on the device; empty if one of the two is ordinary memory
    :param front: whether the second mapping lies in front of the first
    :param whole: whether the operation covers all pages of both mappings rather than those around the border
    """
    column = ", ".join((gap[0], *([f"{gap[1]} on the device"] if gap[1] not in ("", gap[0]) else ())))
    second = beside(_FIRST, GAPS[gap[0]], _FIRST.pages, front=front)
    shown = beside(_SHOWN, GAPS[gap[1] or gap[0]], second.pages, front=front)
    # If they overlap in the area, the second replaces a page of the first.
    left = Span("a", second.end, _FIRST.end) if front else Span("a", _FIRST.start, second.start)
    left = left if left.pages < _FIRST.pages else _FIRST
    lower, upper = (second, left) if front else (left, second)
    part, device = across(lower, upper), across(_SHOWN, shown)
    if whole:
        part, device = Span("a", lower.start, upper.end), _joined(_SHOWN, shown)
    read = dict.fromkeys((lower.start, lower.end - 1, upper.start, upper.end - 1))
    lines = (
        f"device  bar: {mapping.kind.device}, {_DEVICE_PAGES} pages",
        *("area    a: 24 pages", ""),
        f"{mapping.kind.mapped(_SHOWN)} over {_FIRST}",
        f"{(mapping.beside or mapping.kind).mapped(shown)} over {second}",
        *(f"write a[{page}] {value}" for value, page in enumerate((lower.end - 1, upper.start), 1)),
        *Spot(mapping, part.name, part.start, part.end, False, "b", device).lines(operation),
        *(("c = fork",) if fork else ()),
        *(f"read a[{page}]" for page in read),
        *((f"c: read a[{upper.end - 1}]",) if fork else ()),
        f"munmap a[{lower.start}:{upper.end}]",
    )
    title = f"{operation}{', fork' if fork else ''} on {'all of both' if whole else 'the border'}"
    title += f"; {'in front' if front else 'behind'}, {column}"
    return SweptCell(NEIGHBOURS, mapping.name, (operation, column), title, "\n".join(lines))


def _joined(one: Span, other: Span) -> Span:
    return Span(one.name, min(one.start, other.start), max(one.end, other.end))
