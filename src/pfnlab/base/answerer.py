"""Questions answered in a process that has limits on time and memory, and is killed after the time limit.

A reply is JSON: an answer, or one line with the reason for not answering.
"""

import asyncio
import signal
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from pfnlab.base.endings import signal_name
from pfnlab.base.errors import PfnlabError
from pfnlab.base.memory_limit import limit_memory
from pfnlab.base.progress import say
from pfnlab.base.worker import Worker, WorkerEnded, executed, hear, tell

#: Seconds for which an abandoned question goes on, because most finish by then and the
#: process keeps its cache.
GRACE = 0.5
#: The number of subjects that a process is assumed to remember.
_RECENT = 8


def begin_answering(memory: int | None) -> None:
    """Set up a process that answers questions; *memory* is its limit in bytes, None for no limit."""
    # The server handles Ctrl-C, and ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if memory is not None:
        limit_memory(memory)


def refused(reason: str) -> bytes:
    """Return the reply with the reason for not answering."""
    return msgspec.json.encode({"refused": reason})


def is_refused(reply: bytes) -> bool:
    """Return True if the reply says that there is no answer."""
    return reply.startswith(b'{"refused":')


class Answerer:
    """Answers one question at a time in a process, and replaces the process after it has ended.

    :param kind: the process's entry point, and what to advise if a question takes too long
    :param given: the arguments of the entry point
    :param limit: the time limit for one question, in seconds
    :param kept: messages that every new process gets first
    :param damages: returns True for a question that may damage the process if it is refused
    :param hearer: receives the progress lines
    :ivar recent: the subjects of the last questions
    :ivar waiting: how many questions are in progress or waiting
    :ivar untold: the messages that have not yet been sent to the process
    """

    def __init__(
        self,
        kind: tuple[str, str],
        given: Sequence[object],
        limit: float,
        kept: Iterable[object] = (),
        damages: Callable[[Any], bool] = lambda question: False,
        hearer: Callable[[str], object] = say,
    ) -> None:
        self._making, self._instead = kind
        self._given, self._limit, self._kept, self._damages = tuple(given), limit, kept, damages
        self._hearer = hearer
        self._lock = asyncio.Lock()
        self._worker: Worker | None = None
        self._over = False
        self.subject = ""
        self.recent: deque[str] = deque(maxlen=_RECENT)
        self.waiting = 0
        self.untold: list[object] = []

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

    async def answer(self, subject: str, question: object) -> bytes:
        """Return the reply to *question*."""
        self.waiting += 1
        try:
            async with self._lock:
                self.subject = subject
                try:
                    reply = await self._reply(subject, question)
                    if self._damages(question) and is_refused(reply):
                        self._end()
                    return reply
                finally:
                    self.subject = ""
        finally:
            self.waiting -= 1

    async def _reply(self, subject: str, question: object) -> bytes:
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
                return refused("the server has ended")
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

    async def _work(self, subject: str, question: object) -> bytes:
        worker = self.begin()
        if worker is None:
            raise WorkerEnded(None)
        while self.untold:
            await self._reply_of(worker, self.untold[0])
            self.untold.pop(0)
        reply = await self._reply_of(worker, question)
        if subject in self.recent:
            self.recent.remove(subject)
        self.recent.append(subject)
        return reply

    async def _reply_of(self, worker: Worker, request: object) -> bytes:
        """Return a reply without blocking other tasks; raise WorkerEnded if the process ends before that."""
        # A large request can be sent only after the worker has started.
        result = await asyncio.to_thread(worker.post, request, self._hearer)
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
