"""A set of frames behaves as a set of numbers does."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.pfn_set import PfnSet
from pfnlab.units import PfnRange

RANGES = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 5)).map(lambda pair: PfnRange(pair[0], sum(pair)))
)


def numbers(ranges: list[PfnRange]) -> set[int]:
    return {pfn for pfns in ranges for pfn in range(pfns.start, pfns.end)}


@given(RANGES)
def test_its_ranges_are_the_frames_in_order_without_neighbours(ranges: list[PfnRange]) -> None:
    """Overlapping and adjacent ranges become one."""
    found = list(PfnSet(ranges))
    assert numbers(found) == numbers(ranges)
    assert all(left.end < right.start for left, right in pairwise(found))


@given(RANGES, RANGES)
def test_equality_is_that_of_sets(left: list[PfnRange], right: list[PfnRange]) -> None:
    """Two are equal where they hold the same frames."""
    assert (PfnSet(left) == PfnSet(right)) == (numbers(left) == numbers(right))


@given(RANGES, RANGES)
def test_a_part_is_a_part(left: list[PfnRange], right: list[PfnRange]) -> None:
    """One is a part of another where its frames are."""
    assert (PfnSet(left) <= PfnSet(right)) == (numbers(left) <= numbers(right))


@given(RANGES, RANGES)
def test_a_union_is_a_union(left: list[PfnRange], right: list[PfnRange]) -> None:
    """A union holds the frames of both."""
    assert PfnSet(left) | PfnSet(right) == PfnSet([*left, *right])


@given(RANGES)
def test_there_is_a_frame_or_there_is_none(ranges: list[PfnRange]) -> None:
    """It is true where it holds a frame."""
    assert bool(PfnSet(ranges)) == bool(numbers(ranges))
