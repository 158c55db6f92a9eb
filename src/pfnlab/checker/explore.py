"""The search: every state reachable from the initial ones, breadth or depth first."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Literal

from .exploration import Exploration
from .model import Model, State, kind
from .path import path_along
from .property import Property
from .trail import Trail

Order = Literal["breadth", "depth"]


def explore(
    model: Model[State],
    properties: Sequence[Property[State]] = (),
    *,
    order: Order = "breadth",
    depth: int | None = None,
    states: int | None = None,
    seconds: float | None = None,
    stop_at_first: bool = False,
    progress: Callable[[Exploration[State]], None] | None = None,
) -> Exploration[State]:
    """Search *model* and hold *properties* against every state found.

    :param order: ``breadth`` finds shortest ways; ``depth`` holds fewer states at a time
    :param depth: steps from an initial state at most
    :param states: distinct states at most
    :param seconds: time at most
    :param stop_at_first: end when an ``always`` property is broken
    :param progress: called about once a second with what there is so far
    """
    found = Exploration(properties, growth=[0])
    begin = told = time.monotonic()
    trail = Trail()
    numbers: dict[Hashable, int] = {}
    depths: list[int] = []
    frontier: deque[tuple[int, State]] = deque()
    closed: set[int] = set()
    take = frontier.popleft if order == "breadth" else frontier.pop

    def judge(number: int, state: State) -> None:
        for asked in properties:
            if asked.premise is None or asked.premise(state):
                found.premises[asked.name] += 1
                if asked.name not in found.discoveries and asked.holds(state) == (asked.kind == "sometimes"):
                    found.discoveries[asked.name] = path_along(model, *trail.way_to(number))

    def admit(number: int, state: State, key: Hashable, at: int) -> None:
        numbers[key] = number
        depths.append(at)
        while len(found.growth) <= at:
            found.growth.append(0)
        found.growth[at] += 1
        judge(number, state)
        frontier.append((number, state))

    for choice, state in enumerate(model.initial()):
        if (key := model.key(state)) not in numbers:
            admit(trail.start(choice), state, key, 0)

    beyond = 0
    while frontier:
        found.states, found.seconds = len(trail), time.monotonic() - begin
        found.depth = len(found.growth) - 1
        if progress is not None and time.monotonic() - told > 1:
            told = time.monotonic()
            progress(found)
        if stop_at_first and any(
            asked.kind == "always" and asked.name in found.discoveries for asked in properties
        ):
            found.cut.append("stopped at the first violation")
            break
        if states is not None and len(trail) >= states:
            found.cut.append(f"states: {states:,} found, {len(frontier):,} not expanded")
            break
        if seconds is not None and found.seconds >= seconds:
            found.cut.append(f"seconds: {seconds:g} passed, {len(frontier):,} states not expanded")
            break
        parent, state = take()
        at = depths[parent] + 1
        if depth is not None and at > depth:
            beyond += 1
            continue
        again = parent in closed
        closed.add(parent)
        for choice, (action, after) in enumerate(model.successors(state)):
            if not again:
                found.transitions += 1
                found.fired[kind(action)] += 1
            key = model.key(after)
            known = numbers.get(key)
            if known is None:
                admit(trail.step(parent, choice), after, key, at)
            elif depth is not None and at < depths[known]:
                # Found on a longer way before: what lies behind it may now be within the depth.
                trail.move(known, parent, choice)
                depths[known] = at
                frontier.append((known, after))
    if beyond:
        found.cut.append(f"depth: {beyond:,} states at depth {depth} not expanded")
    found.states, found.seconds = len(trail), time.monotonic() - begin
    found.depth = len(found.growth) - 1
    return found
