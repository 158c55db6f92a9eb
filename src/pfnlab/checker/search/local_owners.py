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
from contextlib import contextmanager, nullcontext
from heapq import merge
from itertools import islice
from operator import itemgetter
from pathlib import Path as File
from typing import Any, Generic, Unpack

from pfnlab.base.errors import Undecided
from pfnlab.base.worker import Worker, WorkerEnded, end_all, forked, hear
from pfnlab.checker.search.exploration import Exploration, Property
from pfnlab.checker.search.explore import FOLDERS, SearchOptions, explore
from pfnlab.checker.search.frontier import Waiting
from pfnlab.checker.search.known_steps import KnownSteps
from pfnlab.checker.search.model import CountingModel, Model, State
from pfnlab.checker.search.owner import ChoiceWay, Owner, OwnerData, OwnerProgress, Round, RoundAnswer
from pfnlab.checker.search.partitioned import explore_partitioned
from pfnlab.checker.search.scratch import ROOM, scratch, written

#: The seconds for which a search runs in this process alone.
_ALONE_SECONDS = 0.1

#: A resumed search with more states than this starts other processes immediately.
_MOST_ALONE = 1 << 12

#: The number of states that a process hands over at a time for saving.
_TOGETHER = 1 << 12


def explore_side_by_side(
    model: Model[State],
    properties: Sequence[Property[State]] = (),
    *,
    jobs: int,
    memory: int | None = None,
    **options: Unpack[SearchOptions],
) -> Exploration[State]:
    """Run :func:`.explore.explore`, breadth first, in *jobs* processes, with the same result.

    This needs eight bytes per state in addition to *memory* and the paths.

    :param jobs: the number of processes that expand states; 1 for only this process
    :raises Misuse: as for :func:`.explore.explore`
    :raises Undecided: if the disk is full, or a process ended without an answer
    :raises PolicyError: if a user's code ended a process
    """
    if jobs == 1:
        return explore(model, properties, memory=memory, **options)
    with (
        nullcontext() if memory is None else scratch(FOLDERS) as folder,
        LocalOwners(model, properties, jobs, memory, folder) as owners,
    ):
        return explore_partitioned(model, properties, owners, **options)


class LocalOwners(Generic[State]):
    """:class:`.partitioned.Owners` in forks of this process, one per part; a context manager.

    Its methods raise Undecided if a process ended without an answer, and PolicyError if a user's code ended
    it.

    :param memory: approximate maximum size of the states in memory, in bytes; the rest goes to files in
        *folder*
    """

    def __init__(
        self,
        model: Model[State],
        properties: Sequence[Property[State]],
        parts: int,
        memory: int | None = None,
        folder: File | None = None,
    ) -> None:
        self._model, self._properties, self.parts = model, properties, parts
        self._memory, self._folder = None if memory is None else memory // parts, folder
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
        if sum(len(holding.marks) for holding in holdings.values()) > _MOST_ALONE:
            self._fork()
        self._answers({part: (_OwnerHost.take_over, round_) for part in holdings})

    def _fork(self) -> None:
        """Give each part its own process, which inherits the part's data from this one."""
        self._workers = [forked(hosted.begin, hosted.go_ahead) for hosted in self._hosted]
        self._hosted = []

    def _make(self, part: int) -> Owner[State]:
        folder = None if self._folder is None else self._folder / str(part)
        if folder is not None:
            with written(folder, ROOM):
                folder.mkdir()
        options: dict[str, Any] = {"met": self._met, "memory": self._memory, "folder": folder}
        return Owner(self._model, self._properties, part, self.parts, **options)

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

    def waiting(self, numbers: Sequence[array[int]], next_: int) -> Iterator[Waiting[State]]:
        self._answers({part: (_OwnerHost.begin_to_save, numbers[part], next_) for part in range(self.parts)})
        return merge(*map(self._waiting_of, range(self.parts)), key=itemgetter(0))

    def _waiting_of(self, part: int) -> Iterator[Waiting[State]]:
        while states := self._answers({part: (_OwnerHost.save,)})[part]:
            yield from states

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
    _to_save: Iterator[Waiting[State]]

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
        """Expand a state between requests; return False if none is left."""
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

    def begin_to_save(self, numbers: Sequence[int], next_: int) -> None:
        self._ahead = False
        self._to_save = self._owner.waiting(numbers, next_)

    def save(self) -> list[Waiting[State]]:
        """The next waiting states; empty after the last."""
        return list(islice(self._to_save, _TOGETHER))
