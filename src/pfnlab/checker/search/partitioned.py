"""One search whose states belong to several owners, with the same result as a search by one process.

For every state, the search itself keeps the number, the fingerprint of the key, and the step that led there:
14 bytes. Everything else is kept by the owners (:mod:`.owner`). The search hands out rounds, and numbers the
new states of each round in the order in which one process would have found them. So states, verdicts, paths
and counts are the same as from a breadth-first :func:`.explore.explore`.

A lost owner is replaced: its data is rebuilt from that of the search, and the round is restarted.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol, Unpack

from pfnlab.base.errors import Undecided
from pfnlab.base.units import number_of
from pfnlab.checker.search.exploration import Exploration, Property, judgement
from pfnlab.checker.search.explore import RunningSearch, SearchOptions
from pfnlab.checker.search.model import CountingModel, Model, State
from pfnlab.checker.search.owner import (
    ChoiceWay,
    OwnerData,
    OwnerProgress,
    Round,
    RoundAnswer,
    part_of,
    step_of,
)
from pfnlab.checker.search.path import Path, path_along
from pfnlab.checker.search.visited import fingerprint

#: States this far ahead of the next state are not expanded, because owners must keep findings from there
#: until all others have caught up.
_MOST_AHEAD = 1 << 15

#: The number of attempts after which a round is given up.
_ATTEMPTS = 5


class PartsLostError(Exception):
    """The owners of some parts are gone, or have lost their data."""

    def __init__(self, parts: Sequence[int]) -> None:
        self.parts = tuple(parts)
        super().__init__(f"the owners of {number_of(len(self.parts), 'part')} are gone")


class Owners(Protocol):
    """The owners of all parts, wherever they run. Each method asks all of them in parallel.

    The methods raise :class:`PartsLostError`.
    """

    parts: int

    @property
    def round_seconds(self) -> float:
        """The duration of a round: long compared with its messages, but short for a waiting user."""
        ...

    def host(self, round_: int, holdings: Mapping[int, OwnerData]) -> None:
        """Give each part of *holdings* to an owner, which adopts it (:meth:`.Owner.take_over`).

        :raises Undecided: if there is no owner to adopt a part
        """
        ...

    def expand(self, request: Round, numbers: Sequence[array[int]]) -> dict[int, OwnerProgress]:
        """Call :meth:`.Owner.expand` for all parts, each with its *numbers*."""
        ...

    def go_on(self, ways: Mapping[int, ChoiceWay]) -> dict[int, OwnerProgress]:
        """Call :meth:`.Owner.go_on` for some parts."""
        ...

    def settle(self, end: int) -> list[RoundAnswer]:
        """Send every part its boxes, and call :meth:`.Owner.settle` for all parts, in order."""
        ...


def explore_partitioned(
    model: Model[State],
    properties: Sequence[Property[State]],
    owners: Owners,
    *,
    round_states: int | None = None,
    **options: Unpack[SearchOptions],
) -> Exploration[State]:
    """Search *model* breadth first with *owners*; the result is the same as from :func:`.explore.explore`.

    An interrupt (SIGINT) ends the search after the current round.

    :param model: the model used to replay paths; the owners have their own
    :param round_states: the number of states that each owner expands per round; None for as many as time
        allows; does not change the result
    :raises Undecided: if no owner can adopt a lost owner's part
    """
    return _PartitionedSearch(model, properties, owners, round_states, options).searched()


class _PartitionedSearch(RunningSearch[State]):
    """A search with owners."""

    def __init__(
        self,
        model: Model[State],
        properties: Sequence[Property[State]],
        owners: Owners,
        round_states: int | None,
        options: SearchOptions,
    ) -> None:
        super().__init__(model, properties, options)
        self._owners, self._round_states = owners, round_states
        #: The fingerprints of all states, by state number.
        self._marks = array("Q")
        #: The number of the next state to expand, the depth of the waiting states, and where that depth ends.
        self._next = self._at = self._level_end = 0
        self._round = 0
        self._lost = set(range(owners.parts))
        #: For each part, the numbers of the new states from the previous round.
        self._numbers = [array("I") for _ in range(owners.parts)]

    def _begin(self) -> None:
        seen: set[int] = set()
        for choice, state in enumerate(self.model.initial()):
            mark = fingerprint(self.model.key(state))
            if mark not in seen:
                seen.add(mark)
                judged = judgement(self.found.properties, state, self.found.discoveries)
                self._admit(self.trail.start(choice), mark, 0, judged)
        self._level_end = len(self.trail)

    def _path(self, number: int) -> Path[State]:
        return path_along(self.model, *self.trail.way_to(number))

    def _go_on(self) -> None:
        self._take(*self._settled())

    def _goes_on(self) -> bool:
        # The time is checked only between rounds, because all findings in a round are taken.
        return not self.found.cut and super()._goes_on()

    def _waiting(self) -> tuple[int, int]:
        waiting = len(self.trail) - self._next
        if waiting and self._next == self._level_end:
            self._at, self._level_end = self._at + 1, len(self.trail)
        return waiting, self._at

    def _request(self) -> Round:
        """The next round."""
        end = min(self._level_end, self._next + _MOST_AHEAD)
        seconds = self._owners.round_seconds
        if (most := self._options.get("seconds")) is not None:
            seconds = min(seconds, max(0.0, most - self.found.seconds))
        decided = frozenset(self.found.discoveries)
        return Round(self._round, self._next, end, decided, seconds, self._round_states)

    def _settled(self) -> tuple[list[RoundAnswer], int]:
        """Run one round; return all parts' answers and the number of the first state not expanded."""
        for _ in range(_ATTEMPTS):
            try:
                if self._lost:
                    self._host()
                reached = self._owners.expand(self._request(), self._numbers)
                while unmet := [(part, at.unmet) for part, at in reached.items() if at.unmet is not None]:
                    ways = {part: self.trail.way_to(number) for part, number in unmet}
                    reached.update(self._owners.go_on(ways))
                end = min(at.end for at in reached.values())
                settled = self._owners.settle(end)
            except PartsLostError as error:
                self._lost.update(error.parts)
            else:
                self._round += 1
                return settled, end
        raise Undecided(
            f"a round of the search was lost {_ATTEMPTS} times, the last time with "
            f"{number_of(len(self._lost), 'part')} of its states: look into the logs of the workers, "
            "and begin the search again"
        )

    def _host(self) -> None:
        self._owners.host(self._round, {part: self._holding(part) for part in self._lost})
        self._lost.clear()

    def _holding(self, part: int) -> OwnerData:
        marks, parts = self._marks, self._owners.parts
        of_part = array("Q", [mark for mark in marks if part_of(mark, parts) == part])
        numbers = range(self._next, len(marks))
        ways = {n: self.trail.way_to(n) for n in numbers if part_of(marks[n], parts) == part}
        return OwnerData(of_part, ways)

    def _take(self, settled: list[RoundAnswer], end: int) -> None:
        """Take the steps from a round, in the order of states and their choices."""
        found = self.found
        counts = {
            number: counted
            for answer in settled
            for number, counted in zip(answer.numbers, answer.counts, strict=True)
        }
        news = iter(
            sorted(
                (tag, part, mark, judged)
                for part, answer in enumerate(settled)
                for tag, mark, judged in zip(answer.tags, answer.marks, answer.judged, strict=True)
            )
        )
        errors = dict(answer.error for answer in settled if answer.error is not None)
        self._numbers = [array("I") for _ in settled]
        new = next(news, None)
        while self._next < end:
            number = self._next
            if number in errors:
                raise errors[number]
            fired, counted, broken = counts[number]
            self._next += 1
            found.expanded += 1
            for name, count in fired:
                found.transitions += count
                found.fired[name] += count
            if counted is not None:
                assert isinstance(self.model, CountingModel)
                self.model.add_counts(counted)
            for name, choice in broken:
                if name not in found.discoveries:
                    found.discoveries[name] = path_along(self.model, *self.trail.way_by(number, choice))
            while new is not None and step_of(new[0])[0] == number:
                tag, part, mark, judged = new
                self._numbers[part].append(
                    self._admit(self.trail.step(*step_of(tag)), mark, self._at + 1, judged)
                )
                new = next(news, None)
            if self._next < end and not self._goes_on():
                return

    def _admit(self, number: int, mark: int, depth: int, judged: Iterable[tuple[str, bool]]) -> int:
        """Count a new state; return its number."""
        self._marks.append(mark)
        self.found.reached(depth, judged, partial(self._path, number))
        return number
