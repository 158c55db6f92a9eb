"""Partial-order search over the schedules of races: sleep sets.

Two turns are independent when neither touches a part that the other changes; both orders then lead to the
same state. After one of them the other one sleeps if it was looked at before, until a turn comes that is not
independent of it. Every state is still found, by a schedule as short as without; schedules are left out, not
states. (Godefroid, Holzmann and Pirottin, "State-space caching revisited", 1992.)
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence, Set

from pfnlab.checker.races.memo import TurnEffect
from pfnlab.checker.races.race import RaceModel, RaceState
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.explore import SearchLimits
from pfnlab.checker.search.interrupts import interrupts
from pfnlab.checker.search.path import Path, path_along
from pfnlab.checker.search.property import Property
from pfnlab.checker.search.reduction import Footprint

#: The footprint of a turn's effect.
Look = Callable[[TurnEffect], Footprint]

_TELL_SECONDS = 1.0


def search(
    model: RaceModel,
    properties: Sequence[Property[RaceState]],
    *,
    states: int | None = None,
    seconds: float | None = None,
    progress: Callable[[Exploration[RaceState]], None] | None = None,
    look: Look = lambda effect: effect.footprint,
) -> Exploration[RaceState]:
    """Every state that a schedule of *model* reaches, breadth first.

    An interrupt (SIGINT) ends the search as a limit does.

    :param states: distinct states, about; none is expanded once there are as many
    :param seconds: time at most
    :param progress: called about once a second with what there is so far
    :param look: the footprint of a turn's effect; others than the default are for tests
    """
    search = Schedules(model, properties, look)
    found = search.found
    begin = told_free = time.monotonic()
    with interrupts() as interrupted:
        limits = SearchLimits(states, seconds, False, interrupted)
        while search.waiting:
            found.seconds, found.frontier = time.monotonic() - begin, len(search.waiting)
            if (why := limits.passed(found)) is not None:
                found.cut.append(why)
                break
            if progress is not None and begin + found.seconds - told_free >= _TELL_SECONDS:
                progress(found)
                told_free = begin + found.seconds
            search.expand(*search.waiting.popleft())
    found.seconds, found.frontier = time.monotonic() - begin, len(search.waiting)
    return found


#: Tasks that sleep, each with the footprint of its next turn; it stays the same while the task sleeps.
_Asleep = dict[int, Footprint]


class Schedules:
    """A search under way.

    :ivar found: what there is so far
    :ivar waiting: states to expand, each with the tasks that run there and those that sleep
    """

    def __init__(self, model: RaceModel, properties: Sequence[Property[RaceState]], look: Look) -> None:
        self._model, self._look = model, look
        self.found = Exploration(properties)
        self.waiting: deque[tuple[RaceState, Sequence[int], _Asleep]] = deque()
        #: By the key of a state, the tasks that slept on every way to it.
        self._asleep: dict[bytes, Set[int]] = {}
        for state in model.initial():
            self._reach(state, {})

    def expand(self, state: RaceState, tasks: Sequence[int], asleep: _Asleep) -> None:
        """Run a turn of each of *tasks*; the tasks before it sleep after it."""
        model, found = self._model, self.found
        found.expanded += 1
        for task in tasks:
            effect = model.go(state, task)
            if effect is None:
                continue
            found.transitions += 1
            found.fired[effect.result.turn.kind] += 1
            step = self._look(effect)
            still = {one: its for one, its in asleep.items() if not step.meets(its)}
            self._reach(model.after(state, task, effect), still)
            asleep = {**asleep, task: step}

    def _reach(self, state: RaceState, asleep: _Asleep) -> None:
        key = self._model.key(state)
        known = self._asleep.get(key)
        if known is None:
            self._asleep[key] = asleep.keys()
            self.found.states += 1
            self.found.reached(len(state.joint.schedule), state, lambda: way_to(self._model, state))
            self.waiting.append((state, [task for task in state.able if task not in asleep], asleep))
        elif awake := known - asleep.keys():
            # They slept on every way so far and are awake on this one.
            self._asleep[key] = known & asleep.keys()
            still = {one: its for one, its in asleep.items() if one in known}
            self.waiting.append((state, sorted(awake), still))


def way_to(model: RaceModel, state: RaceState) -> Path[RaceState]:
    """The schedule that leads to *state*, as a path."""
    at = list(model.initial())[state.race]
    choices = []
    for name in state.joint.schedule:
        steps = list(model.successors(at))
        choice = next(number for number, (turn, _) in enumerate(steps) if turn.task == name)
        choices.append(choice)
        at = steps[choice][1]
    return path_along(model, state.race, choices)
