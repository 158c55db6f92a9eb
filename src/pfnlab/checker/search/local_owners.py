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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
        self._model, self._properties, self.parts = model, properties, parts
        self._met = KnownSteps()
        #: The parts, while they are in this process.
        self._hosted: list[_OwnerHost[State]] = []
        self._workers: list[Worker] = []
        self._began = time.monotonic()
        #: The boxes in this round, by the part they come from and the part they are for.
        self._boxes: dict[int, dict[int, bytes]] = {}

    @property
    def round_seconds(self) -> float:
        return 0.5 if self._workers else _ALONE_SECONDS / self.parts

    def __enter__(self) -> LocalOwners[State]:
        return self

    def __exit__(self, *_: object) -> None:
        end_all(self._workers)

    def host(self, round_: int, holdings: Mapping[int, OwnerData]) -> None:
        """Like :meth:`.partitioned.Owners.host`, but works only once."""
        parts = range(self.parts)
        self._hosted = [_OwnerHost(self._model, self._make, part, holdings[part]) for part in parts]
        self._began = time.monotonic()
        self._answers({part: (_OwnerHost.take_over, round_) for part in holdings})

    def _fork(self) -> None:
        """Give each part its own process, which inherits the part's data from this one."""
        self._workers = [forked(hosted.begin, hosted.go_ahead) for hosted in self._hosted]
        self._hosted = []

    def _make(self, part: int) -> Owner[State]:
        return Owner(self._model, self._properties, part, self.parts, self._met)

    def expand(self, request: Round, numbers: Sequence[array[int]]) -> dict[int, OwnerProgress]:
        if self._hosted and time.monotonic() - self._began >= _ALONE_SECONDS:
            self._fork()
        return self._reached(
            {part: (_OwnerHost.expand, request, numbers[part]) for part in range(self.parts)}
        )

    def go_on(self, ways: Mapping[int, ChoiceWay]) -> dict[int, OwnerProgress]:
        return self._reached({part: (_OwnerHost.go_on, way) for part, way in ways.items()})

    def _reached(self, requests: Mapping[int, tuple[Any, ...]]) -> dict[int, OwnerProgress]:
        answers = self._answers(requests)
        self._boxes.update((part, boxes) for part, (_, boxes) in answers.items())
        return {part: reached for part, (reached, _) in answers.items()}

    def settle(self, end: int) -> list[RoundAnswer]:
        parts = range(self.parts)
        boxes = {part: [self._boxes[other][part] for other in parts if other != part] for part in parts}
        self._boxes = {}
        answers = self._answers({part: (_OwnerHost.settle, boxes[part], end) for part in parts})
        return [answers[part] for part in parts]

    def _answers(self, requests: Mapping[int, tuple[Any, ...]]) -> dict[int, Any]:
        """The answers from some parts, whose processes work in parallel."""
        if self._hosted:
            with _own_counts(self._model):
                return {part: method(self._hosted[part], *rest) for part, (method, *rest) in requests.items()}
        answers = {part: self._workers[part].post(request) for part, request in requests.items()}
        while not all(answer.done() for answer in answers.values()):
            hear(self._workers)
        try:
            return {part: answer.result() for part, answer in answers.items()}
        except WorkerEnded as lost:
            says = f"a process of the search ended without an answer (exit {lost.code})"
            raise Undecided(says) from None


@contextmanager
def _own_counts(model: Model[Any]) -> Iterator[None]:
    """Let *model* count from zero, then restore the earlier counts."""
    if not isinstance(model, CountingModel):
        yield
        return
    before = model.take_counts()
    try:
        yield
    finally:
        model.take_counts()
        model.add_counts(before)


class _OwnerHost(Generic[State]):
    """An owner in its own process. Each method except the first two answers a request."""

    _owner: Owner[State]

    def __init__(
        self, model: Model[State], make: Callable[[int], Owner[State]], part: int, holding: OwnerData
    ) -> None:
        self._model, self._make, self._part, self._holding = model, make, part, holding
        #: Whether there is work to do between requests.
        self._ahead = False

    def begin(self) -> Callable[[tuple[Any, ...]], Any]:
        """Start in a separate process; return the request handler there."""
        if isinstance(self._model, CountingModel):
            # The parent already knows the counts from before the fork.
            self._model.take_counts()
        return lambda request: request[0](self, *request[1:])

    def go_ahead(self) -> bool:
        """Expand a state between requests; return False if all are expanded."""
        self._ahead = self._ahead and self._owner.run_ahead()
        return self._ahead

    def take_over(self, round_: int) -> None:
        self._owner = self._make(self._part)
        self._owner.take_over(round_, self._holding)
        del self._holding

    def expand(self, request: Round, numbers: Sequence[int]) -> tuple[OwnerProgress, dict[int, bytes]]:
        """Expand states; return the owner's progress and its boxes for all other owners."""
        return self._reached(self._owner.expand(request, numbers))

    def go_on(self, way: ChoiceWay) -> tuple[OwnerProgress, dict[int, bytes]]:
        return self._reached(self._owner.go_on(way))

    def _reached(self, reached: OwnerProgress) -> tuple[OwnerProgress, dict[int, bytes]]:
        if reached.unmet is not None:
            return reached, {}
        self._ahead = True
        return reached, self._owner.boxes()

    def settle(self, boxes: list[bytes], end: int) -> RoundAnswer:
        self._ahead = True
        return self._owner.settle(boxes, end)
