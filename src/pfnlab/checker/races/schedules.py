"""Schedules of races, one of those that differ only in the order of turns that do not meet: sleep sets.

Of two turns that are possible in one state and touch nothing that the other changes, both orders lead to the
same state. So behind one of them the other sleeps when it was looked at before, until a turn comes that meets
it. Every state is still found, on a way as short as without; what is left out are ways. (Godefroid, Holzmann
and Pirottin, "State-space caching revisited", 1992.)
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence, Set

from pfnlab.checker.races.race import RaceModel, RaceState
from pfnlab.checker.races.turns import TurnEffect
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.explore import SearchLimits
from pfnlab.checker.search.interrupts import interrupts
from pfnlab.checker.search.path import Path, path_along
from pfnlab.checker.search.property import Property
from pfnlab.checker.search.reduction import Footprint

#: What a turn touches and changes.
Look = Callable[[TurnEffect], Footprint]

_TELL_SECONDS = 1.0


def search(
    model: RaceModel,
    properties: Sequence[Property[RaceState]],
    *,
    states: int | None = None,
    seconds: float | None = None,
    progress: Callable[[Exploration[RaceState]], None] | None = None,
    look: Look = lambda came: came.footprint,
) -> Exploration[RaceState]:
    """Every state that a schedule of *model* reaches, breadth first.

    An interrupt (SIGINT) ends the search as a limit does.

    :param states: distinct states, about; none is expanded once there are as many
    :param seconds: time at most
    :param progress: called about once a second with what there is so far
    :param look: what another turn may meet of a turn; others than the default are for tests
    """
    search = Schedules(model, properties, look)
    found = search.found
    begin = told = time.monotonic()
    with interrupts() as interrupted:
        limits = SearchLimits(states, seconds, False, interrupted)
        while search.waiting:
            found.seconds, found.frontier = time.monotonic() - begin, len(search.waiting)
            if (why := limits.passed(found)) is not None:
                found.cut.append(why)
                break
            if progress is not None and begin + found.seconds - told >= _TELL_SECONDS:
                progress(found)
                told = begin + found.seconds
            search.expand(*search.waiting.popleft())
    found.seconds, found.frontier = time.monotonic() - begin, len(search.waiting)
    return found


#: Tasks that need not go on, and what their next turns touch; it stays the same while they sleep.
_Asleep = dict[int, Footprint]


class Schedules:
    """A search under way.

    :ivar found: what there is so far
    :ivar waiting: states, for each the tasks that are to go on and those that sleep meanwhile
    """

    def __init__(self, model: RaceModel, properties: Sequence[Property[RaceState]], look: Look) -> None:
        self._model, self._look = model, look
        self.found = Exploration(properties)
        self.waiting: deque[tuple[RaceState, Sequence[int], _Asleep]] = deque()
        #: By the key of a state, the tasks that never went on there.
        self._asleep: dict[bytes, Set[int]] = {}
        for state in model.initial():
            self._reach(state, {})

    def expand(self, state: RaceState, tasks: Sequence[int], asleep: _Asleep) -> None:
        """Let each of *tasks* go on, alone, behind which those before it sleep until they are met."""
        model, found = self._model, self.found
        found.expanded += 1
        for task in tasks:
            came = model.go(state, task)
            if came is None:
                continue
            found.transitions += 1
            found.fired[came.did.turn.kind] += 1
            step = self._look(came)
            still = {one: its for one, its in asleep.items() if not step.meets(its)}
            self._reach(model.after(state, task, came), still)
            asleep = {**asleep, task: step}

    def _reach(self, state: RaceState, asleep: _Asleep) -> None:
        key = self._model.key(state)
        known = self._asleep.get(key)
        if known is None:
            self._asleep[key] = asleep.keys()
            self.found.states += 1
            self.found.reached(len(state.moment.schedule), state, lambda: way_to(self._model, state))
            self.waiting.append((state, [task for task in state.able if task not in asleep], asleep))
        elif awake := known - asleep.keys():
            # On this way nobody has looked at them before, as on each way so far.
            self._asleep[key] = known & asleep.keys()
            still = {one: its for one, its in asleep.items() if one in known}
            self.waiting.append((state, sorted(awake), still))


def way_to(model: RaceModel, state: RaceState) -> Path[RaceState]:
    """The schedule of *state*, as a path."""
    at = list(model.initial())[state.race]
    choices = []
    for name in state.moment.schedule:
        steps = list(model.successors(at))
        choice = next(number for number, (turn, _) in enumerate(steps) if turn.task == name)
        choices.append(choice)
        at = steps[choice][1]
    return path_along(model, state.race, choices)
