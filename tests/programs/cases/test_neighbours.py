"""Ranges next to each other."""

from __future__ import annotations

from for_each import for_each

from pfnlab.programs.cases.neighbours import GAPS, across, beside
from pfnlab.programs.lang.span import Span

FIRST = Span("a", 8, 12)


def test_gaps_are_few_and_differ() -> None:
    """Touching, an overlap of one page, and holes of one and two pages."""
    assert [0, -1, 1, 2] == list(GAPS.values())


@for_each("gap", list(GAPS.values()))
@for_each("front", [False, True], ids=["behind", "in front"])
def test_as_many_pages_are_between_as_the_gap_says(gap: int, front: bool) -> None:
    """An overlap has them in common."""
    other = beside(FIRST, gap, 3, front=front)

    assert 3 == other.pages
    assert gap == (FIRST.start - other.end if front else other.start - FIRST.end)


@for_each(
    ("gap", "span"),
    [(0, Span("a", 11, 13)), (1, Span("a", 11, 14)), (2, Span("a", 11, 15)), (-1, Span("a", 11, 12))],
)
def test_a_range_across_ends_with_the_first_page_of_the_upper(gap: int, span: Span) -> None:
    """It begins with the last page of the lower one, whichever comes first."""
    other = beside(FIRST, gap, 4)

    assert span == across(FIRST, other) == across(other, FIRST)
