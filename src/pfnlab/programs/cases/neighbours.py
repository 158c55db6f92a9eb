"""Neighbours: two ranges that touch, overlap by one page, or leave a hole of one or two pages between them.

Mappings are neighbours in an area, on a device, or in both, each with its own gap.
"""

import msgspec

from pfnlab.base.toml_text import package_tables
from pfnlab.programs.cases.mapping_kinds import MAPPING_KINDS, MappingKind
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import ANON

#: The gaps between neighbouring ranges: the number of pages between them, negative if they overlap.
GAPS: dict[str, int] = {
    "touching": 0,
    "overlapping by a page": -1,
    "with a hole of one page": 1,
    "with a hole of two pages": 2,
}


def beside(span: Span, gap: int, pages: int, *, front: bool = False) -> Span:
    """The neighbour of *span*: a range of *pages* pages that begins *gap* pages after its end.

    :param front: whether it lies in front of *span* instead, and ends *gap* pages before its start
    """
    start = span.start - gap - pages if front else span.end + gap
    return Span(span.name, start, start + pages)


def across(one: Span, other: Span) -> Span:
    """The range from the last page of the lower of two neighbours to the first page of the other.

    It includes the hole between them, if any, and has at least one page.
    """
    lower, upper = sorted((one, other), key=lambda span: span.parts)
    return Span(lower.name, lower.end - 1, max(upper.start + 1, lower.end))


class Neighbour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping next to a review's subject.

    :param area: its distance from the subject in the area, in pages; None if there is no neighbour
    :param device: its distance on the device
    :param kind: its kind of mapping, if different from the subject's
    :param front: whether it lies in front of the subject
    :param before: whether it is mapped before the subject
    """

    name: str
    area: int | None = None
    device: int = 0
    pages: int = 4
    kind: str = ""
    front: bool = False
    before: bool = False

    @property
    def shows(self) -> str:
        """The name of its kind in a review, if it is different and shows the device."""
        return MAPPING_KINDS[self.kind].says if self.kind and MAPPING_KINDS[self.kind].device != ANON else ""

    def place(self, subject: Span) -> Span | None:
        """Its pages next to *subject*; None if there is no neighbour."""
        return None if self.area is None else beside(subject, self.area, self.pages, front=self.front)

    def mapped(self, subject: Span, shown: Span, kind: MappingKind) -> str | None:
        """The operation that maps it next to *subject*, a *kind* mapping that shows *shown*; None if there is
        no neighbour.
        """
        place, own = self.place(subject), MAPPING_KINDS[self.kind] if self.kind else kind
        pages = beside(shown, self.device, self.pages, front=self.front)
        return None if place is None else f"{own.mapped(pages)} over {place}"


class NeighbourPair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Kinds of mapping next to each other in a sweep.

    :param kinds: their names; one name if both are of one kind
    :param operations: the operations over both, if not the kind's own ones
    :param name: the name of their table, if it is not their names
    """

    kinds: tuple[str, ...]
    operations: tuple[str, ...] = ()
    name: str = ""


class _NeighbourTables(msgspec.Struct, forbid_unknown_fields=True):
    neighbours: tuple[Neighbour, ...]
    pairs: tuple[NeighbourPair, ...]


_TABLES = package_tables(__package__, "neighbours.toml", _NeighbourTables)

#: A review's neighbours, and a sweep's pairs that are listed.
NEIGHBOURS, PAIRS = _TABLES.neighbours, _TABLES.pairs
