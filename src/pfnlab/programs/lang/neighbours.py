"""Neighbours: two ranges that touch, overlap by one page, or leave a hole of one or two pages between them.

Mappings are neighbours in an area, on a device, or in both, each with its own gap.
"""

from pfnlab.programs.lang.span import Span

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
