"""Questions that take work are worked out in processes, which can be ended.

So the server answers others meanwhile, a question has a limit, and an abandoned one costs
nothing: its process is ended, and another one takes its place.
"""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import Sequence

from pfnlab.base.endings import signal_name
from pfnlab.base.errors import PfnlabError
from pfnlab.base.worker import Ended, Worker, executed, hear, tell
from pfnlab.explorer.answers import KeptRun
from pfnlab.explorer.questions import BundleQuestion, GraphQuestion, Inspected, Worked, is_refused, refused
from pfnlab.kernel.policies.own import files_in

#: Seconds that one question may take.
LIMIT = 60.0
#: Bytes of memory that one process may have: twice what the largest bundle takes.
MOST_MEMORY = 2 << 30
#: Seconds that a question goes on which nobody waits for any more: most are answered until then, and the
#: process keeps what it knows.
GRACE = 0.5
#: The processes at most.
_MOST = 3
#: The subjects that a process is taken to know, and the runs of real kernels that each was sent.
_RECENT, _KEPT = 8, 64
#: What a process runs, and what has no limit: for programs, and for what comes from outside.
_PROGRAMS = "pfnlab.explorer.answers:answering", "shorten the program, or ask `pfnlab run`"
_BUNDLES = "pfnlab.explorer.inspections:answering", "ask `pfnlab inspect` or `pfnlab explain`"


class Workers:
    """The processes, of which each answers one question at a time.

    Questions about one subject go to the process that knows it, where it is not busy with another one.

    :param limit: seconds that one question may take
    :param memory: the most bytes of memory of each process
    """

    def __init__(self, given: Sequence[str] = (), limit: float = LIMIT, memory: int = MOST_MEMORY) -> None:
        self._kept: deque[KeptRun] = deque(maxlen=_KEPT)
        self._workers = [_Answerer(_PROGRAMS, (memory, *given), limit, self._kept) for _ in range(_MOST)]
        # What a bundle does to its process harms no other question.
        self._inspector = _Answerer(_BUNDLES, (memory,), limit, deque())
        self._asked: set[asyncio.Task[bytes]] = set()

    async def begin(self) -> None:
        """Start the first process, so that the first question finds it ready."""
        self._workers[0].begin()

    def ask(self, question: Worked | BundleQuestion) -> asyncio.Task[bytes]:
        """A task whose result is the reply to *question*; to cancel it ends the work."""
        subject = _subject(question)
        worker = self._inspector if isinstance(question, Inspected) else self._chosen(subject)
        task = asyncio.create_task(worker.answer(subject, question))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)
        return task

    def keep(self, kept: KeptRun) -> None:
        """Tell every process of the run of a real kernel."""
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
        # One that runs before one that has to be started, and the one whose memory is least needed.
        return min(self._workers, key=lambda one: (one.waiting, not one.runs, len(one.recent)))


def _subject(question: Worked | BundleQuestion) -> str:
    """The subject of a question: a process that has worked it out knows much of the next answer about it."""
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
    """One process after the other, each until it is ended.

    :param kind: what each runs, and what to do where a question takes too long
    :ivar recent: the subjects of the last questions
    :ivar waiting: how many questions are worked out or wait
    :ivar untold: the runs of real kernels that were not sent to the process
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
        """True while there is a process."""
        return self._worker is not None

    def begin(self) -> Worker | None:
        """The process, started if there is none; None if the server is ending."""
        if self._worker is None and not self._over:
            self.recent.clear()
            self.untold = list(self._kept)
            self._worker = executed(self._making, *self._given)
        return self._worker

    async def answer(self, subject: str, question: Worked | BundleQuestion) -> bytes:
        """The reply to *question*."""
        self.waiting += 1
        try:
            async with self._lock:
                self.subject = subject
                try:
                    reply = await self._reply(subject, question)
                    if _runs_own_code(question) and is_refused(reply):
                        # A policy of the user's may have damaged the process: it is not asked again.
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
            if not isinstance(error, Ended):
                return refused(str(error).splitlines()[-1])
            code = error.code or 0
            how = f"killed by {signal_name(-code)}" if code < 0 else f"exit {code}"
            return refused(f"the process that computed this ended ({how}): change the question")

    async def _give_up(self, working: asyncio.Future[bytes]) -> None:
        """End the process, and start another one for the next question."""
        working.cancel()
        await asyncio.wait({working})
        self._end()
        self.begin()

    async def _work(self, subject: str, question: Worked | BundleQuestion) -> bytes:
        worker = self.begin()
        if worker is None:
            raise Ended(None)
        while self.untold:
            await _reply_of(worker, self.untold[0])
            self.untold.pop(0)
        reply = await _reply_of(worker, question)
        if subject in self.recent:
            self.recent.remove(subject)
        self.recent.append(subject)
        return reply

    def end_for_good(self) -> None:
        """End the process, and start no other."""
        self._over = True
        if self.waiting and self._worker is not None:
            # Who waits for it notices.
            tell(self._worker.process, signal.SIGKILL)
        else:
            self._end()

    def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()


async def _reply_of(worker: Worker, request: object) -> bytes:
    """The reply of a worker; others continue. Raises Ended if it ended before it replied."""
    # A large one is taken when the worker has begun.
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
