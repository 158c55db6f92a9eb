"""The states that wait to be expanded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pfnlab.checker.search.frontier import Frontier

State = tuple[bytes, ...]


class Whole:
    """States that are stored as they are."""

    def initial(self) -> Iterator[State]:
        yield (b"a", b"b")

    def successors(self, state: State) -> Iterator[tuple[str, State]]:
        yield "on", state

    def key(self, state: State) -> State:
        return state


class Composed(Whole):
    """The same states, stored by their parts."""

    def parts(self, state: State) -> State:
        return state

    def composed(self, parts: State) -> State:
        return parts


@pytest.mark.parametrize("model", [Whole(), Composed()], ids=["whole", "by parts"])
def test_states_come_back_in_the_order_added(model: Whole) -> None:
    """With their numbers and depths; one that was put back is the next again."""
    frontier: Frontier[State] = Frontier(model)
    waiting = [(number, number // 2, (b"%d" % (number % 3), b"same")) for number in range(9)]
    for entry in waiting:
        frontier.add(*entry)

    frontier.put_back(frontier.take())

    assert waiting == [frontier.take() for _ in range(9)]
    assert not frontier


@pytest.mark.parametrize("model", [Whole(), Composed()], ids=["whole", "by parts"])
def test_the_next_state_is_known_before_it_is_taken(model: Whole) -> None:
    """Its number and its depth."""
    frontier: Frontier[State] = Frontier(model)
    frontier.add(7, 3, (b"a",))
    frontier.add(8, 4, (b"b",))

    assert ((7, 3), 2) == (frontier.first(), len(frontier))
