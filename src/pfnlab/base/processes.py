"""Independent pieces of work spread over several processes, with results in the order of the pieces.

The caller cannot tell how many processes there are: results, errors and progress lines come in the order
of their pieces, as if from a single process. A process does many pieces, so that it can reuse what it
computed for earlier ones.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from pfnlab.base.errors import Misuse, Undecided
from pfnlab.base.progress import say
from pfnlab.base.worker import Worker, WorkerEnded, end_all, forked, hear

Piece = TypeVar("Piece")
Result = TypeVar("Result")

#: The maximum number of processes per processor: more would only wait for each other and use memory.
_MOST_JOBS = 8


def processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0))


def check_jobs(jobs: int) -> None:
    """Check the requested number of processes.

    :raises Misuse: if there are more processes than are useful on this machine
    """
    most = _MOST_JOBS * processors()
    if jobs > most:
        raise Misuse(
            f"--jobs {jobs} is more than {_MOST_JOBS} for each of the processors here: write at most {most}"
        )


class Processes(Generic[Piece, Result]):
    """Forked processes that do pieces of one kind of work; a context manager that ends them on exit.

    They inherit this process's state at the first :meth:`begin` or :meth:`each`. Pieces, results and errors
    go through private pipes.

    :param work: does one piece
    :param jobs: number of processes; if 1, this process does the work
    :param named: describes a piece, for messages
    """

    def __init__(
        self, work: Callable[[Piece], Result], jobs: int, named: Callable[[Piece], str] = str
    ) -> None:
        self._work, self._named = work, named
        self.jobs = jobs
        self._workers: list[Worker] = []
        self._over = False

    def __enter__(self) -> Processes[Piece, Result]:
        self._over = False
        return self

    def __exit__(self, *_: object) -> None:
        # A thread may still be waiting for an answer; it must not start another process.
        self._over = True
        end_all(self._workers)
        self._workers = []

    def begin(self) -> None:
        """Start the processes now, before this process starts threads or guests or uses more memory."""
        while 1 < self.jobs > len(self._workers):
            self._workers.append(forked(lambda: self._work))

    def each(self, pieces: Sequence[Piece], done: Callable[[], None] = lambda: None) -> Iterator[Result]:
        """The result for each of *pieces*, in order.

        :param done: called when a piece is done, in any order
        :raises PfnlabError: if the work failed with it; raised when its piece's turn comes,
            after all earlier results
        :raises Undecided: if the process doing a piece was killed; raised when that piece's turn comes
        :raises Defect: if the work raised any other exception; raised when its piece's turn comes
        """
        if self.jobs <= 1:
            for piece in pieces:
                result = self._work(piece)
                done()
                yield result
            return
        waiting = deque(range(len(pieces)))
        results: dict[int, Future[Result]] = {}
        said = [deque[str]() for _ in pieces]
        for place, piece in enumerate(pieces):
            while True:
                for worker in self._idle(len(waiting)):
                    given = waiting.popleft()
                    results[given] = worker.post(pieces[given], said[given].append)
                    results[given].add_done_callback(lambda _: done())
                while said[place]:
                    say(said[place].popleft())
                if place in results and results[place].done():
                    break
                hear(self._workers)
            try:
                result = results.pop(place).result()
            except WorkerEnded as lost:
                raise Undecided(f"{self._named(piece)}: {lost}") from None
            yield result

    def _idle(self, most: int) -> list[Worker]:
        """Processes with no pending requests: a busy one might not read, so that its pipe would fill up."""
        if self._over:
            raise Undecided("the processes have ended")
        for worker in [one for one in self._workers if not one.owed and one.process.poll() is not None]:
            self._workers.remove(worker)
            worker.end()
        if most:
            self.begin()
        return [worker for worker in self._workers if not worker.owed][:most]


def in_order(
    work: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    jobs: int | None = None,
    *,
    named: Callable[[Piece], str] = str,
    done: Callable[[], None] = lambda: None,
) -> Iterator[Result]:
    """The result for each of *pieces*, in order, from at most *jobs* processes.

    :param work: does one piece; it sees all other state as of the time when the first result is requested
    :param jobs: number of processes, by default one per processor; 1 means this process
    :param named: describes a piece, for messages
    :raises PfnlabError: as :meth:`Processes.each` does
    """
    places = range(len(pieces))
    # The processes inherit the pieces, which then need not fit through a pipe.
    with Processes[int, Result](
        lambda place: work(pieces[place]),
        min(processors() if jobs is None else jobs, len(pieces)),
        lambda place: named(pieces[place]),
    ) as processes:
        yield from processes.each(places, done)
