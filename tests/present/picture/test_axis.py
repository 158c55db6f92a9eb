"""The axis: in order, wide enough, the same for all."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.present.picture.axis import Axis, size_words
from pfnlab.programs.lang.span import Span

borders = st.dictionaries(
    st.sampled_from("abc"), st.sets(st.integers(0, 1 << 30), min_size=1, max_size=9), min_size=1
)


@given(borders, st.floats(10, 2000))
def test_places_follow_pages(ticks: dict[str, set[int]], width: float) -> None:
    """A later page stands further to the right, and all is within the width that the axis says."""
    axis = Axis(ticks, width)
    for name in ticks:
        places = [axis.at(name, tick) for tick in axis.ticks(name)]
        assert all(after - before >= 8 for before, after in pairwise(places))
        assert 0 <= axis.whole(name)[0] < axis.whole(name)[1] <= axis.width + 0.01


def test_more_pages_are_wider() -> None:
    """But not in proportion."""
    axis = Axis({"a": [0, 1, 65]}, 1000)
    one, many = axis.at("a", 1) - axis.at("a", 0), axis.at("a", 65) - axis.at("a", 1)

    assert one < many < 64 * one


def test_what_is_broken_has_its_size() -> None:
    """One page beside a tebibyte is still seen."""
    axis = Axis({"a": [0, 1, 1 << 28]}, 300)

    assert [False, True] == [stretch.broken for stretch in axis.stretches]
    assert axis.at("a", 1) - axis.at("a", 0) >= 8


def test_sizes_are_round_words() -> None:
    """Or pages."""
    assert ["1 TiB", "2 MiB", "505 pages"] == [size_words(1 << 28), size_words(512), size_words(505)]


def test_a_span_without_pages_is_the_whole() -> None:
    """Ordinary RAM has no numbers."""
    axis = Axis({"bar": [0, 4], "ram": []}, 300)

    assert axis.whole("ram") == axis.span(Span("ram", 0, 0))
