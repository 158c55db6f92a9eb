"""One search whose states belong to several owners, with the result of a search by one process.

The search itself knows of every state its number, the fingerprint of its key, and the step that led to it:
14 bytes. Everything else is with the owners (:mod:`.owner`). It hands out rounds, and numbers the new states
of each round in the order in which one process would have found them. So states, verdicts, ways and counts
are those of :func:`.explore.explore`, breadth first.

An owner that is lost is replaced: what it had is made again from what the search knows, and the round is
begun once more.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import partial
from heapq import merge
from itertools import repeat
from operator import itemgetter
from typing import Generic, NamedTuple, Protocol

from pfnlab.checker.search.exploration import Exploration, judgement
from pfnlab.checker.search.explore import SearchLimits
from pfnlab.checker.search.interrupts import interrupts
from pfnlab.checker.search.model import Counting, Model, State
from pfnlab.checker.search.owner import ChoiceWay, NewState, Settled, StepCounts, part_of, step_of
from pfnlab.checker.search.path import Path, path_along
from pfnlab.checker.search.property import Property
from pfnlab.checker.search.trail import Trail
from pfnlab.checker.search.visited import fingerprint
from pfnlab.errors import Undecided
from pfnlab.units import number_of

#: The seconds that a round should last: long beside the messages of a round, short for one who waits.
_ROUND_SECONDS = 2.0

#: The states of the first round, for each part.
_FIRST_STATES = 64

#: A round that was lost so often is given up.
_ATTEMPTS = 5

_TELL_SECONDS = 1.0


class Holding(NamedTuple):
    """All that an owner needs to have its part.

    :param marks: the fingerprints of its states
    :param ways: for the number of each state that waits, the way to it
    """

    marks: array[int]
    ways: Mapping[int, ChoiceWay]


class PartsLostError(Exception):
    """The owners of some parts are gone, or have no more what they had.

    :param parts: the parts; the others have what they had
    """

    def __init__(self, parts: Sequence[int]) -> None:
        self.parts = tuple(parts)
        super().__init__(f"the owners of {number_of(len(self.parts), 'part')} are gone")


class Owners(Protocol):
    """The owners of all parts, wherever they are. Each method asks all of them side by side.

    The methods raise :class:`PartsLostError`.

    :ivar parts: how many parts there are
    """

    parts: int

    def host(self, round_: int, holdings: Mapping[int, Holding]) -> None:
        """Give each part of *holdings* to an owner that takes it over (:meth:`.Owner.take_over`).

        :raises Undecided: there is nobody to take them
        """
        ...

    def expand(
        self, round_: int, numbers: Sequence[array[int]], end: int, decided: Set[str]
    ) -> dict[int, int | None]:
        """:meth:`.Owner.expand` of all parts; *numbers* has those of each part."""
        ...

    def go_on(self, ways: Mapping[int, ChoiceWay]) -> dict[int, int | None]:
        """:meth:`.Owner.go_on` of some parts."""
        ...

    def settle(self) -> list[Settled]:
        """Every part gets the boxes that are for it; :meth:`.Owner.settle` of all parts, in order."""
        ...


def explore_partitioned(
    model: Model[State],
    properties: Sequence[Property[State]],
    owners: Owners,
    *,
    depth: int | None = None,
    states: int | None = None,
    seconds: float | None = None,
    progress: Callable[[Exploration[State]], None] | None = None,
    round_states: int | None = None,
) -> Exploration[State]:
    """Search *model* breadth first with *owners*; the result is that of :func:`.explore.explore`.

    An interrupt (SIGINT) ends the search after the round.

    :param model: the model, with which ways are replayed; the owners have their own
    :param depth: steps from an initial state at most
    :param states: about how many distinct states; none is expanded once there are that many
    :param seconds: time at most; a round under way is finished
    :param progress: called about once a second with the result so far
    :param round_states: states that are expanded in one round; None for as many as take two seconds. It does
        not change the result
    :raises Undecided: nobody can take over a part whose owner is lost
    """
    search = _Partitioned(model, properties, owners, depth, round_states)
    with interrupts() as interrupted:
        search.run(SearchLimits(states, seconds, False, interrupted), progress)
    return search.found


class _Partitioned(Generic[State]):
    """A search under way."""

    def __init__(
        self,
        model: Model[State],
        properties: Sequence[Property[State]],
        owners: Owners,
        depth: int | None,
        round_states: int | None,
    ) -> None:
        self._model, self._owners, self._depth = model, owners, depth
        self.found = Exploration(properties)
        self._trail = Trail()
        self._marks = array("Q")
        #: The number of the next state to expand, the depth of the states that wait, and where these end.
        self._next = self._at = 0
        self._round_states = round_states
        self._size = round_states or _FIRST_STATES * owners.parts
        self._round = 0
        self._lost = set(range(owners.parts))
        #: For each part the numbers of the states that were new in the round before.
        self._numbers = [array("I") for _ in range(owners.parts)]
        self._begin(properties)
        self._level_end = len(self._trail)

    def _begin(self, properties: Sequence[Property[State]]) -> None:
        seen: set[int] = set()
        for choice, state in enumerate(self._model.initial()):
            mark = fingerprint(self._model.key(state))
            if mark not in seen:
                seen.add(mark)
                number = self._trail.start(choice)
                self._marks.append(mark)
                judged = judgement(properties, state, self.found.discoveries)
                self.found.reached(0, judged, partial(self._path, number))

    def _path(self, number: int) -> Path[State]:
        return path_along(self._model, *self._trail.way_to(number))

    def run(self, limits: SearchLimits, progress: Callable[[Exploration[State]], None] | None) -> None:
        """Hand out rounds until no state waits or a limit passes."""
        self._limits = limits
        self._began = told = time.monotonic()
        while self._goes_on():
            began = time.monotonic()
            end = min(self._next + self._size, self._level_end)
            self._take(self._settled(end), end)
            self._fit(time.monotonic() - began)
            if progress is not None and time.monotonic() - told >= _TELL_SECONDS:
                progress(self.found)
                told = time.monotonic()
        if not self.found.cut and self.found.frontier:
            waiting = number_of(self.found.frontier, "state")
            self.found.beyond = f"depth: {waiting} at depth {self._depth} not expanded"

    def _goes_on(self) -> bool:
        """True where the next state is to be expanded: one waits, not too deep, and no limit has passed.

        As a search by one process asks before every state.
        """
        found = self.found
        if found.cut:
            return False
        found.seconds = time.monotonic() - self._began
        found.states, found.frontier = len(self._trail), len(self._trail) - self._next
        if self._next == self._level_end:
            self._at, self._level_end = self._at + 1, len(self._trail)
        if not found.frontier or (self._depth is not None and self._at >= self._depth):
            return False
        reason = self._limits.passed(found)
        if reason is not None:
            found.passed.append(reason)
        return reason is None

    def _settled(self, end: int) -> list[Settled]:
        """One round: the answers of all parts for the states up to *end*."""
        for _ in range(_ATTEMPTS):
            try:
                if self._lost:
                    self._owners.host(self._round, {part: self._holding(part) for part in self._lost})
                    self._lost.clear()
                decided = frozenset(self.found.discoveries)
                asked = self._owners.expand(self._round, self._numbers, end, decided)
                while unmet := {part: number for part, number in asked.items() if number is not None}:
                    ways = {part: self._trail.way_to(number) for part, number in unmet.items()}
                    asked = self._owners.go_on(ways)
                settled = self._owners.settle()
            except PartsLostError as error:
                self._lost.update(error.parts)
            else:
                self._round += 1
                return settled
        raise Undecided(
            f"a round of the search was lost {_ATTEMPTS} times, the last time with "
            f"{number_of(len(self._lost), 'part')} of its states: look into the logs of the workers, "
            "and begin the search again"
        )

    def _holding(self, part: int) -> Holding:
        parts = self._owners.parts
        numbers = [number for number, mark in enumerate(self._marks) if part_of(mark, parts) == part]
        return Holding(
            array("Q", [self._marks[number] for number in numbers]),
            {number: self._trail.way_to(number) for number in numbers if number >= self._next},
        )

    def _take(self, settled: list[Settled], end: int) -> None:
        """Take the steps of a round, in the order of the states and their choices."""
        found = self.found
        counts: Iterator[tuple[int, StepCounts]] = merge(
            *(answer.counts for answer in settled), key=itemgetter(0)
        )
        news: Iterator[tuple[NewState, int]] = merge(
            *(zip(answer.found, repeat(part)) for part, answer in enumerate(settled)),
            key=lambda pair: pair[0].tag,
        )
        errors = dict(answer.error for answer in settled if answer.error is not None)
        self._numbers = [array("I") for _ in settled]
        new, part = next(news, (None, 0))
        while self._next < end:
            number = self._next
            if number in errors:
                raise errors[number]
            _, (fired, counted) = next(counts)
            self._next += 1
            found.expanded += 1
            for name, count in fired:
                found.transitions += count
                found.fired[name] += count
            if counted is not None:
                assert isinstance(self._model, Counting)
                self._model.add_counts(counted)
            while new is not None and step_of(new.tag)[0] == number:
                self._admit(new, part)
                new, part = next(news, (None, 0))
            if self._next < end and not self._goes_on():
                return

    def _admit(self, new: NewState, part: int) -> None:
        number = self._trail.step(*step_of(new.tag))
        self._marks.append(new.mark)
        self._numbers[part].append(number)
        self.found.reached(self._at + 1, new.judged, partial(self._path, number))

    def _fit(self, took: float) -> None:
        """Let the next round be as long as a round should be."""
        if self._round_states is None:
            factor = min(2.0, max(0.5, _ROUND_SECONDS / max(took, 0.001)))
            self._size = max(_FIRST_STATES, int(self._size * factor))
