"""Separate processes, which can be ended, that answer the questions that take work.

So the server can answer other questions at the same time, each question has a time limit, and an abandoned
question costs nothing: its process is killed, and another takes its place.
"""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import Sequence

from pfnlab.base.endings import signal_name
from pfnlab.base.errors import PfnlabError
from pfnlab.base.worker import Worker, WorkerEnded, executed, hear, tell
from pfnlab.explorer.answers import KeptRun
from pfnlab.explorer.questions import BundleQuestion, GraphQuestion, Inspected, Worked, is_refused, refused
from pfnlab.kernel.policies.own import files_in

#: Time limit for one question, in seconds.
LIMIT = 60.0
#: Memory limit for one process, in bytes: twice what the largest bundle needs.
MOST_MEMORY = 2 << 30
#: Seconds for which an abandoned question goes on, because most finish by then and the
#: process keeps its cache.
GRACE = 0.5
#: The maximum number of processes.
_MOST = 3
#: The number of subjects that a process is assumed to remember, and of real-kernel runs sent to each process.
_RECENT, _KEPT = 8, 64
#: A process's entry point, and what to advise after a timeout: for programs, and for input from outside.
_PROGRAMS = "pfnlab.explorer.answers:answering", "shorten the program, or ask `pfnlab run`"
_BUNDLES = "pfnlab.explorer.inspections:answering", "ask `pfnlab inspect` or `pfnlab explain`"


class Workers:
    """The processes, each of which answers one question at a time.

    Questions about a subject go to the process that knows it, unless that process is busy
    with another subject.

    :param limit: the time limit for one question, in seconds
    :param memory: the memory limit for each process, in bytes
    """

    def __init__(self, given: Sequence[str] = (), limit: float = LIMIT, memory: int = MOST_MEMORY) -> None:
        self._kept: deque[KeptRun] = deque(maxlen=_KEPT)
        self._workers = [_Answerer(_PROGRAMS, (memory, *given), limit, self._kept) for _ in range(_MOST)]
        # If a bundle causes a crash, other questions are not affected.
        self._inspector = _Answerer(_BUNDLES, (memory,), limit, deque())
        self._asked: set[asyncio.Task[bytes]] = set()

    async def begin(self) -> None:
        """Start the first process, so that it is ready for the first question."""
        self._workers[0].begin()

    def ask(self, question: Worked | BundleQuestion) -> asyncio.Task[bytes]:
        """Return a task whose result is the reply to *question*; cancelling it stops the work."""
        subject = _subject(question)
        worker = self._inspector if isinstance(question, Inspected) else self._chosen(subject)
        task = asyncio.create_task(worker.answer(subject, question))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)
        return task

    def keep(self, kept: KeptRun) -> None:
        """Tell every process about a run on a real kernel."""
        self._kept.append(kept)
        for worker in self._workers:
            worker.untold.append(kept)

    def end(self) -> None:
        """End all processes; later questions are refused."""
        for worker in (*self._workers, self._inspector):
            worker.end_for_good()

    def _chosen(self, subject: str) -> _Answerer:
        for worker in self._workers:
            if subject == worker.subject or (subject in worker.recent and not worker.waiting):
                return worker
        # Prefer a running process to one that has to be started, and then the one with the
        # fewest recent subjects.
        return min(self._workers, key=lambda one: (one.waiting, not one.runs, len(one.recent)))


def _subject(question: Worked | BundleQuestion) -> str:
    """Return a question's subject: a process that has worked on it answers the next question faster."""
    if isinstance(question, Inspected):
        return ""
    if isinstance(question, GraphQuestion):
        return repr((question.scope, question.machine))
    return repr((question.program, question.machines))


def _runs_own_code(question: Worked | BundleQuestion) -> bool:
    if isinstance(question, Inspected):
        return False
    machines = (question.machine,) if isinstance(question, GraphQuestion) else question.machines
    return any(map(files_in, machines))


class _Answerer:
    """Runs one process at a time, and replaces it after it has ended.

    :param kind: the process's entry point, and what to advise if a question takes too long
    :ivar recent: the subjects of the last questions
    :ivar waiting: how many questions are in progress or waiting
    :ivar untold: the real-kernel runs that have not yet been sent to the process
    """

    def __init__(
        self, kind: tuple[str, str], given: Sequence[object], limit: float, kept: deque[KeptRun]
    ) -> None:
        self._making, self._instead = kind
        self._given, self._limit, self._kept = tuple(given), limit, kept
        self._lock = asyncio.Lock()
        self._worker: Worker | None = None
        self._over = False
        self.subject = ""
        self.recent: deque[str] = deque(maxlen=_RECENT)
        self.waiting = 0
        self.untold: list[KeptRun] = []

    @property
    def runs(self) -> bool:
        """True while a process exists."""
        return self._worker is not None

    def begin(self) -> Worker | None:
        """Return the process, starting one if needed; None if the server is shutting down."""
        if self._worker is None and not self._over:
            self.recent.clear()
            self.untold = list(self._kept)
            self._worker = executed(self._making, *self._given)
        return self._worker

    async def answer(self, subject: str, question: Worked | BundleQuestion) -> bytes:
        """Return the reply to *question*."""
        self.waiting += 1
        try:
            async with self._lock:
                self.subject = subject
                try:
                    reply = await self._reply(subject, question)
                    if _runs_own_code(question) and is_refused(reply):
                        # A user's policy may have damaged the process, so nothing more is asked of it.
                        self._end()
                    return reply
                finally:
                    self.subject = ""
        finally:
            self.waiting -= 1

    async def _reply(self, subject: str, question: Worked | BundleQuestion) -> bytes:
        working = asyncio.ensure_future(self._work(subject, question))
        try:
            done, _ = await asyncio.wait({working}, timeout=self._limit)
        except asyncio.CancelledError:
            done, _ = await asyncio.wait({working}, timeout=GRACE)
            if not done or working.exception() is not None:
                await self._give_up(working)
            raise
        if not done:
            await self._give_up(working)
            return refused(
                f"ended after {self._limit:g} s without an answer: {self._instead}, which has no limit"
            )
        try:
            return working.result()
        except PfnlabError as error:
            await self._give_up(working)
            if self._over:
                return refused("the explorer has ended")
            if not isinstance(error, WorkerEnded):
                return refused(str(error).splitlines()[-1])
            code = error.code or 0
            how = f"killed by {signal_name(-code)}" if code < 0 else f"exit {code}"
            return refused(f"the process that computed this ended ({how}): change the question")

    async def _give_up(self, working: asyncio.Future[bytes]) -> None:
        """Kill the process, and start another one for the next question."""
        working.cancel()
        await asyncio.wait({working})
        self._end()
        self.begin()

    async def _work(self, subject: str, question: Worked | BundleQuestion) -> bytes:
        worker = self.begin()
        if worker is None:
            raise WorkerEnded(None)
        while self.untold:
            await _reply_of(worker, self.untold[0])
            self.untold.pop(0)
        reply = await _reply_of(worker, question)
        if subject in self.recent:
            self.recent.remove(subject)
        self.recent.append(subject)
        return reply

    def end_for_good(self) -> None:
        """Kill the process and do not start another."""
        self._over = True
        if self.waiting and self._worker is not None:
            # Whoever is waiting for it will notice.
            tell(self._worker.process, signal.SIGKILL)
        else:
            self._end()

    def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()


async def _reply_of(worker: Worker, request: object) -> bytes:
    """Return a worker's reply without blocking other tasks; raise WorkerEnded if it ends before replying."""
    # A large request can be sent only after the worker has started.
    result = await asyncio.to_thread(worker.post, request)
    loop, descriptor = asyncio.get_running_loop(), worker.fileno()
    while True:
        hear([worker], 0.0)
        if result.done():
            reply: bytes = result.result()
            return reply
        readable = asyncio.Event()
        loop.add_reader(descriptor, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(descriptor)
