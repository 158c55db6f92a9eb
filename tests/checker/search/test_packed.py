"""Packed models: the shared specification's states, counted by plain Python."""

from __future__ import annotations

import os
import signal
from collections.abc import MutableSequence, Sequence
from itertools import permutations
from pathlib import Path

import pytest
import shared_book
from doubtful_model import Doubtful
from shrinking_book import Shrinking

from pfnlab.checker.search.core import Core
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.frontier import Order
from pfnlab.checker.search.packed import Plain, Unpacked, explore_packed, properties_of
from pfnlab.errors import Misuse
from pfnlab.extras import missing_package

ORDERS: tuple[Order, ...] = ("breadth", "depth")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("pages", "states", "transitions"), [(1, 398, 2018), (2, 21_530, 160_532)])
def test_the_shared_specification_has_its_states(
    order: Order, pages: int, states: int, transitions: int
) -> None:
    """Those that every other checker counts, and every rule holds."""
    found = explore_packed(shared_book.Book(pages), order=order)

    assert (states, transitions) == (found.states, found.transitions)
    assert {"holds"} == {found.verdict(rule) for rule in shared_book.RULES}


@pytest.mark.target("long")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("modes", "states"), [(False, 17_096), (True, 8549)])
def test_symmetry_makes_it_small(modes: bool, states: int, order: Order) -> None:
    """Slots interchangeable, then the two modes too: 27.6 and 55 times fewer."""
    found = explore_packed(shared_book.Book(3, symmetric=True, modes=modes), order=order)

    assert states == found.states
    assert {"holds"} == {found.verdict(rule) for rule in shared_book.RULES}


def renamed(state: int, vmas: Sequence[int], entries: Sequence[int]) -> int:
    """*state* with its slots in another order: ``vmas[new]`` and ``entries[new]`` are the old numbers."""
    after = state & 1 << 63
    for new, old in enumerate(entries):
        after |= ((state >> (33 + 10 * old)) & 1023) << (33 + 10 * new)
    for new, old in enumerate(vmas):
        vma = (state >> (11 * old)) & 2047
        if vma:
            after |= (vma & 511 | entries.index(vma >> 9) << 9) << (11 * new)
    return after


@pytest.mark.target("long")
def test_sorting_stands_for_exactly_all_renamings() -> None:
    """Of all 21,530 states: those with one canonical form are those that some renaming turns into each
    other."""
    model = shared_book.Book(2, symmetric=True)
    search = Plain(shared_book.Book(2), True)
    search.start(0)
    while search.waiting():
        search.run(search.count, 1 << 40, 1000)
    orders = list(permutations(range(3)))

    by_trying = [min(renamed(state, a, b) for a in orders for b in orders) for state in search.states]
    model.canonical(search.states, search.count)

    assert 970 == len(set(by_trying))
    assert 970 == len(set(search.states)) == len(set(zip(by_trying, search.states, strict=True)))


@pytest.mark.target("long")
@pytest.mark.parametrize("breadth", [True, False])
def test_the_core_runs_interpreted(breadth: bool) -> None:
    """The source that is compiled, as it is: the same states in the same order as with a set."""
    model = shared_book.Book(2)
    core, plain = Core(model, model.most, breadth), Plain(model, breadth)
    for search in (core, plain):
        search.start(0)
        while search.waiting():
            search.run(search.count, 1 << 40, 1000)

    assert list(plain.states) == list(core.states[: core.count])
    assert list(plain.parents) == list(core.parents[: core.count])
    assert (plain.transitions, plain.expanded) == (core.transitions, core.expanded)


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_counterexample_is_shortest_and_real(symmetric: bool) -> None:
    """A map and a munmap of its middle: two steps, each a real one of the model."""
    model = Shrinking(3, symmetric=symmetric, modes=symmetric)

    found = explore_packed(model, stop_at_first=True)

    assert "violated" == found.verdict(shared_book.RULES[1])
    way = found.discoveries[shared_book.RULES[1]]
    assert 2 == len(way)
    assert 2 == model.broken(way.states(Unpacked(model))[-1])


@pytest.mark.target("long")
def test_the_other_properties_of_a_broken_model_hold() -> None:
    """Finding one does not end the search."""
    found = explore_packed(Shrinking(3, symmetric=True, modes=True))

    assert ["holds", "violated", "holds"] == [found.verdict(rule) for rule in shared_book.RULES]
    assert 8549 == found.states


@pytest.mark.parametrize("order", ORDERS)
def test_the_ordinary_search_finds_the_same(order: Order) -> None:
    """The packed model as an ordinary one."""
    model = shared_book.Book(2, symmetric=True)

    packed, ordinary = explore_packed(model), explore(Unpacked(model), properties_of(model), order=order)

    assert (packed.states, packed.transitions) == (ordinary.states, ordinary.transitions)
    assert packed.growth == explore(Unpacked(model)).growth


def test_a_depth_cuts() -> None:
    """As in the ordinary search, with the same words."""
    model = shared_book.Book(2)

    packed, ordinary = explore_packed(model, depth=3), explore(Unpacked(model), depth=3)

    assert (packed.states, packed.growth, packed.cut) == (ordinary.states, ordinary.growth, ordinary.cut)
    assert ["depth: 254 states at depth 3 not expanded"] == packed.cut


def test_depth_first_counts_no_depth() -> None:
    """So none can be asked for."""
    with pytest.raises(Misuse, match="breadth first"):
        explore_packed(shared_book.Book(1), order="depth", depth=3)


def test_limits_cut() -> None:
    """Of states, of time, and of violations."""
    cuts = [
        explore_packed(shared_book.Book(2), states=100),
        explore_packed(shared_book.Book(2), seconds=0),
        explore_packed(Shrinking(3), stop_at_first=True),
    ]

    assert ["states", "seconds", "stopped at the first violation"] == [
        found.cut[0].split(":")[0] for found in cuts
    ]
    assert cuts[0].states < 200


def test_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Level by level in a small search."""
    monkeypatch.setattr("pfnlab.checker.search.packed._TELL_SECONDS", 0.0)
    told: list[int] = []

    def tell(found: Exploration[int]) -> None:
        told.append(found.states)

    explore_packed(shared_book.Book(2), progress=tell)

    assert told == sorted(told)
    assert len(told) >= 10


class Interrupting(shared_book.Book):
    """Sends this process a SIGINT in its first step."""

    def successors(self, state: int, into: MutableSequence[int]) -> int:
        if state == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return super().successors(state, into)


def test_an_interrupt_cuts() -> None:
    """What was found so far is kept, and said to be a part."""
    found = explore_packed(Interrupting(2))

    assert 1 < found.states < 21_530
    assert found.cut[0].startswith("interrupted: ")


def test_a_missing_tool_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the search runs all the same."""
    monkeypatch.setattr("pfnlab.extras.find_spec", lambda name: None)
    lines: list[str] = []

    found = explore_packed(shared_book.Book(1), cache=tmp_path / "cache", say=lines.append)

    missing = missing_package("Cython", "fast", "a compiled search")
    assert [f"core runs as plain Python, slower: {missing}"] == lines
    assert 398 == found.states


def test_more_successors_than_the_most_are_refused() -> None:
    """In plain Python."""
    with pytest.raises(IndexError, match="successors gave 2 states"):
        explore_packed(Doubtful())
