"""Boundaries and least sets: found wherever they are, with few questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.hunt.meeting.bisect import (
    BisectTarget,
    BisectWord,
    CandidateTests,
    boundary,
    in_line,
    least,
)
from pfnlab.programs.runs.observation import Run


def bisected(length: int, ask: Callable[[int], BisectWord]) -> tuple[int, int, list[int]]:
    """The places around the boundary of a line, and those left between them."""
    line = list(map(str, range(length)))
    found = boundary((line[0], line[-1]), "bad", in_line(line), lambda one: ask(int(one)))
    return int(found.earlier[-1]), int(found.later), sorted(map(int, found.left))


@given(st.integers(2, 200), st.data())
def test_the_border_is_found(length: int, data: st.DataObject) -> None:
    """Wherever the first bad candidate is, with as many questions as halving takes."""
    first_bad = data.draw(st.integers(1, length - 1))
    asked: list[int] = []

    def ask(place: int) -> BisectWord:
        asked.append(place)
        return "bad" if place >= first_bad else "good"

    found = bisected(length, ask)

    assert (first_bad - 1, first_bad, []) == found
    assert len(asked) <= length.bit_length() and len(set(asked)) == len(asked)


@given(st.integers(2, 60), st.data())
def test_who_cannot_tell_is_passed_over(length: int, data: st.DataObject) -> None:
    """What nobody knows is left between the two, and nothing else is."""
    first_bad = data.draw(st.integers(1, length - 1))
    mute = data.draw(st.sets(st.integers(1, max(length - 2, 1))))

    def ask(place: int) -> BisectWord:
        return "neither" if place in mute else "bad" if place >= first_bad else "good"

    good, bad, left = bisected(length, ask)

    assert good < first_bad <= bad
    assert list(range(good + 1, bad)) == left
    assert set(left) <= mute


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
    answers = iter(words)
    target = BisectTarget("", lambda run: next(answers))
    tests = CandidateTests(target, lambda candidate, times: [Run("", "")] * times, len(words))

    assert word == tests("7.3")
