"""Separate processes, which can be ended, that answer the questions that take work.

So the server can answer other questions at the same time, each question has a time limit, and an abandoned
question costs nothing: its process is killed, and another takes its place.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from pfnlab.base.answerer import Answerer
from pfnlab.explorer.answers import KeptRun
from pfnlab.explorer.questions import BundleQuestion, GraphQuestion, Inspected, Worked
from pfnlab.kernel.policies.own import files_in

#: Time limit for one question, in seconds.
LIMIT = 60.0
#: Memory limit for one process, in bytes: twice what the largest bundle needs.
MOST_MEMORY = 2 << 30
#: The maximum number of processes.
_MOST = 3
#: The number of real-kernel runs sent to each process.
_KEPT = 64
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
        self._workers = [
            Answerer(_PROGRAMS, (memory, *given), limit, self._kept, _runs_own_code) for _ in range(_MOST)
        ]
        # If a bundle causes a crash, other questions are not affected.
        self._inspector = Answerer(_BUNDLES, (memory,), limit)
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

    def _chosen(self, subject: str) -> Answerer:
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
    """Return True if a user's policy may have damaged the process."""
    if isinstance(question, Inspected):
        return False
    machines = (question.machine,) if isinstance(question, GraphQuestion) else question.machines
    return any(map(files_in, machines))
