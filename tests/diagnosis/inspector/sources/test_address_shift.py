"""Other addresses keep every relation."""

from __future__ import annotations

from itertools import product
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.units import PAGE_SIZE
from pfnlab.diagnosis.inspector.sources.address_shift import COMMON, AddressShift

_PAGES = st.tuples(st.integers(0x1000, 0x3000), st.integers(1, 0x400))
RANGES = st.lists(
    _PAGES.map(lambda one: (one[0] * PAGE_SIZE, (one[0] + one[1]) * PAGE_SIZE)), min_size=1, max_size=8
)


def relation(one: tuple[int, int], other: tuple[int, int]) -> tuple[bool, ...]:
    """How two ranges lie to each other."""
    return (
        *(one[at] < other[beside] for at, beside in product((0, 1), (0, 1))),
        *(one[at] == other[beside] for at, beside in product((0, 1), (0, 1))),
    )


@given(RANGES, RANGES, st.integers(0, 1 << 32))
def test_every_relation_stays(kept: list[tuple[int, int]], others: list[tuple[int, int]], seed: int) -> None:
    """Order, nesting, touching and overlap of any two ranges."""
    shift = AddressShift(kept, others, Random(seed))

    before = [*kept, *others]
    after = [(shift(start), shift(end)) for start, end in before]
    assert [relation(*pair) for pair in product(before, before)] == [
        relation(*pair) for pair in product(after, after)
    ]


@given(RANGES, RANGES, st.integers(0, 1 << 32))
def test_sizes_of_kept_ranges_and_places_in_a_page_stay(
    kept: list[tuple[int, int]], others: list[tuple[int, int]], seed: int
) -> None:
    """Also of an address in the middle of a range, and of the last byte of one."""
    shift = AddressShift(kept, others, Random(seed))

    for start, end in kept:
        for address in (start, start + 0x123, end - 1, end):
            assert address - start == shift(address) - shift(start)
    for start, end in others:
        assert (start % PAGE_SIZE, shift(end) - 1) == (shift(start) % PAGE_SIZE, shift(end - 1))


@given(RANGES, RANGES, st.integers(0, 1 << 32))
def test_no_address_stays(kept: list[tuple[int, int]], others: list[tuple[int, int]], seed: int) -> None:
    """None of a range is also one of another machine's; below the first megabyte all machines are alike."""
    shift = AddressShift(kept, others, Random(seed))

    known = {end for pair in (*kept, *others) for end in pair}
    assert set() == known & {shift(address) for address in known}
    assert COMMON - 1 == shift(COMMON - 1)


def test_the_end_of_all_addresses_is_the_last() -> None:
    """Nothing has more than 64 bits."""
    shift = AddressShift([(1 << 30, 1 << 31)], [((1 << 64) - PAGE_SIZE, (1 << 64) - 1)], Random(1))

    assert (1 << 64) - 1 == shift((1 << 64) - 1)
