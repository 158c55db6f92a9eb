"""Small models whose states can be counted by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

from pfnlab.checker.search.exploration import Exploration, Property
from pfnlab.checker.search.model import CountingModel, State, UnmetError

Grid = tuple[int, ...]


def always(
    name: str, holds: Callable[[State], bool], premise: Callable[[State], bool] = lambda state: True
) -> Property[State]:
    """A property of every state for which *premise* is true."""
    return Property(name, "always", lambda state: holds(state) if premise(state) else None)


def sometimes(name: str, holds: Callable[[State], bool]) -> Property[State]:
    """A property of some state."""
    return Property(name, "sometimes", holds)


class Counters:
    """Counters that go up by one to *top*: (top + 1) to the power of *count* states.

    :param symmetric: which counter has which value does not matter
    """

    def __init__(self, top: int = 5, count: int = 2, symmetric: bool = False) -> None:
        self.top, self.count, self.symmetric = top, count, symmetric

    def initial(self) -> list[Grid]:
        return [(0,) * self.count]

    def successors(self, state: Grid) -> Iterator[tuple[tuple[str, int], Grid]]:
        for at, value in enumerate(state):
            if value < self.top:
                yield ("up", at), (*state[:at], value + 1, *state[at + 1 :])

    def key(self, state: Grid) -> Hashable:
        return tuple(sorted(state)) if self.symmetric else state


class Forgetful:
    """Breaks the rule: what it answers depends on how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def initial(self) -> list[int]:
        return [0]

    def successors(self, state: int) -> list[tuple[str, int]]:
        self.asked += 1
        return [(f"call {self.asked}", state + 1)] if state < 3 else []

    def key(self, state: int) -> Hashable:
        return state


class Rooted:
    """Lines of *length* states, one for each of *roots*, the initial states, which never meet."""

    def __init__(self, roots: Iterable[int] = range(3), length: int = 10) -> None:
        self.roots, self.length = list(roots), length

    def initial(self) -> list[tuple[int, int]]:
        return [(root, 0) for root in self.roots]

    def successors(self, state: tuple[int, int]) -> list[tuple[str, tuple[int, int]]]:
        root, at = state
        return [("step", (root, at + 1))] if at + 1 < self.length else []

    def key(self, state: tuple[int, int]) -> Hashable:
        return state


class StepCounts(CountingModel):
    """Counts of steps by their names, as models of the kernel have them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def take_counts(self) -> tuple[Any, ...]:
        taken = tuple(self.seen.items())
        self.seen.clear()
        return taken

    def add_counts(self, counts: tuple[Any, ...]) -> None:
        self.seen.update(dict(counts))


class Graph(StepCounts):
    """Any graph: numbers, and from each the numbers that one step leads to.

    It counts its steps, as models of the kernel do.

    :param alike: states with the same remainder have one key
    :param registering: a state is understood only where a step to it was made
    :param failing: states out of which no step can be made
    """

    def __init__(
        self,
        edges: Sequence[Sequence[int]],
        roots: Sequence[int] = (0,),
        *,
        alike: int = 1 << 20,
        registering: bool = False,
        failing: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.edges, self.roots, self.alike, self.failing = edges, roots, alike, failing
        self.known: set[int] | None = set() if registering else None

    def initial(self) -> Iterator[int]:
        for root in self.roots:
            self._register(root)
            yield root

    def successors(self, state: int) -> Iterator[tuple[str, int]]:
        if self.known is not None and state not in self.known:
            raise UnmetError
        for place, after in enumerate(self.edges[state]):
            if state in self.failing:
                raise ZeroDivisionError(f"at {state}")
            self.seen[f"from {state}"] += 1
            self._register(after)
            yield f"kind{(state + place) % 3} to {after}", after

    def key(self, state: int) -> Hashable:
        return state % self.alike

    def _register(self, state: int) -> None:
        if self.known is not None:
            self.known.add(state)


def told(found: Exploration[Any]) -> dict[str, Any]:
    """All of a result but its time."""
    told = {**vars(found), "seconds": 0}
    return told | {"discoveries": {name: way.encode() for name, way in found.discoveries.items()}}
