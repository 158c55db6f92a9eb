"""Packed models: the shared specification's states, counted interpreted and compiled."""

from __future__ import annotations

import os
import signal
from array import array
from collections.abc import MutableSequence, Sequence
from itertools import permutations
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
import shared_book
from compiled_here import compiled_book, compiled_modules

from pfnlab.checker.search.core import Core
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.frontier import Order
from pfnlab.checker.search.packed import Plain, Unpacked, explore_packed, properties_of
from pfnlab.errors import Misuse

ORDERS: tuple[Order, ...] = ("breadth", "depth")


@pytest.fixture(scope="session")
def cache() -> Path:
    """Where compiled modules are; skips where nothing compiles."""
    return compiled_modules()


@pytest.fixture(scope="session")
def fast(cache: Path) -> ModuleType:
    """The shared book, compiled."""
    return compiled_book(cache)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("pages", "states", "transitions"), [(1, 398, 2018), (2, 21_530, 160_532)])
def test_the_shared_specification_has_its_states(
    order: Order, pages: int, states: int, transitions: int
) -> None:
    """Those that every other checker counts, and every rule holds."""
    found = explore_packed(shared_book.Book(pages), order=order)

    assert (states, transitions) == (found.states, found.transitions)
    assert {"holds"} == {found.verdict(rule) for rule in shared_book.RULES}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("pages", "states", "transitions"), [(2, 21_530, 160_532), (3, 471_404, 4_311_212)])
def test_compiled_it_has_its_states(
    order: Order, pages: int, states: int, transitions: int, cache: Path, fast: ModuleType
) -> None:
    """Breadth and depth first."""
    found = explore_packed(fast.Book(pages), order=order, cache=cache)

    assert (states, transitions) == (found.states, found.transitions)
    assert {"holds"} == {found.verdict(rule) for rule in shared_book.RULES}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("modes", "states"), [(False, 17_096), (True, 8549)])
def test_symmetry_makes_it_small(modes: bool, states: int, order: Order) -> None:
    """Slots interchangeable, then the two modes too: 27.6 and 55 times fewer."""
    found = explore_packed(shared_book.Book(3, symmetric=True, modes=modes), order=order)

    assert states == found.states
    assert {"holds"} == {found.verdict(rule) for rule in shared_book.RULES}


@pytest.mark.parametrize(("modes", "states"), [(False, 17_096), (True, 8549)])
def test_symmetry_compiled(modes: bool, states: int, cache: Path, fast: ModuleType) -> None:
    """The same."""
    assert states == explore_packed(fast.Book(3, symmetric=True, modes=modes), cache=cache).states


@pytest.mark.parametrize("pages", [2, 3])
def test_successors_are_the_same_compiled_and_interpreted(pages: int, fast: ModuleType) -> None:
    """State by state, in order, with what stands for them and what they break: all reachable up to
    symmetry."""
    slow, quick = shared_book.Book(pages, symmetric=True), fast.Book(pages, symmetric=True)
    ours, theirs = [0] * slow.most, array("Q", [0] * slow.most)
    seen, todo = {0}, [0]
    for state in todo:
        count = slow.successors(state, ours)
        assert count == quick.successors(state, theirs)
        assert ours[:count] == list(theirs[:count])
        assert [slow.broken(after) for after in ours[:count]] == [
            quick.broken(after) for after in theirs[:count]
        ]
        slow.canonical(ours, count)
        quick.canonical(theirs, count)
        assert ours[:count] == list(theirs[:count])
        new = dict.fromkeys(after for after in ours[:count] if after not in seen)
        seen.update(new)
        todo.extend(new)
    assert {2: 970, 3: 17_096}[pages] == len(seen)


@pytest.mark.parametrize("pages", [4, 8])
def test_successors_are_the_same_in_larger_scopes(pages: int, fast: ModuleType) -> None:
    """On a random walk of 3,000 steps, which uses every bit of the word."""
    slow, quick = shared_book.Book(pages), fast.Book(pages)
    ours, theirs = [0] * slow.most, array("Q", [0] * slow.most)
    random, state, bits = Random(1), 0, 0
    for _ in range(3000):
        count = slow.successors(state, ours)
        assert count == quick.successors(state, theirs)
        assert ours[:count] == list(theirs[:count])
        state = random.choice(ours[:count])
        bits |= state
    assert 64 == bits.bit_length()


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


class Shrinking(shared_book.Book):
    """The mistake of the old rule: a shrink takes the reservation along whoever else refers to it."""

    def broken(self, state: int) -> int:
        # As seen by somebody who takes two VMAs of process 1 with one reservation for broken.
        wrong = super().broken(state)
        owners = [(state >> (11 * slot)) & 2047 for slot in range(3)]
        mine = [vma >> 9 for vma in owners if vma & 3 == 1]
        return wrong | (2 if len(mine) > len(set(mine)) else 0)


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_counterexample_is_shortest_and_real(symmetric: bool) -> None:
    """A map and a munmap of its middle: two steps, each a real one of the model."""
    model = Shrinking(3, symmetric=symmetric, modes=symmetric)

    found = explore_packed(model, stop_at_first=True)

    assert "violated" == found.verdict(shared_book.RULES[1])
    way = found.discoveries[shared_book.RULES[1]]
    assert 2 == len(way)
    assert 2 == model.broken(way.states(Unpacked(model))[-1])


def test_a_compiled_search_tells_the_same_way(cache: Path) -> None:
    """The states it stored are read back for it."""
    model = Shrinking(3)

    plain, compiled = explore_packed(model), explore_packed(model, cache=cache)

    assert plain.discoveries.keys() == compiled.discoveries.keys() == {shared_book.RULES[1]}
    assert plain.discoveries == compiled.discoveries


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


class Fan:
    """From 0 to each of a million words that differ in their upper halves only, and no further."""

    most = 1 << 20
    symmetric = False
    properties: Sequence[str] = ()

    def initial(self) -> list[int]:
        return [0]

    def successors(self, state: int, into: MutableSequence[int]) -> int:
        if state:
            return 0
        for number in range(self.most):
            into[number] = number << 44
        return self.most

    def canonical(self, states: MutableSequence[int], count: int) -> None:
        """Nothing stands for anything else."""

    def broken(self, state: int) -> int:
        return 0

    def action(self, before: int, after: int) -> str:
        return f"to {after:x}"


def test_high_bits_spread_over_the_table(cache: Path) -> None:
    """A table that used only low bits would take hours."""
    found = explore_packed(Fan(), cache=cache, seconds=60)

    assert 1 << 20 == found.states
    assert found.complete


def test_a_missing_compiler_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the search runs all the same."""
    monkeypatch.setenv("PATH", str(tmp_path))
    lines: list[str] = []

    found = explore_packed(shared_book.Book(1), cache=tmp_path / "cache", say=lines.append)

    assert ["core runs as plain Python, slower: no C compiler: apt-get install gcc"] == lines
    assert 398 == found.states


class Doubtful:
    """Writes one successor and says two."""

    most, symmetric, properties = 1, False, ("any",)

    def initial(self) -> Sequence[int]:
        """One."""
        return [0]

    def successors(self, state: int, into: MutableSequence[int]) -> int:
        """Itself."""
        into[0] = state
        return 2

    def canonical(self, states: MutableSequence[int], count: int) -> None:
        """Nothing is symmetric."""

    def broken(self, state: int) -> int:
        """Nothing."""
        return 0

    def action(self, before: int, after: int) -> str:
        """A step."""
        return "step"


def test_more_successors_than_the_most_are_refused() -> None:
    """In plain Python."""
    with pytest.raises(IndexError, match="successors gave 2 states"):
        explore_packed(Doubtful())


def test_compiled_more_successors_than_the_most_are_refused(cache: Path) -> None:
    """They would not fit into the memory there is for them."""
    with pytest.raises(IndexError, match="successors gave 2 states"):
        explore_packed(Doubtful(), cache=cache)
