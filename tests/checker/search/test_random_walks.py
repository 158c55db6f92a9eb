"""Random walks: reproducible, and never called complete."""

from __future__ import annotations

from shared_race import PROPERTIES, Race
from small_models import Counters, always, sometimes

from pfnlab.checker.search.random_walks import simulate

LARGE = Counters(top=40, count=4)  # 2.8 million states
SMALL = always("the sum stays below 30", lambda state: sum(state) < 30)
THERE = sometimes("a sum of 12", lambda state: sum(state) == 12)


def test_the_same_seed_walks_the_same() -> None:
    """States, steps and discoveries."""
    first, second = (simulate(LARGE, [SMALL, THERE], seed=7, walks=20) for _ in range(2))

    assert (first.states, first.transitions, first.discoveries) == (
        second.states,
        second.transitions,
        second.discoveries,
    )


def test_another_seed_walks_elsewhere() -> None:
    """By what it finds."""
    ways = {simulate(LARGE, [SMALL], seed=seed, walks=1).discoveries[SMALL.name] for seed in range(5)}

    assert 5 == len(ways)


def test_one_walk_is_made_again_alone() -> None:
    """From its seed and its number."""
    asked = [sometimes("corner", lambda state: sum(state) == 50)]

    alone = [simulate(LARGE, asked, seed=3, first=number, walks=1) for number in range(5)]
    together = simulate(LARGE, asked, seed=3, walks=5)

    assert together.discoveries["corner"] in [one.discoveries["corner"] for one in alone]
    assert together.transitions == sum(one.transitions for one in alone)


def test_a_discovery_of_a_walk_replays() -> None:
    """Through the model, to a state that breaks the property."""
    way = simulate(LARGE, [SMALL], walks=3).discoveries[SMALL.name]

    assert 30 == sum(way.states(LARGE)[-1])
    assert 30 == len(way)


def test_walks_prove_nothing() -> None:
    """What they do not find stays undecided, and what was done is said."""
    found = simulate(Counters(), [always("few", lambda state: sum(state) < 11)], walks=10, seed=4)

    assert {} == found.discoveries
    assert ["random walks: 10 of at most 50 steps, seed 4, from walk 0"] == found.cut


def test_a_walk_ends_where_no_step_is_left() -> None:
    """Ten steps fill both counters."""
    assert 100 == simulate(Counters(), walks=10).transitions


def test_walks_stop_when_the_time_is_over() -> None:
    """One is always made."""
    found = simulate(LARGE, walks=10, seconds=0)

    assert (50, ["random walks: 1 of at most 50 steps, seed 0, from walk 0"]) == (
        found.transitions,
        found.cut,
    )


def test_walks_find_the_race() -> None:
    """A schedule of ten steps and more, in which one thread has to wait while others run far ahead."""
    model = Race(fixed=False, pages=1, cpus=2, accesses=2)

    found = simulate(model, PROPERTIES, walks=2000, length=150)

    assert PROPERTIES[0].name in found.discoveries
