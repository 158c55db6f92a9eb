"""Ranges that are asked which of them lie over a place."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.diagnosis.inspector.intervals import Intervals, uncollected, uncovered

_RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)))


@given(_RANGES, st.integers(0, 40), st.integers(0, 40))
def test_over_gives_what_shares_a_byte(ranges: list[tuple[int, int]], start: int, end: int) -> None:
    """The tree answers as looking at every range does, however they nest."""
    intervals = Intervals((low, high, at) for at, (low, high) in enumerate(ranges))
    expected = {
        at
        for at, (low, high) in enumerate(ranges)
        if low < high and start < end and low < end and start < high
    }

    answer = [ranged.owner for ranged in intervals.over(start, end)]

    assert expected == set(answer)
    assert len(answer) == len(expected)
    assert intervals.any_over(start, end) == bool(expected)


@given(_RANGES)
def test_over_is_in_order(ranges: list[tuple[int, int]]) -> None:
    """Answers come by their starts, the longest first of those with one start."""
    intervals = Intervals((low, high, None) for low, high in ranges)

    answer = [(ranged.start, -ranged.end) for ranged in intervals.over(0, 41)]

    assert sorted(answer) == answer


@given(_RANGES, st.integers(0, 40), st.integers(0, 40))
def test_uncovered_is_the_rest(ranges: list[tuple[int, int]], start: int, end: int) -> None:
    """The parts in none of the ranges, byte by byte."""
    covered = {byte for low, high in ranges for byte in range(low, high)}

    parts = list(uncovered(start, end, sorted(pair for pair in ranges if pair[0] < pair[1])))

    assert {byte for low, high in parts for byte in range(low, high)} == set(range(start, end)) - covered


@given(_RANGES)
def test_columns_are_the_same_ranges(ranges: list[tuple[int, int]]) -> None:
    """In any order, with empty ones among them."""
    owners = list(range(len(ranges)))
    of_columns = Intervals.of_columns([low for low, _ in ranges], [high for _, high in ranges], owners)

    assert list(Intervals((low, high, at) for at, (low, high) in enumerate(ranges))) == list(of_columns)


@given(_RANGES)
def test_disjoint_is_said_of_ranges_without_a_common_byte(ranges: list[tuple[int, int]]) -> None:
    """No byte is in two."""
    bytes_of = [byte for low, high in ranges for byte in range(low, high)]

    assert Intervals((low, high, None) for low, high in ranges).disjoint == (
        len(bytes_of) == len(set(bytes_of))
    )


def test_the_collector_rests_and_goes_on() -> None:
    """Whatever ends the work."""
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), uncollected():
        1 / 0  # noqa: B018
    assert gc.isenabled()


def test_a_collector_that_rested_before_rests_on() -> None:
    """It is the caller's."""
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
