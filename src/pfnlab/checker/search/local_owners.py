"""One search on several processors of this host, with part of the states owned by each process.

States pass between processes as bytes, which this process forwards unread. It keeps the states' numbers and
the counts of their steps (:mod:`.partitioned`). Between two rounds, while this process works or waits for a
slower one, the others expand more states at the same depth.

A search begins in this process alone, because most searches end before other processes could have started.
The others are forked a moment later, and each inherits its part as it then is.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, Generic, Unpack

from pfnlab.base.errors import Undecided
from pfnlab.base.worker import Worker, WorkerEnded, end_all, forked, hear
from pfnlab.checker.search.exploration import Exploration, Property
from pfnlab.checker.search.explore import SearchOptions, explore
from pfnlab.checker.search.known_steps import KnownSteps
from pfnlab.checker.search.model import CountingModel, Model, State
from pfnlab.checker.search.owner import ChoiceWay, Owner, OwnerData, OwnerProgress, Round, RoundAnswer
from pfnlab.checker.search.partitioned import explore_partitioned

#: The seconds for which a search runs in this process alone.
_ALONE_SECONDS = 0.1


def explore_side_by_side(
    model: Model[State],
    properties: Sequence[Property[State]] = (),
    *,
    jobs: int,
    **options: Unpack[SearchOptions],
) -> Exploration[State]:
    """Run :func:`.explore.explore` in *jobs* processes, with the same result.

    :param jobs: the number of processes that expand states; 1 for only this process
    :raises Undecided: if a process ended without an answer
    :raises PolicyError: if a user's code ended a process
    """
    if jobs == 1:
        return explore(model, properties, **options)
    with LocalOwners(model, properties, jobs) as owners:
        return explore_partitioned(model, properties, owners, **options)


class LocalOwners(Generic[State]):
    """:class:`.partitioned.Owners` in forks of this process, one per part; a context manager.

    Its methods raise Undecided if a process ended without an answer, and PolicyError if a user's code ended
    it.
    """

    def __init__(self, model: Model[State], properties: Sequence[Property[State]], parts: int) -> None:
        self._uncounted = model.uncounted if isinstance(model, CountingModel) else nullcontext
        self.parts = parts
        met = KnownSteps()
        #: The owners, while they are in this process.
        self._owners = [Owner(model, properties, part, parts, met) for part in range(parts)]
        self._workers: list[Worker] = []
        self._began = time.monotonic()

    @property
    def round_seconds(self) -> float:
        return 0.5 if self._workers else _ALONE_SECONDS / self.parts

    def __enter__(self) -> LocalOwners[State]:
        return self

    def __exit__(self, *_: object) -> None:
        end_all(self._workers)

    def host(self, round_: int, holdings: Mapping[int, OwnerData]) -> None:
        """Like :meth:`.partitioned.Owners.host`, but works only once."""
        self._answers({part: ("take_over", round_, holding) for part, holding in holdings.items()})

    def expand(self, request: Round, numbers: Sequence[array[int]]) -> dict[int, OwnerProgress]:
        if self._owners and time.monotonic() - self._began >= _ALONE_SECONDS:
            self._fork()
        return self._answers({part: ("expand", request, numbers[part]) for part in range(self.parts)})

    def _fork(self) -> None:
        """Give each owner its own process, which inherits the part's data from this one."""
        # Counts from before the fork stay here.
        with self._uncounted():
            self._workers = [
                forked(partial(partial, _answer, owner), owner.run_ahead) for owner in self._owners
            ]
        self._owners = []

    def go_on(self, ways: Mapping[int, ChoiceWay]) -> dict[int, OwnerProgress]:
        return self._answers({part: ("go_on", way) for part, way in ways.items()})

    def settle(self, end: int) -> list[RoundAnswer]:
        parts = range(self.parts)
        sent = self._answers({part: ("boxes",) for part in parts})
        boxes = {part: [sent[other][part] for other in parts if other != part] for part in parts}
        answers = self._answers({part: ("settle", boxes[part], end) for part in parts})
        return [answers[part] for part in parts]

    def _answers(self, requests: Mapping[int, tuple[Any, ...]]) -> dict[int, Any]:
        """The answers of some owners, whose processes work in parallel, to calls of their methods."""
        if self._owners:
            with self._uncounted():
                return {part: _answer(self._owners[part], request) for part, request in requests.items()}
        answers = {part: self._workers[part].post(request) for part, request in requests.items()}
        while not all(answer.done() for answer in answers.values()):
            hear(self._workers)
        try:
            return {part: answer.result() for part, answer in answers.items()}
        except WorkerEnded as lost:
            says = f"a process of the search ended without an answer (exit {lost.code})"
            raise Undecided(says) from None


def _answer(owner: Owner[Any], request: tuple[Any, ...]) -> Any:
    method, *rest = request
    return getattr(owner, method)(*rest)
