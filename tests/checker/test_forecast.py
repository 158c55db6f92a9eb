"""Where a search is heading."""

from __future__ import annotations

import pytest
from small_models import Counters

from pfnlab.checker.check_all import forecast, forecast_line
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.explore import explore

FINITE = Counters(top=11, count=4)  # 20,736 states


@pytest.mark.parametrize("states", [2500, 5000, 10_000])
def test_a_finite_space_is_foreseen_within_a_factor_of_two(states: int) -> None:
    """From an eighth of it on."""
    ahead = forecast(explore(FINITE, states=states))

    assert ahead is not None
    assert ahead.states is not None
    assert 10_368 <= ahead.states <= 41_472


def test_a_space_that_only_grows_has_no_end() -> None:
    """Every level is twice the last."""
    found: Exploration[int] = Exploration((), states=1023, expanded=511, growth=[2**at for at in range(10)])

    ahead = forecast(found)

    assert ahead is not None
    assert (None, 2.0) == (ahead.states, ahead.factor)


def test_a_depth_ends_what_only_grows() -> None:
    """2047 states are within ten steps."""
    found: Exploration[int] = Exploration((), states=1023, expanded=511, growth=[2**at for at in range(10)])

    ahead = forecast(found, depth=10)

    assert ahead is not None
    assert 2047 == ahead.states


def test_the_level_under_way_is_left_out() -> None:
    """A quarter of the last but one level is expanded, and gave 64 states, which says nothing yet."""
    found: Exploration[int] = Exploration(
        (), states=255 + 64, expanded=127 + 32, growth=[*(2**at for at in range(8)), 64]
    )

    ahead = forecast(found, depth=8)

    assert ahead is not None
    assert 511 == ahead.states


def test_a_young_search_foresees_nothing() -> None:
    """Two levels tell no trend."""
    assert forecast(explore(FINITE, depth=1)) is None


def test_a_line_says_all_of_it() -> None:
    """States, rate, what waits, depth, and where it is heading."""
    found: Exploration[int] = Exploration(
        (), states=1023, expanded=511, growth=[2**at for at in range(10)], depth=9, seconds=2, frontier=512
    )

    assert (
        "1,023 states, 512/s, 512 waiting, depth 9 of 10, about 2,047 states in all: 49 %, 2 s to go"
        == forecast_line(found, 10)
    )
    assert "each level 2.0 times the last: no end in sight" in forecast_line(found)
