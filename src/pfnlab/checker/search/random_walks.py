"""Scopes too large to search: random walks, and many small searches each of a different part.

Nothing here is complete, and every result says so. Everything follows from a seed: the same seed, model and
limits find the same, and a walk can be made again alone from its seed and number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from random import Random
from typing import Generic

from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.model import Action, Model, State, kind
from pfnlab.checker.search.path import Path, path_by_actions
from pfnlab.checker.search.property import Property
from pfnlab.checker.search.visited import fingerprint
from pfnlab.units import number_of

# Steps drawn evenly never let one thread run far ahead, or do one thing often. So kinds of action weigh up
# to this many powers of ten less than others, and now and then, with this chance a step, are weighed anew.
_APART, _TURN = 3.0, 0.1

# The chance that a member of a swarm goes without a kind of action.
_WITHOUT = 0.25


def simulate(
    model: Model[State],
    properties: Sequence[Property[State]] = (),
    *,
    seed: int = 0,
    walks: int = 1000,
    length: int = 50,
    first: int = 0,
    seconds: float | None = None,
    stop_at_first: bool = False,
) -> Exploration[State]:
    """Walk at random, *walks* times *length* steps, and hold *properties* against every state met.

    Kinds of action are preferred at random, for some steps at a time: so a thread or an operation gets far
    while others wait. A walk ends early where no step is left. A discovery is the shortest of all walks.

    :param first: the number of the first walk; ``first=n, walks=1`` makes walk *n* alone
    :return: ``states`` counts distinct states by fingerprint; ``note`` says how many walks and steps there
        were
    """
    found = Exploration(properties)
    begin = time.monotonic()
    seen: set[int] = set()
    done = 0
    for number in range(first, first + walks):
        if seconds is not None and done and time.monotonic() - begin >= seconds:
            break
        _walk(model, Random(f"{seed}/{number}"), length, found, seen)
        done += 1
        if stop_at_first and found.violated:
            break
    found.states, found.seconds = len(seen), time.monotonic() - begin
    found.cut.append(
        f"random walks: {done:,} of at most {number_of(length, 'step')}, seed {seed}, from walk {first}"
    )
    found.note = f"{number_of(done, 'walk')}, {number_of(found.transitions, 'step')}"
    return found


def _walk(
    model: Model[State], random: Random, length: int, found: Exploration[State], seen: set[int]
) -> None:
    """One walk, its states judged and number_of."""
    starts = list(model.initial())
    start = random.randrange(len(starts))
    state = starts[start]
    choices: list[int] = []
    actions: list[Action] = []
    weights: dict[str, float] = {}
    while True:
        seen.add(fingerprint(model.key(state)))
        found.depth = max(found.depth, len(choices))
        _judge(found, state, start, choices, actions)
        if len(choices) == length:
            return
        steps = list(enumerate(model.successors(state)))
        if not steps:
            return
        if random.random() < _TURN:
            weights.clear()
        for _, (action, _) in steps:
            if kind(action) not in weights:
                weights[kind(action)] = 10 ** random.uniform(-_APART, 0)
        heavy = [weights[kind(action)] for _, (action, _) in steps]
        choice, (action, state) = random.choices(steps, heavy)[0]
        choices.append(choice)
        actions.append(action)
        found.transitions += 1
        found.fired[kind(action)] += 1


def _judge(
    found: Exploration[State], state: State, start: int, choices: Sequence[int], actions: Sequence[Action]
) -> None:
    for asked in found.properties:
        if asked.premise is not None and not asked.premise(state):
            continue
        found.premises[asked.name] += 1
        before = found.discoveries.get(asked.name)
        if before is not None and len(before) <= len(choices):
            continue
        if asked.holds(state) == (asked.kind == "sometimes"):
            found.discoveries[asked.name] = Path(start, tuple(choices), tuple(actions))


class ScopePart(Generic[State]):
    """A model without some kinds of action, its steps in an order of its own: one member of a swarm.

    :param without: the kinds left out
    :param seed: decides the order
    """

    def __init__(self, model: Model[State], without: frozenset[str], seed: str) -> None:
        self._model, self._without, self._seed = model, without, seed

    def initial(self) -> Sequence[State]:
        return list(self._model.initial())

    def successors(self, state: State) -> Iterator[tuple[Action, State]]:
        steps = [step for step in self._model.successors(state) if kind(step[0]) not in self._without]
        # The order depends on the state, but is the same whenever that state is asked.
        Random(f"{self._seed}/{fingerprint(self._model.key(state))}").shuffle(steps)
        yield from steps

    def key(self, state: State) -> Hashable:
        return self._model.key(state)


def swarm(
    model: Model[State],
    properties: Sequence[Property[State]] = (),
    *,
    kinds: Sequence[str],
    seed: int = 0,
    members: int = 16,
    states: int = 10_000,
    depth: int | None = None,
    seconds: float | None = None,
    stop_at_first: bool = False,
    member: Callable[[int, Exploration[State]], None] | None = None,
) -> Exploration[State]:
    """Many depth-first searches, each without a random part of *kinds* and in an order of its own.

    Together they reach states that one search of the same size never comes to. The discoveries are ways
    through *model* itself.

    :param kinds: kinds of action that may be left out
    :param states: distinct states each member may find
    :param seconds: time for all of them
    :param member: told what each found
    """
    total = Exploration(properties)
    begin = time.monotonic()
    done = 0
    for number in range(members):
        left = None if seconds is None else seconds - (time.monotonic() - begin)
        if left is not None and left <= 0:
            break
        random = Random(f"{seed}/{number}")
        without = frozenset(name for name in kinds if random.random() < _WITHOUT)
        part = ScopePart(model, without, f"{seed}/{number}")
        found = explore(
            part,
            properties,
            order="depth",
            depth=depth,
            states=states,
            seconds=left,
            stop_at_first=stop_at_first,
            keep="compact",
        )
        _merge(total, found, model)
        done += 1
        if member is not None:
            member(number, found)
        if stop_at_first and total.violated:
            break
    total.seconds = time.monotonic() - begin
    total.cut.append(
        f"swarm: {number_of(done, 'search', 'searches')} of at most {number_of(states, 'state')}, seed {seed}"
    )
    total.note = "states are number_of once for each search that found them"
    return total


def _merge(total: Exploration[State], found: Exploration[State], model: Model[State]) -> None:
    total.states += found.states
    total.transitions += found.transitions
    total.depth = max(total.depth, found.depth)
    total.premises.update(found.premises)
    total.fired.update(found.fired)
    for name, way in found.discoveries.items():
        before = total.discoveries.get(name)
        if before is None or len(way) < len(before):
            total.discoveries[name] = path_by_actions(model, way.start, way.actions)
