"""One search on several processors: processes that expand states, in the order in which one would.

Each process finds the successors of some states and judges those that it never saw. The search itself, with
the states seen and their numbers, stays in one process, and takes the answers in the order of the states. So
states, verdicts, ways and counts are those of a search with one process. It pays where a step takes much
longer than the tens of microseconds that its answer takes in a pipe.
"""

from __future__ import annotations

import traceback
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Generic, NamedTuple

from pfnlab.checker.search.exploration import judgement
from pfnlab.checker.search.frontier import Waiting
from pfnlab.checker.search.model import Counting, Model, State, UnmetError, kind
from pfnlab.checker.search.property import Property
from pfnlab.checker.search.visited import Fingerprints
from pfnlab.errors import Defect, PfnlabError, Undecided
from pfnlab.worker import Ended, Worker, end_all, forked, hear

#: States sent at a time: enough that a process need not wait, few enough that all end a level together.
_TOGETHER = 16

#: Parcels that one process has at a time: one to work on, one to begin with next.
_AHEAD = 2

#: A process forgets the states it has seen when there are so many; it judges some of them once more then.
_MOST_MET = 1 << 19

#: The maker of a state that every process can take.
_ANY = 0xFF


class MetState(NamedTuple, Generic[State]):
    """A state that the process which found it had not seen before.

    :param choice: its number among the successors
    :param judged: its judgement, see :func:`.exploration.judgement`
    """

    choice: int
    key: Any
    state: State
    judged: tuple[tuple[str, bool], ...]


class Expansion(NamedTuple, Generic[State]):
    """The steps out of one state.

    :param fired: how many steps there are of each kind
    :param found: those that may lead to new states
    :param counts: what the model has counted meanwhile
    """

    fired: tuple[tuple[str, int], ...]
    found: tuple[MetState[State], ...]
    counts: tuple[Any, ...] | None


class _Parcel(NamedTuple, Generic[State]):
    """States that one process expands.

    :param answers: an expansion for each, or an error
    """

    states: deque[Waiting[State]]
    worker: Worker
    answers: Future[list[Any]]


class Expanders(Generic[State]):
    """Processes that expand the waiting states of a search; a context manager.

    :param take: gives the next waiting state, or None where none can be expanded now
    :raises Undecided: from :meth:`next`, a process ended without an answer
    :raises PolicyError: from :meth:`next`, a user's code ended it
    """

    def __init__(
        self,
        model: Model[State],
        properties: Sequence[Property[State]],
        processes: int,
        take: Callable[[], Waiting[State] | None],
    ) -> None:
        self._take = take
        self._makers = array("B")
        self._sent: deque[_Parcel[State]] = deque()
        # The answers of the first parcel, once they are here.
        self._answers: deque[Any] = deque()

        def make() -> Callable[[tuple[bool, list[State]]], list[Any]]:
            return _Expanding(model, properties).answers

        self._workers = [forked(make) for _ in range(min(processes, _ANY))]

    def __enter__(self) -> Expanders[State]:
        return self

    def __exit__(self, *_: object) -> None:
        end_all(self._workers)

    def __len__(self) -> int:
        """The number of states that were taken and not given back by :meth:`next`."""
        return sum(len(parcel.states) for parcel in self._sent)

    def waiting(self) -> Iterator[Waiting[State]]:
        """Those states, in order."""
        for parcel in self._sent:
            yield from parcel.states

    def made(self, number: int, maker: int) -> None:
        """Remember which process found state *number*: it knows all that the state refers to."""
        self._makers.extend([_ANY] * (number + 1 - len(self._makers)))
        self._makers[number] = maker

    def next(self) -> tuple[Waiting[State], Expansion[State], int] | None:
        """The next state in order, its steps, and the process that found them; None where none can be taken.

        :raises PfnlabError: the model's own, at the state where it was raised
        """
        self._send()
        if not self._sent:
            return None
        parcel = self._sent[0]
        worker, waiting = parcel.worker, parcel.states[0]
        if not self._answers:
            self._answers.extend(self._result(parcel))
        answer = self._answers.popleft()
        if isinstance(answer, UnmetError):
            worker, answer = self._ask_maker(waiting)
        if isinstance(answer, BaseException):
            raise answer
        parcel.states.popleft()
        if not parcel.states:
            self._sent.popleft()
        return waiting, answer, self._workers.index(worker)

    def _send(self) -> None:
        for worker in sorted(self._workers, key=lambda worker: len(worker.owed)):
            while len(worker.owed) < _AHEAD:
                states: list[Waiting[State]] = []
                while len(states) < _TOGETHER and (waiting := self._take()) is not None:
                    states.append(waiting)
                if not states:
                    return
                self._sent.append(_post(worker, states, in_order=True))
                if self._sent[-1].answers.done():
                    # The process is gone, which is said at the place of these states.
                    return

    def _result(self, parcel: _Parcel[State]) -> list[Any]:
        while not parcel.answers.done():
            hear(self._workers)
        try:
            return parcel.answers.result()
        except Ended as lost:
            says = f"a process of the search ended without an answer (exit {lost.code})"
            raise Undecided(says) from None

    def _ask_maker(self, waiting: Waiting[State]) -> tuple[Worker, Any]:
        """The steps of one state, from the process that found it."""
        number = waiting[0]
        maker = self._makers[number] if number < len(self._makers) else _ANY
        if maker == _ANY:
            raise Defect(f"no process of the search knows all of state {number}")
        worker = self._workers[maker]
        (answer,) = self._result(_post(worker, [waiting], in_order=False))
        return worker, answer


def _post(worker: Worker, states: list[Waiting[State]], *, in_order: bool) -> _Parcel[State]:
    return _Parcel(deque(states), worker, worker.post((in_order, [state for _, _, state in states])))


class _Expanding(Generic[State]):
    # The work of one process: it expands the states of each request.
    _met: Fingerprints

    def __init__(self, model: Model[State], properties: Sequence[Property[State]]) -> None:
        self._model, self._properties = model, properties
        self._forget()
        if isinstance(model, Counting):
            # What was counted before the fork is known.
            model.take_counts()

    def answers(self, request: tuple[bool, list[State]]) -> list[Any]:
        """An expansion of each state, or the error that comes of it."""
        return list(self._answers(*request))

    def _answers(self, in_order: bool, states: list[State]) -> Iterator[Any]:
        for state in states:
            try:
                yield self._expanded(state, in_order)
            except (PfnlabError, UnmetError) as error:
                # States that were found on the way were not reported.
                self._forget()
                yield error
            except Exception:
                yield Defect(traceback.format_exc())

    def _forget(self) -> None:
        self._met = Fingerprints()

    def _expanded(self, state: State, in_order: bool) -> Expansion[State]:
        model, fired, found = self._model, Counter[str](), []
        if len(self._met) > _MOST_MET or not in_order:
            # A state that comes late stands before some found here, and what it leads to was found too
            # early.
            self._forget()
        for choice, (action, after) in enumerate(model.successors(state)):
            fired[kind(action)] += 1
            key = model.key(after)
            if self._met.add(key, 0):
                # All are asked of every state: only the search can tell which decides a property first.
                judged = tuple(judgement(self._properties, after, ()))
                found.append(MetState(choice, key, after, judged))
        counts = model.take_counts() if isinstance(model, Counting) else None
        return Expansion(tuple(fired.items()), tuple(found), counts)
