"""One search on several processors: processes that expand states, in the order in which one would.

Each process finds the successors of some states and judges those that it never saw. The search itself, with
the states seen and their numbers, stays in one process, and takes the answers in the order of the states. So
states, verdicts, ways and counts are those of a search with one process. It pays where a step takes much
longer than the tens of microseconds that its answer takes in a pipe.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, Generic, NamedTuple

from pfnlab.checker.search.exploration import judgement
from pfnlab.checker.search.frontier import Waiting
from pfnlab.checker.search.model import Composed, Counting, Model, State, UnmetError, kind
from pfnlab.checker.search.parts import PartTable
from pfnlab.checker.search.property import Property
from pfnlab.checker.search.visited import Keeping, Keys
from pfnlab.endings import end_with
from pfnlab.errors import Defect, PfnlabError, Undecided
from pfnlab.limit import CLOCK

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


class _Parcel(Generic[State]):
    # States that one process expands, and its answers: an expansion for each, or an error that ends them.
    def __init__(self, states: list[Waiting[State]]) -> None:
        self.states = deque(states)
        self.answers: deque[Any] | None = None


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
        keep: Keeping,
        processes: int,
        take: Callable[[], Waiting[State] | None],
    ) -> None:
        self._take = take
        self._makers = array("B")
        self._sent: deque[tuple[int, _Parcel[State]]] = deque()
        self._ends: list[Connection] = []
        self._processes: list[ForkProcess] = []
        self._places: list[int] = []
        #: Of each process, the parcels it has not answered, the oldest first.
        self._owed: list[deque[_Parcel[State]]] = []
        fork = multiprocessing.get_context("fork")
        for _ in range(min(processes, _ANY)):
            here, there = fork.Pipe()
            worker = _Worker(model, properties, keep)
            place = CLOCK.give_place()
            process = fork.Process(target=worker.serve, args=(there, os.getpid(), place), daemon=True)
            process.start()
            there.close()
            self._places.append(place)
            self._ends.append(here)
            self._processes.append(process)
            self._owed.append(deque())

    def __enter__(self) -> Expanders[State]:
        return self

    def __exit__(self, *_: object) -> None:
        for process, end, place in zip(self._processes, self._ends, self._places, strict=True):
            process.terminate()
            process.join()
            end.close()
            CLOCK.clear_place(place, None)

    def __len__(self) -> int:
        """The number of states that were taken and not given back by :meth:`next`."""
        return sum(len(parcel.states) for _, parcel in self._sent)

    def waiting(self) -> Iterator[Waiting[State]]:
        """Those states, in order."""
        for _, parcel in self._sent:
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
        at, parcel = self._sent[0]
        while parcel.answers is None:
            self._receive()
        waiting, answer = parcel.states[0], parcel.answers.popleft()
        if isinstance(answer, UnmetError):
            at, answer = self._ask_maker(waiting)
        if isinstance(answer, BaseException):
            raise answer
        parcel.states.popleft()
        if not parcel.states:
            self._sent.popleft()
        return waiting, answer, at

    def _send(self) -> None:
        for at in sorted(range(len(self._ends)), key=lambda at: len(self._owed[at])):
            while len(self._owed[at]) < _AHEAD:
                states: list[Waiting[State]] = []
                while len(states) < _TOGETHER and (waiting := self._take()) is not None:
                    states.append(waiting)
                if not states:
                    return
                parcel = _Parcel(states)
                self._sent.append((at, parcel))
                self._post(at, parcel)

    def _post(self, at: int, parcel: _Parcel[State], *, in_order: bool = True) -> None:
        self._owed[at].append(parcel)
        try:
            self._ends[at].send((in_order, [state for _, _, state in parcel.states]))
        except ConnectionError:
            raise self._ended(at) from None

    def _ended(self, at: int) -> PfnlabError:
        self._processes[at].join()
        code = self._processes[at].exitcode
        mistake = CLOCK.clear_place(self._places[at], code)
        return mistake or Undecided(f"a process of the search ended without an answer (exit {code})")

    def _receive(self) -> None:
        """Take the answers that are here, at least one."""
        for end in wait([end for end, owed in zip(self._ends, self._owed, strict=True) if owed]):
            assert isinstance(end, Connection)
            at = self._ends.index(end)
            try:
                answers = end.recv()
            except (EOFError, ConnectionError):
                raise self._ended(at) from None
            self._owed[at].popleft().answers = deque(answers)

    def _ask_maker(self, waiting: Waiting[State]) -> tuple[int, Any]:
        """The steps of one state, from the process that found it."""
        number = waiting[0]
        maker = self._makers[number] if number < len(self._makers) else _ANY
        if maker == _ANY:
            return maker, Defect(f"no process of the search knows all of state {number}")
        parcel = _Parcel([waiting])
        self._post(maker, parcel, in_order=False)
        while parcel.answers is None:
            self._receive()
        (answer,) = parcel.answers
        return maker, answer


class _Worker(Generic[State]):
    # What one process does: expand the states of each message until the search ends.
    _met: Keys

    def __init__(self, model: Model[State], properties: Sequence[Property[State]], keep: Keeping) -> None:
        self._model, self._properties, self._keep = model, properties, keep
        self._forget()

    def serve(self, end: Connection, maker: int, place: int) -> None:
        end_with(maker)
        CLOCK.take_place(place)
        # Ctrl-C reaches all processes; the search ends in the first, which ends the others.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if isinstance(self._model, Counting):
            self._model.take_counts()
        while True:
            try:
                in_order, states = end.recv()
            except EOFError:
                return
            end.send(list(self._answers(states, in_order)))

    def _answers(self, states: list[State], in_order: bool) -> Iterator[Any]:
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
        parts = PartTable() if isinstance(self._model, Composed) else None
        self._met = Keys(self._keep, parts)

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
