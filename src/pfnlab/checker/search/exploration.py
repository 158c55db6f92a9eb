"""The properties and the result of a search: findings, size, and parts left out."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Generic, Literal

from pfnlab.checker.search.model import State
from pfnlab.checker.search.path import Path


@dataclass(frozen=True)
class Property(Generic[State]):
    """A question about the reachable states.

    :param kind: ``always``: no reachable state violates it. ``sometimes``: some reachable state satisfies it,
        which guards against searches that examine nothing
    :param answer: whether a state satisfies it; None if it does not apply there; a property that
        never applied holds vacuously
    :param of_step: whether it concerns something in the step to a state that is not part of the state's key;
        such a property is judged even if the state is already known
    """

    name: str
    kind: Literal["always", "sometimes"]
    answer: Callable[[State], bool | None]
    of_step: bool = False


def judgement(
    properties: Sequence[Property[State]], state: State, decided: Container[str]
) -> Iterator[tuple[str, bool]]:
    """The properties that apply to *state*, and for each whether *state* decides it.

    :param decided: properties that are already decided
    """
    for question in properties:
        # How often a decided one applies counts too, and must not depend on the order of the states.
        answer = question.answer(state)
        if answer is not None:
            yield question.name, question.name not in decided and answer == (question.kind == "sometimes")


def broken_by_step(
    properties: Sequence[Property[State]], state: State, decided: Container[str]
) -> Iterator[str]:
    """The step properties violated by a step to an already known *state*."""
    for question in properties:
        if question.of_step and question.name not in decided and question.answer(state) is False:
            yield question.name


@dataclass
class Exploration(Generic[State]):
    """The result of a search; while the search runs, the result so far.

    :param states: distinct states found, including the initial ones
    :param transitions: steps examined, including those to known states
    :param depth: the maximum number of steps from an initial state to any state, along the path on which it
        was found
    :param growth: the number of states found at each depth
    :param passed: the limits that ended the search, each as a reason
    :param beyond: a description of the states that were too deep for the search; empty if there were none
    :param discoveries: by property name: for ``always`` a path to a state that violates it, for ``sometimes``
        one to a state that satisfies it. Shortest in breadth-first order
    :param premises: the number of states to which each property applies, by property name
    :param fired: the number of steps of each kind of action
    :param seconds: the duration of the search
    :param frontier: the number of states waiting to be expanded
    :param expanded: the number of states that were expanded
    """

    properties: Sequence[Property[State]]
    states: int = 0
    transitions: int = 0
    depth: int = 0
    growth: list[int] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    beyond: str = ""
    discoveries: dict[str, Path[State]] = field(default_factory=dict)
    premises: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    frontier: int = 0
    expanded: int = 0

    def reached(self, depth: int, judged: Iterable[tuple[str, bool]], way: Callable[[], Path[State]]) -> None:
        """Count a new state.

        :param way: returns the path to it; called only if the state decides a property
        """
        self.states += 1
        if depth == len(self.growth):
            self.growth.append(0)
        self.growth[depth] += 1
        self.depth = max(self.depth, depth)
        for name, decides in judged:
            self.premises[name] += 1
            if decides and name not in self.discoveries:
                self.discoveries[name] = way()

    @property
    def rate(self) -> float:
        """States per second."""
        return self.states / self.seconds if self.seconds else 0.0

    @property
    def cut(self) -> list[str]:
        """The reasons why parts were left out; empty if every reachable state was visited."""
        return [*self.passed, *([self.beyond] if self.beyond else [])]


def merged(properties: Sequence[Property[State]], parts: Iterable[Exploration[State]]) -> Exploration[State]:
    """The combined result of searches that judged *properties* on disjoint parts of one model.

    :param parts: the results; of two equally long paths the first is kept
    """
    total = Exploration(properties)
    for part in parts:
        total.states += part.states
        total.transitions += part.transitions
        total.expanded += part.expanded
        total.frontier += part.frontier
        total.depth = max(total.depth, part.depth)
        total.seconds = max(total.seconds, part.seconds)
        total.premises.update(part.premises)
        total.fired.update(part.fired)
        total.passed.extend(part.cut)
        total.growth = [sum(counts) for counts in zip_longest(total.growth, part.growth, fillvalue=0)]
        for name, way in part.discoveries.items():
            discovery = total.discoveries.get(name)
            if discovery is None or len(way) < len(discovery):
                total.discoveries[name] = way
    return total
