"""Independent pieces of work in several processes, and their results in the order of the pieces.

The caller cannot see how many processes there are: results, errors and lines of progress come
at the place of their piece, as one process would give them. A process does many pieces, so that it keeps what
it has computed for earlier ones.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, Generic, TypeVar

from pfnlab.endings import end_with, ending
from pfnlab.errors import Defect, Misuse, PfnlabError, PolicyError, Undecided
from pfnlab.limit import CLOCK
from pfnlab.progress import heard_by, say

Piece = TypeVar("Piece")
Result = TypeVar("Result")

#: Processes at a time for each processor: more only wait for each other, and take memory.
_MOST_JOBS = 8

#: Seconds that a process may take to end when it is told to.
_END_LIMIT = 5.0

#: What a process sends: a line of progress, a result, an error.
_LINE, _RESULT, _ERROR = "line", "result", "error"


def processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0))


def check_jobs(jobs: int) -> None:
    """:raises Misuse: so many processes at a time are of no use on this machine"""
    most = _MOST_JOBS * processors()
    if jobs > most:
        raise Misuse(
            f"--jobs {jobs} is more than {_MOST_JOBS} for each of the processors here: write at most {most}"
        )


class _Busy:
    # A process, the pipe to it, its place in a user's code, and the number of the piece it has not answered.
    def __init__(self, process: ForkProcess, end: Connection, place: int) -> None:
        self.process, self.end, self.place = process, end, place
        self.serial: int | None = None


class Processes(Generic[Piece, Result]):
    """Forked processes that do pieces of one kind of work; a context manager, at whose end they end.

    They know what this process knew when they began: at the first :meth:`begin` or :meth:`each`. Pieces,
    results and errors go through pipes that nobody else has.

    :param work: does one piece
    :param jobs: how many there are; with one there is none, and the work is done here
    :param named: a piece in words, for messages
    """

    def __init__(
        self, work: Callable[[Piece], Result], jobs: int, named: Callable[[Piece], str] = str
    ) -> None:
        self._work, self._named = work, named
        self.jobs = jobs
        self._busy: list[_Busy] = []
        self._serials = 0
        self._over = False

    def __enter__(self) -> Processes[Piece, Result]:
        self._over = False
        return self

    def __exit__(self, *_: object) -> None:
        # A thread may still wait for an answer, and begins no process any more.
        self._over = True
        for busy in self._busy:
            busy.process.terminate()
        for busy in self._busy:
            self._end(busy)
        self._busy = []

    def begin(self) -> None:
        """Begin the processes now, before this one has threads, guests, or more in its memory."""
        self._over = False
        while 1 < self.jobs > len(self._busy):
            self._busy.append(self._begun())

    def each(
        self,
        pieces: Sequence[Piece],
        done: Callable[[], None] = lambda: None,
        cost: Callable[[Piece], float] | None = None,
    ) -> Iterator[Result]:
        """The result of every one of *pieces*, in their order.

        :param done: called when a piece is done, in any order
        :param cost: what a piece may cost, in any unit: where several processes work, the dearest come first
        :raises PfnlabError: at the place of the piece whose work raised it; the pieces before it have given
            their results
        :raises Undecided: at the place of a piece whose process was killed
        :raises Defect: at the place of a piece whose work raised any other exception
        """
        if self.jobs <= 1:
            for piece in pieces:
                result = self._work(piece)
                done()
                yield result
            return
        first, self._serials = self._serials, self._serials + len(pieces)
        order = sorted(range(len(pieces)), key=lambda place: -cost(pieces[place])) if cost else None
        waiting = deque(order if order is not None else range(len(pieces)))
        heard: list[deque[tuple[str, Any]]] = [deque() for _ in pieces]
        for place in range(len(pieces)):
            while True:
                self._give(pieces, waiting, first)
                if heard[place]:
                    kind, value = heard[place].popleft()
                    if kind == _LINE:
                        say(value)
                        continue
                    if kind == _ERROR:
                        raise value
                    break
                for serial, message in self._hear(pieces, first):
                    # What was asked before and is not wanted any more is left.
                    if serial >= first:
                        heard[serial - first].append(message)
                        if message[0] != _LINE:
                            done()
            yield value

    def _give(self, pieces: Sequence[Piece], waiting: deque[int], first: int) -> None:
        """Give every idle process a piece."""
        if self._over:
            raise Undecided("the processes have ended")
        for busy in [busy for busy in self._busy if busy.serial is None and not busy.process.is_alive()]:
            self._busy.remove(busy)
            self._end(busy)
        if waiting:
            while len(self._busy) < self.jobs:
                self._busy.append(self._begun())
        for busy in self._busy:
            # Only who has answered everything reads: nobody waits in a full pipe for the other side.
            if waiting and busy.serial is None:
                place = waiting.popleft()
                busy.serial = first + place
                # One that has died meanwhile is found by its closed pipe.
                with contextlib.suppress(ConnectionError):
                    busy.end.send(pieces[place])

    def _hear(self, pieces: Sequence[Piece], first: int) -> Iterator[tuple[int, tuple[str, Any]]]:
        """The messages of processes, at least one, each with the number of its piece."""
        for end in wait([busy.end for busy in self._busy if busy.serial is not None]):
            (busy,) = (busy for busy in self._busy if busy.end is end)
            serial = busy.serial
            assert serial is not None
            try:
                message = busy.end.recv()
            except (EOFError, ConnectionError):
                self._busy.remove(busy)
                mistake = self._end(busy)
                name = self._named(pieces[serial - first]) if serial >= first else "a piece of work"
                lost = Undecided(f"{name}: its process {ending(busy.process.exitcode)}")
                message = _ERROR, mistake or lost
            if message[0] != _LINE:
                busy.serial = None
            yield serial, message

    def _begun(self) -> _Busy:
        fork = multiprocessing.get_context("fork")
        here, there = fork.Pipe()
        place = CLOCK.give_place()
        process = fork.Process(target=self._serve, args=(there, os.getpid(), place), daemon=True)
        process.start()
        there.close()
        return _Busy(process, here, place)

    def _end(self, busy: _Busy) -> PolicyError | None:
        """End a process; the mistake of a user's code in which it had ended by itself, if it was in one."""
        busy.process.join(_END_LIMIT)
        if busy.process.is_alive():
            busy.process.kill()
            busy.process.join()
        busy.end.close()
        return CLOCK.clear_place(busy.place, busy.process.exitcode)

    def _serve(self, end: Connection, maker: int, place: int) -> None:
        end_with(maker)
        CLOCK.take_place(place)
        # Ctrl-C reaches all processes of a terminal; the first one ends the others.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        heard_by(lambda line: end.send((_LINE, line)))
        while True:
            try:
                piece = end.recv()
            except EOFError:
                return
            try:
                end.send((_RESULT, self._work(piece)))
            except (PfnlabError, OSError) as error:
                end.send((_ERROR, error))
            except Exception:
                end.send((_ERROR, Defect(traceback.format_exc())))


def in_order(
    work: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    jobs: int | None = None,
    *,
    named: Callable[[Piece], str] = str,
    done: Callable[[], None] = lambda: None,
    cost: Callable[[Piece], float] | None = None,
) -> Iterator[Result]:
    """The result of every one of *pieces*, in their order, from at most *jobs* processes.

    :param work: does one piece; what it knows beside the piece is as it was when the first result is taken
    :param jobs: None for as many as there are processors; with one, the work is done in this process
    :param named: a piece in words, for messages
    :param done: called when a piece is done, in any order
    :param cost: what a piece may cost, in any unit; the dearest begin first
    :raises PfnlabError: as :meth:`Processes.each` does
    """
    places = range(len(pieces))
    # The processes know the pieces, which need not fit through a pipe.
    with Processes[int, Result](
        lambda place: work(pieces[place]),
        min(processors() if jobs is None else jobs, len(pieces)),
        lambda place: named(pieces[place]),
    ) as processes:
        yield from processes.each(places, done, cost and (lambda place: cost(pieces[place])))
