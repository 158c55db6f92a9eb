"""Partial-order search over the schedules of races: sleep sets.

Two turns are independent if neither touches a part that the other changes. Both orders then lead to the same
state, so one order is enough: the task whose turn was expanded first sleeps after the other turn, and wakes
up at the first turn that is not independent of its own. This skips some schedules but no states: every state
is found, by a schedule no longer than without reduction. (Godefroid, Holzmann and Pirottin, "State-space
caching revisited", 1992.)
"""

import time
from collections import deque
from collections.abc import Callable, Sequence, Set
from typing import Unpack

from pfnlab.base.processes import in_order
from pfnlab.checker.races.memo import Footprint, TurnEffect
from pfnlab.checker.races.race import RaceModel, RaceState
from pfnlab.checker.search.exploration import Exploration, Property, judgement, merged
from pfnlab.checker.search.explore import RunningSearch, SearchOptions
from pfnlab.checker.search.path import Path, path_along

#: The footprint of a turn's effect.
Look = Callable[[TurnEffect], Footprint]


def search(
    model: RaceModel,
    properties: Sequence[Property[RaceState]],
    *,
    look: Look = lambda effect: effect.footprint,
    jobs: int = 1,
    **options: Unpack[SearchOptions],
) -> Exploration[RaceState]:
    """Find every state that any schedule of *model* reaches, breadth first.

    An interrupt (SIGINT) ends the search like a limit.

    :param look: returns the footprint of a turn's effect; only tests replace the default
    :param jobs: the number of races searched in parallel if there is no limit; does not change the result
    :param options: any but a depth, because the reduction is of schedules of any length
    """
    races = len(list(model.initial()))
    if jobs > 1 and races > 1 and options.get("states") is None and options.get("seconds") is None:
        return _race_by_race(model, properties, look, races, jobs)
    found = _Schedules(model, properties, look, options).searched()
    _put_in_order(model)
    for turns in model.turns:
        turns.forget_kernels()
    return found


def _race_by_race(
    model: RaceModel, properties: Sequence[Property[RaceState]], look: Look, races: int, jobs: int
) -> Exploration[RaceState]:
    """Do the same with one process per race: different races have no states in common."""

    def searched(race: int) -> tuple[Exploration[RaceState], tuple[object, ...]]:
        # The process may have searched another race before.
        model.take_counts()
        found = _Schedules(model, properties, look, {}, race).searched()
        # Properties are functions, so they are not sent back; the caller has them.
        found.properties = ()
        return found, model.take_counts()

    begin, parts = time.monotonic(), list[Exploration[RaceState]]()
    cut: list[str] = []
    try:
        for found, counts in in_order(
            searched, range(races), jobs, named=lambda race: f"race {race + 1} of {model.scope.name}"
        ):
            parts.append(found)
            model.add_counts(counts)
    except KeyboardInterrupt:
        cut.append(f"interrupted: {len(parts)} of {races} races searched")
    # Of two equally long schedules, the one from the earlier race counts as found first.
    total = merged(properties, parts)
    total.passed += cut
    total.seconds = time.monotonic() - begin
    _put_in_order(model)
    return total


def _put_in_order(model: RaceModel) -> None:
    """Report missing rules sorted by name, regardless of which was found first."""
    known = sorted(model.unmodelled.items())
    model.unmodelled.clear()
    model.unmodelled.update(dict(known))


#: Sleeping tasks, each with the footprint of its next turn, which stays the same while the task sleeps.
_Sleepers = dict[int, Footprint]


class _Schedules(RunningSearch[RaceState]):
    """A search of schedules.

    :param race: the number of the race to search; None for all
    """

    model: RaceModel

    def __init__(
        self,
        model: RaceModel,
        properties: Sequence[Property[RaceState]],
        look: Look,
        options: SearchOptions,
        race: int | None = None,
    ) -> None:
        super().__init__(model, properties, options)
        self._look, self._race = look, race
        #: The states to expand, each with the tasks to run there and the tasks that sleep.
        self._queue: deque[tuple[RaceState, Sequence[int], _Sleepers]] = deque()
        #: For each state key, the tasks that slept on every path to it so far.
        self._always_asleep: dict[bytes, Set[int]] = {}

    def _begin(self) -> None:
        for state in self.model.initial():
            if self._race in (None, state.race):
                self._reach(state, {})

    def _waiting(self) -> tuple[int, int]:
        return len(self._queue), 0

    def _go_on(self) -> None:
        """Run a turn of each task of the next state; after each turn, the tasks before it sleep."""
        model, found = self.model, self.found
        state, tasks, sleepers = self._queue.popleft()
        found.expanded += 1
        for task in tasks:
            effect = model.go(state, task)
            if effect is None:
                continue
            found.transitions += 1
            found.fired[effect.result.turn.kind] += 1
            turn_footprint = self._look(effect)
            sleepers_after = {
                sleeper: footprint
                for sleeper, footprint in sleepers.items()
                if not turn_footprint.meets(footprint)
            }
            self._reach(model.after(state, task, effect), sleepers_after)
            sleepers = {**sleepers, task: turn_footprint}
        for turn, after in model.exits(state):
            found.transitions += 1
            found.fired[turn.kind] += 1
            self._reach(after, {})

    def _reach(self, state: RaceState, sleepers: _Sleepers) -> None:
        key = self.model.key(state)
        always_asleep = self._always_asleep.get(key)
        if always_asleep is None:
            self._always_asleep[key] = sleepers.keys()
            judged = judgement(self.found.properties, state, self.found.discoveries)
            self.found.reached(len(state.joint.schedule), judged, lambda: way_to(self.model, state))
            self._queue.append((state, [task for task in state.able if task not in sleepers], sleepers))
        elif awake := always_asleep - sleepers.keys():
            # These tasks slept on every path so far but are awake on this one.
            self._always_asleep[key] = always_asleep & sleepers.keys()
            sleepers_here = {
                sleeper: footprint for sleeper, footprint in sleepers.items() if sleeper in always_asleep
            }
            self._queue.append((state, sorted(awake), sleepers_here))


def way_to(model: RaceModel, state: RaceState) -> Path[RaceState]:
    """The schedule that leads to *state*, as a path; its turns were counted when it was found."""
    with model.uncounted():
        current = list(model.initial())[state.race]
        choices = []
        for task in state.joint.schedule:
            steps = list(model.successors(current))
            choice = next(number for number, (turn, _) in enumerate(steps) if turn.task == task)
            choices.append(choice)
            current = steps[choice][1]
        return path_along(model, state.race, choices)
