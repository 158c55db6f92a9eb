"""A set of pages as runs, against a set of pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.kernel.hw.spans import SpanSet

PAGES = range(24)
BOUND = st.integers(0, 24)
RUNS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)).map(lambda pair: (pair[0], sum(pair))))
STEP = st.tuples(st.sampled_from(("add", "discard")), BOUND, BOUND)


def spans(*runs: tuple[int, int]) -> SpanSet:
    """A set made of *runs*."""
    return SpanSet(runs)


def pages(runs: Iterable[tuple[int, int]]) -> set[int]:
    """The pages of runs."""
    return {page for start, end in runs for page in range(start, end)}


def test_neighbours_join() -> None:
    """Two runs that touch become one."""
    touching = spans((0, 4), (8, 12))

    touching.add(4, 8)

    assert [(0, 12)] == list(touching)
    touching._check()


def test_discard_cuts_a_run_in_two() -> None:
    """Taking the middle out leaves both sides."""
    cut = spans((0, 12))

    cut.discard(4, 8)

    assert [(0, 4), (8, 12)] == list(cut)
    cut._check()


@for_each("change", [SpanSet.add, SpanSet.discard])
def test_an_empty_range_changes_nothing(change: Callable[[SpanSet, int, int], None]) -> None:
    """Adding or discarding no pages leaves the set as it is."""
    same = spans((2, 6))

    change(same, 4, 4)

    assert [(2, 6)] == list(same)
    same._check()


def test_within_clips() -> None:
    """What lies within a range is clipped to it at both ends."""
    assert [(2, 4), (8, 9)] == spans((0, 4), (8, 12)).within(2, 9)


def test_cost_is_the_number_of_runs() -> None:
    """A terabyte is one run."""
    large = spans((0, 1 << 28))

    large.discard(5, 6)

    assert [(0, 5), (6, 1 << 28)] == list(large)
    large._check()


@given(st.lists(STEP, max_size=12), BOUND, BOUND)
def test_against_a_set_of_pages(steps: list[tuple[str, int, int]], start: int, end: int) -> None:
    """Whatever is added and discarded, the runs hold just the pages a plain set would."""
    runs = SpanSet()
    plain: set[int] = set()

    for name, low, high in steps:
        if name == "add":
            runs.add(low, high)
            plain |= set(range(low, high))
        else:
            runs.discard(low, high)
            plain -= set(range(low, high))
        runs._check()

    assert plain == pages(runs)
    assert plain == {page for page in PAGES if page in runs}
    assert plain & set(range(start, end)) == pages(runs.within(start, end))


@given(st.lists(STEP, max_size=12))
def test_runs_are_maximal(steps: list[tuple[str, int, int]]) -> None:
    """No two runs touch, so equal sets have equal runs."""
    runs = SpanSet()

    for name, low, high in steps:
        getattr(runs, name)(low, high)

    assert all(before[1] < after[0] for before, after in pairwise(runs))


@given(RUNS)
def test_its_runs_are_the_pages_in_order_without_neighbours(runs: list[tuple[int, int]]) -> None:
    """Overlapping and adjacent runs become one."""
    found = list(SpanSet(runs))

    assert pages(found) == pages(runs)
    assert all(left[1] < right[0] for left, right in pairwise(found))


@given(RUNS, RUNS)
def test_a_part_is_a_part(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    """One is a part of another where its pages are."""
    assert (SpanSet(left) <= SpanSet(right)) == (pages(left) <= pages(right))


@given(RUNS, RUNS)
def test_a_union_is_a_union(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    """A union holds the pages of both."""
    assert list(SpanSet([*left, *right])) == list(SpanSet(left) | SpanSet(right))


@given(RUNS)
def test_there_is_a_page_or_there_is_none(runs: list[tuple[int, int]]) -> None:
    """It is true where it holds a page."""
    assert bool(pages(runs)) == bool(SpanSet(runs))


@given(RUNS, BOUND, BOUND)
def test_a_range_is_covered_where_all_its_pages_are_there(
    runs: list[tuple[int, int]], start: int, end: int
) -> None:
    """No page is covered everywhere."""
    assert (pages([(start, end)]) <= pages(runs)) == SpanSet(runs).covers(start, end)
