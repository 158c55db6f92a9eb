"""Packed models, compiled: the states that plain Python counts, in the same order."""

from __future__ import annotations

from array import array
from collections.abc import MutableSequence, Sequence
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
import shared_book
from compiled_here import compiled_book, compiled_modules
from doubtful_model import Doubtful
from shrinking_book import Shrinking

from pfnlab.checker.search.frontier import Order
from pfnlab.checker.search.packed import explore_packed

ORDERS: tuple[Order, ...] = ("breadth", "depth")


@pytest.fixture(scope="session")
def cache() -> Path:
    """Where compiled modules are; skips where nothing compiles."""
    return compiled_modules()


@pytest.fixture(scope="session")
def fast(cache: Path) -> ModuleType:
    """The shared book, compiled."""
    return compiled_book(cache)


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


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("pages", "states", "transitions"), [(2, 21_530, 160_532), (3, 471_404, 4_311_212)])
def test_compiled_it_has_its_states(
    order: Order, pages: int, states: int, transitions: int, cache: Path, fast: ModuleType
) -> None:
    """Breadth and depth first."""
    found = explore_packed(fast.Book(pages), order=order, cache=cache)

    assert (states, transitions) == (found.states, found.transitions)
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


def test_a_compiled_search_tells_the_same_way(cache: Path) -> None:
    """The states it stored are read back for it."""
    model = Shrinking(3)

    plain, compiled = explore_packed(model), explore_packed(model, cache=cache)

    assert plain.discoveries.keys() == compiled.discoveries.keys() == {shared_book.RULES[1]}
    assert plain.discoveries == compiled.discoveries


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


def test_compiled_more_successors_than_the_most_are_refused(cache: Path) -> None:
    """They would not fit into the memory there is for them."""
    with pytest.raises(IndexError, match="successors gave 2 states"):
        explore_packed(Doubtful(), cache=cache)
