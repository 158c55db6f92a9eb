"""What a search found, how much it saw, and what it left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal

from pfnlab.checker.search.model import State
from pfnlab.checker.search.path import Path
from pfnlab.checker.search.property import Property

Verdict = Literal["holds", "violated", "reached", "never", "vacuous", "undecided"]


@dataclass
class Exploration(Generic[State]):
    """The result of a search; while it runs, what it has so far.

    :param properties: what was asked
    :param states: distinct states found, the initial ones included
    :param transitions: steps looked at, those to known states included
    :param depth: the most steps from an initial state to any state found, on the way it was found
    :param growth: how many states were found at each depth
    :param cut: what was left out, one reason each; empty when every reachable state was seen
    :param discoveries: by property name: for ``always`` a way to a state that breaks it, for ``sometimes``
        one to a state that satisfies it. Shortest in breadth-first order
    :param premises: by property name, in how many states the question arose
    :param fired: how often each kind of action was a step
    :param seconds: how long the search took
    :param frontier: how many states wait to be expanded
    :param expanded: how many states were expanded
    :param note: what else to know about the counts, one line
    """

    properties: Sequence[Property[State]]
    states: int = 0
    transitions: int = 0
    depth: int = 0
    growth: list[int] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    discoveries: dict[str, Path[State]] = field(default_factory=dict)
    premises: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    frontier: int = 0
    expanded: int = 0
    note: str = ""

    def reached(self, depth: int, state: State, way: Callable[[], Path[State]]) -> None:
        """Count a new state, and hold the properties against it.

        :param way: the way there, asked for only where the state decides a property
        """
        if depth == len(self.growth):
            self.growth.append(0)
        self.growth[depth] += 1
        self.depth = max(self.depth, depth)
        for asked in self.properties:
            if asked.premise is None or asked.premise(state):
                self.premises[asked.name] += 1
                if asked.name not in self.discoveries and asked.holds(state) == (asked.kind == "sometimes"):
                    self.discoveries[asked.name] = way()

    @property
    def rate(self) -> float:
        """States a second."""
        return self.states / self.seconds if self.seconds else 0.0

    @property
    def violated(self) -> bool:
        """Whether an ``always`` property is broken."""
        return any(one.kind == "always" and one.name in self.discoveries for one in self.properties)

    @property
    def complete(self) -> bool:
        """Whether every reachable state was seen."""
        return not self.cut

    def verdict(self, name: str) -> Verdict:
        """What the search says of property *name*.

        ``holds`` and ``never`` are said only when nothing was cut; ``vacuous`` when an ``always`` property's
        premise was true nowhere.
        """
        asked = next(one for one in self.properties if one.name == name)
        if name in self.discoveries:
            return "violated" if asked.kind == "always" else "reached"
        if not self.complete:
            return "undecided"
        if asked.kind == "sometimes":
            return "never"
        return "holds" if self.premises[name] else "vacuous"
