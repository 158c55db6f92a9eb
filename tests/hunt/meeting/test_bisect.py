"""Boundaries and least sets: found wherever they are, with few questions."""

from __future__ import annotations

from collections.abc import Sequence

from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.hunt.meeting.bisect import boundary, least
from pfnlab.hunt.meeting.bisect_target import BisectWord, of_all


@given(st.integers(2, 200), st.data())
def test_the_border_is_found(length: int, data: st.DataObject) -> None:
    """Wherever the first bad candidate is, with as many questions as halving takes."""
    first_bad = data.draw(st.integers(1, length - 1))
    asked: list[int] = []

    def ask(place: int) -> BisectWord:
        asked.append(place)
        return "bad" if place >= first_bad else "good"

    found = boundary(range(length), ask)

    assert (found.good, found.bad, found.left) == (first_bad - 1, first_bad, ())
    assert len(asked) <= length.bit_length() and len(set(asked)) == len(asked)


@given(st.integers(2, 60), st.data())
def test_who_cannot_tell_is_passed_over(length: int, data: st.DataObject) -> None:
    """What nobody knows is left between the two, and nothing else is."""
    first_bad = data.draw(st.integers(1, length - 1))
    mute = data.draw(st.sets(st.integers(1, max(length - 2, 1))))

    def ask(place: int) -> BisectWord:
        return "neither" if place in mute else "bad" if place >= first_bad else "good"

    found = boundary(range(length), ask)

    assert found.good < first_bad <= found.bad
    assert found.left == tuple(range(found.good + 1, found.bad))
    assert set(found.left) <= mute


@given(st.sets(st.integers(0, 40), min_size=1), st.data())
def test_the_least_set_suffices_and_nothing_in_it_is_spare(parts: set[int], data: st.DataObject) -> None:
    """Whatever is needed: exactly that is left."""
    needed = data.draw(st.sets(st.sampled_from(sorted(parts)), min_size=1))

    def suffice(some: Sequence[int]) -> bool:
        return needed <= set(some)

    assert set(least(sorted(parts), suffice)) == needed


@for_each(
    ("words", "word"),
    [
        (["good", "good"], "good"),
        (["good", "bad"], "bad"),
        (["good", "undecided"], "undecided"),
        (["neither", "undecided"], "neither"),
    ],
)
def test_bad_once_is_bad(words: list[BisectWord], word: BisectWord) -> None:
    """A candidate that was run several times has one word."""
    assert of_all(words) == word
