"""Questions that take work are worked out in processes, which can be ended.

So the server answers others meanwhile, a question has a limit, and one that nobody waits for any more costs
nothing: its process is ended, and another one takes its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Sequence

import msgspec

from pfnlab.explorer.answers import KeptRun
from pfnlab.explorer.asked import AskedGraph, Worked
from pfnlab.explorer.reply import is_refused, refused
from pfnlab.policies.own import files_in

#: Seconds that one question may take.
LIMIT = 60.0

#: Seconds that a question goes on which nobody waits for any more: most are answered until then, and the
#: process keeps what it knows.
GRACE = 0.5

#: The processes at most.
_MOST = 3

#: The subjects that a process is taken to know, and the runs of real kernels that each was sent.
_RECENT, _KEPT = 8, 64

#: The bytes of an answer at most.
_LONGEST = 1 << 28


class Workers:
    """The processes, of which each answers one question at a time.

    Questions about one subject go to the process that knows it, where it is not busy with another one.

    :param given: machines that the command line named, which may use files
    :param limit: seconds that one question may take
    """

    def __init__(self, given: Sequence[str] = (), limit: float = LIMIT) -> None:
        self._kept: deque[bytes] = deque(maxlen=_KEPT)
        self._workers = [_Answerer(given, limit, self._kept) for _ in range(_MOST)]
        self._asked: set[asyncio.Task[bytes]] = set()

    async def begin(self) -> None:
        """Start the first process, so that the first question finds it ready."""
        await self._workers[0].begin()

    def ask(self, question: Worked) -> asyncio.Task[bytes]:
        """A task whose result is the reply to *question*; to cancel it ends the work."""
        subject = _subject(question)
        worker = self._chosen(subject)
        line = msgspec.json.encode(question) + b"\n"
        task = asyncio.create_task(worker.answer(subject, line, own=_runs_own_code(question)))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)
        return task

    def keep(self, kept: KeptRun) -> None:
        """Tell every process of the run of a real kernel."""
        line = msgspec.json.encode(kept) + b"\n"
        self._kept.append(line)
        for worker in self._workers:
            worker.untold.append(line)

    def end(self) -> None:
        """End all processes; what is asked is refused from now on."""
        for worker in self._workers:
            worker.end_for_good()

    def _chosen(self, subject: str) -> _Answerer:
        for worker in self._workers:
            if subject == worker.subject or (subject in worker.recent and not worker.waiting):
                return worker
        # One that runs before one that has to be started, and the one whose memory is least needed.
        return min(self._workers, key=lambda one: (one.waiting, not one.runs, len(one.recent)))


def _subject(question: Worked) -> str:
    """The subject of a question: a process that has worked it out knows much of the next answer about it."""
    if isinstance(question, AskedGraph):
        return repr((question.scope, question.machine))
    return repr((question.program, question.machines))


def _runs_own_code(question: Worked) -> bool:
    machines = (question.machine,) if isinstance(question, AskedGraph) else question.machines
    return any(map(files_in, machines))


class _Ended(Exception):
    """The process ended without an answer."""


class _Answerer:
    """One process after the other, each until it is ended.

    :ivar subject: of the question that is worked out
    :ivar recent: the subjects of the last questions
    :ivar waiting: how many questions are worked out or wait
    :ivar untold: the runs of real kernels that were not sent to the process
    """

    def __init__(self, given: Sequence[str], limit: float, kept: deque[bytes]) -> None:
        self._given, self._limit, self._kept = tuple(given), limit, kept
        self._lock = asyncio.Lock()
        self._process: _AnsweringProcess | None = None
        self._over = False
        self.subject = ""
        self.recent: deque[str] = deque(maxlen=_RECENT)
        self.waiting = 0
        self.untold: list[bytes] = []

    @property
    def runs(self) -> bool:
        """True while there is a process."""
        return self._process is not None

    async def begin(self) -> _AnsweringProcess:
        """The process, started if there is none.

        :raises _Ended: the server ends
        """
        if self._process is None and not self._over:
            self.recent.clear()
            self.untold = list(self._kept)
            self._process = _AnsweringProcess(self._given)
            try:
                await self._process.connect()
            except BaseException:
                self._end()
                raise
        if self._process is None:
            raise _Ended
        return self._process

    async def answer(self, subject: str, question: bytes, *, own: bool) -> bytes:
        """The reply to *question*.

        :param own: True where a policy of the user's is run for it
        """
        self.waiting += 1
        try:
            async with self._lock:
                self.subject = subject
                try:
                    reply = await self._reply(subject, question)
                    if own and is_refused(reply):
                        # The policy may have damaged the process: it is not asked again.
                        self._end()
                    return reply
                finally:
                    self.subject = ""
        finally:
            self.waiting -= 1

    async def _reply(self, subject: str, question: bytes) -> bytes:
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
                f"ended after {self._limit:g} s without an answer: shorten the program, or ask `pfnlab run`, "
                "which has no limit"
            )
        try:
            return working.result()
        except _Ended as ended:
            await self._give_up(working)
            return refused("the explorer has ended" if self._over else f"{ended}: change what is asked")

    async def _give_up(self, working: asyncio.Future[bytes]) -> None:
        """End the process, and start another one for the next question."""
        working.cancel()
        self._end()
        with contextlib.suppress(_Ended):
            await self.begin()

    async def _work(self, subject: str, question: bytes) -> bytes:
        process = await self.begin()
        while self.untold:
            await process.ask(self.untold[0])
            self.untold.pop(0)
        reply = await process.ask(question)
        if subject in self.recent:
            self.recent.remove(subject)
        self.recent.append(subject)
        return reply

    def end_for_good(self) -> None:
        """End the process, and start none any more."""
        self._over = True
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()


class _AnsweringProcess:
    """A running process, and the socket to it."""

    def __init__(self, given: Sequence[str]) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            words = [str(theirs.fileno()), str(os.getpid()), *given]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "pfnlab.explorer.answering", *words],
                stdin=subprocess.DEVNULL,
                # A policy of the user's may print; the answers have a way of their own.
                stdout=2,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self) -> None:
        """Open the socket in this event loop."""
        self._reader, self._writer = await asyncio.open_connection(sock=self._socket, limit=_LONGEST)

    async def ask(self, line: bytes) -> bytes:
        """The answer to the question in *line*, without the end of its line.

        :raises _Ended: the process ended before it answered
        """
        assert self._reader is not None and self._writer is not None
        try:
            self._writer.write(line)
            await self._writer.drain()
            reply = await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as large:
            raise _Ended(f"the answer has more than {_LONGEST:,} bytes") from large
        except (ConnectionError, asyncio.IncompleteReadError) as ended:
            raise _Ended(f"the process that worked this out ended ({self._ending()})") from ended
        return reply[:-1]

    def _ending(self) -> str:
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "its socket was closed"
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit {code}"

    def end(self) -> None:
        """End it, and everything it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._writer is not None:
            self._writer.close()
        else:
            self._socket.close()
