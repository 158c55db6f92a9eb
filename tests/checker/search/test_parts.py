"""The parts of states: each is stored once, and words name them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.checker.search.parts import PartTable

PARTS = st.lists(st.binary(max_size=2), max_size=5).map(tuple)


@given(st.lists(PARTS))
def test_words_name_their_parts(states: list[tuple[bytes, ...]]) -> None:
    """Whatever was met meanwhile."""
    table = PartTable()

    words = [table.words(parts) for parts in states]

    assert [table.parts(one) for one in words] == states


@given(st.lists(PARTS))
def test_words_are_equal_where_parts_are(states: list[tuple[bytes, ...]]) -> None:
    """And only there."""
    table = PartTable()

    words = [table.words(parts) for parts in states]

    assert len(set(words)) == len(set(states))


@given(st.lists(PARTS))
def test_a_part_is_kept_once(states: list[tuple[bytes, ...]]) -> None:
    """However many states have it."""
    table = PartTable()

    for parts in states:
        table.words(parts)

    assert len(table) == len({part for parts in states for part in parts})
