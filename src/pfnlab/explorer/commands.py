"""Searches, and runs on real kernels, which the page starts and then polls until they finish.

They take longer than a question, so each has its own process: it can be ended at any time, and a kernel
that hangs does not hang the page. The process works in the explorer's working folder, so that it finds the
machine files that were named on the command line.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from pfnlab.base.answerer import Answerer, begin_answering
from pfnlab.base.errors import Misuse
from pfnlab.base.progress import say
from pfnlab.base.worker import End
from pfnlab.explorer import questions
from pfnlab.explorer.answers import KeptRun
from pfnlab.explorer.stories import machine_name
from pfnlab.explorer.walk import walkable_scopes
from pfnlab.explorer.workers import MOST_MEMORY
from pfnlab.lab.running.inside import can_look_inside
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run
from pfnlab.verbs.check import CheckRequest, perform
from pfnlab.verbs.run import RunRequest, programs_run

#: The time limit, in seconds.
LIMIT = 900
#: The maximum number of jobs running at once.
_MOST = 2
#: A process's entry point, and what to advise after a timeout.
_KIND = f"{__name__}:performing", "ask `pfnlab check` or `pfnlab run`"


class JobProgress(msgspec.Struct, frozen=True):
    """A job's progress.

    :param said: its last line of progress
    :param seconds: how long ago it was started
    :param answer: its result, once it has ended successfully
    :param failed: why it failed
    """

    job: str
    done: bool
    said: str
    seconds: int
    answer: Any = None
    failed: str | None = None


def performing(end: End, memory: int | None) -> Callable[[Callable[[], Any]], bytes]:
    """Return the function that does the work of a job in a process with at most *memory* bytes."""
    begin_answering(memory)
    return lambda work: questions.reply(lambda _: work(), None)


class _Job(NamedTuple):
    """Work in its process; *read* turns the reply into the answer, *said* has the last line of progress."""

    worker: Answerer
    reply: asyncio.Task[bytes]
    read: Callable[[Any], Any]
    began: float
    said: deque[str]

    def progress(self, name: str) -> JobProgress:
        seconds = int(time.monotonic() - self.began)
        if not self.reply.done():
            return JobProgress(name, False, self.said[-1][:200], seconds)
        found = msgspec.json.decode(self.reply.result())
        if "refused" in found:
            return JobProgress(name, True, "", seconds, failed=found["refused"][:2000])
        return JobProgress(name, True, "", seconds, answer=self.read(found))


#: Limits on a search that the page starts.
_SECONDS, _STATES = 60, 200_000


class Commands:
    """Answers about background work, given in the event loop; *keep* receives each run on a real kernel."""

    def __init__(self, keep: Callable[[KeptRun], None], given: Sequence[str] = ()) -> None:
        self._keep, self._given = keep, tuple(given)
        self._jobs: dict[str, _Job] = {}

    def end(self) -> None:
        """End all jobs that are running."""
        for job in self._jobs.values():
            job.worker.end_for_good()

    def _begin(self, work: Callable[[], Any], read: Callable[[Any], Any], memory: int | None) -> JobProgress:
        """Start *work* in a process; raise Misuse if too many are running.

        :param read: turns the reply into the answer
        :param memory: the memory limit for each of its processes, in bytes; None for no limit
        """
        self._jobs = {name: job for name, job in self._jobs.items() if not job.reply.done()}
        if len(self._jobs) >= _MOST:
            raise Misuse("something is still running: wait for it, or stop it")
        name, said = secrets.token_hex(8), deque([""], maxlen=1)
        worker = Answerer(_KIND, (memory,), LIMIT, hearer=said.append)
        reply = asyncio.create_task(worker.answer("", work))
        reply.add_done_callback(lambda _: worker.end_for_good())
        self._jobs[name] = job = _Job(worker, reply, read, time.monotonic(), said)
        return job.progress(name)

    def search(self, question: questions.SearchQuestion) -> Any:
        """Start a search of a whole scope for violations of a property."""
        name = machine_name(question.machine, self._given)
        if question.scope not in walkable_scopes() or name.kind != "model":
            raise Misuse("a search is of a model in one of the scopes")
        request = CheckRequest(on=(str(name),), scope=question.scope, seconds=_SECONDS, states=_STATES)
        return self._begin(partial(searched, request), dict, MOST_MEMORY)

    def kernel(self, question: questions.KernelRunQuestion) -> Any:
        """Start a run of a program on a real kernel."""
        name = machine_name(question.machine, self._given)
        if name.kind != "qemu":
            raise Misuse("write qemu:7.2")
        program = load_text(question.program, "program")
        look = LookLevel.MEMORY if can_look_inside() else LookLevel.PROC
        request = RunRequest(programs=(), on=(str(name),), look=look.value)

        def read(found: Any) -> Any:
            # How it was observed is not printed.
            run = msgspec.structs.replace(msgspec.convert(found, Run), look=look)
            self._keep(KeptRun(question.program, str(name), run))
            return {"machine": str(name), "kernel": run.kernel}

        return self._begin(partial(kernel_run, program, request), read, None)

    def job(self, question: questions.JobQuestion) -> Any:
        """Return a job's progress, or end it; raise Misuse if there is no such job."""
        if question.stop:
            if job := self._jobs.pop(question.job, None):
                job.worker.end_for_good()
            return {"stopped": True}
        if question.job not in self._jobs:
            raise Misuse("nothing of that name is running")
        return self._jobs[question.job].progress(question.job)


def kernel_run(program: Program, request: RunRequest) -> Run:
    """Return the run of a program on the machine of a request."""
    (result,) = programs_run(request, {"program": program}).of_programs
    (run,) = result.runs
    return msgspec.structs.replace(run, alarm=None)


def searched(request: CheckRequest) -> dict[str, Any]:
    """Return the verdicts of a search, each with the path that decided it, as in the graph's URL."""
    (found,) = perform(request, say)
    return {
        "states": found.states,
        "complete": found.complete,
        "properties": [
            {
                **{key: getattr(item, key) for key in ("name", "kind", "asks", "verdict")},
                # The first number is that of the initial state; a kernel has just one.
                "path": None if item.path is None else [int(part) for part in item.path.split("/")[1:]],
            }
            for item in found.answers
        ],
    }
