"""Searches, and runs on real kernels, which the page starts and then polls until they finish.

They take longer than a question, so each is a separate pfnlab command: it can be ended at any time, and a
kernel that hangs does not hang the page. A command gets the program in a file whose name we choose, so text
from the page never becomes a word on a command line. It runs in the explorer's working folder, so that it
finds the machine files that were named on the command line.
"""

import secrets
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.memory_limit import limit_memory
from pfnlab.base.worker import end, python, tell
from pfnlab.checker.check import CheckResult
from pfnlab.explorer import questions
from pfnlab.explorer.answers import KeptRun, kept_run
from pfnlab.explorer.stories import machine_name
from pfnlab.explorer.walk import walkable_scopes
from pfnlab.explorer.workers import MOST_MEMORY
from pfnlab.lab.images.tools import END_ALL, when_gone
from pfnlab.lab.running.inside import can_look_inside
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.runs.look import LookLevel

#: A command's time limit, in seconds.
LIMIT = 900
#: Seconds that a command has to end by itself once asked to.
_GRACE = 2
#: The word in a command that stands for the program file.
PROGRAM = "program.pfn"
#: The maximum number of commands running at once.
_MOST = 2


class JobProgress(msgspec.Struct, frozen=True):
    """A command's progress.

    :param said: the last line it printed
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


class _Job:
    def __init__(
        self, words: Sequence[str], program: str | None, read: Callable[[str], Any], memory: int | None
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pfnlab-job-")
        folder = Path(self._folder.name)
        self._out, self._said = folder / "answer", folder / "said"
        self._read, self._began = read, time.monotonic()
        self._last: JobProgress | None = None
        self._interrupted = False
        self._guard = ExitStack()
        if program is not None:
            (folder / PROGRAM).write_text(program, encoding="utf-8")
            words = [str(folder / PROGRAM) if word == PROGRAM else word for word in words]
        with self._out.open("wb") as out, self._said.open("wb") as said:
            self._process = python(["-m", "pfnlab", *words], stdout=out, stderr=said)
        if memory is not None:
            limit_memory(memory, self._process.pid)
        # No command outlives the explorer, however the explorer ends.
        self._guard.enter_context(when_gone(END_ALL, str(self._process.pid)))

    def progress(self, name: str) -> JobProgress:
        if self._last is None:
            progress = self._progress(name)
            if not progress.done:
                return progress
            self._last = progress
            self.end()
        return self._last

    def _progress(self, name: str) -> JobProgress:
        code = self._process.poll()
        seconds = int(time.monotonic() - self._began)
        said = self._said.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
        if code is None:
            if seconds > LIMIT:
                return JobProgress(name, True, said, seconds, failed=f"ended after {LIMIT} s")
            return JobProgress(name, False, said[:200], seconds)
        try:
            answer = self._read(self._out.read_text(encoding="utf-8"))
        except (ValueError, msgspec.MsgspecError):
            reason = said.removeprefix("pfnlab: ") or f"the command ended with {code}"
            return JobProgress(name, True, "", seconds, failed=reason[:2000])
        return JobProgress(name, True, "", seconds, answer=answer)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def interrupt(self) -> None:
        """Ask it to end, but only once: a second signal would arrive while it is ending."""
        if not self._interrupted and self._process.poll() is None:
            self._interrupted = True
            tell(self._process, signal.SIGINT)

    def end(self) -> None:
        """Interrupt it, and kill it if it does not end in time."""
        self.interrupt()
        end(self._process, _GRACE)
        self._guard.close()
        self._folder.cleanup()


class Jobs:
    """The commands that are running. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.Lock()

    def begin(
        self,
        words: Sequence[str],
        read: Callable[[str], Any],
        program: str | None = None,
        memory: int | None = None,
    ) -> JobProgress:
        """Start a command with :data:`PROGRAM` in *words* as the program; raise Misuse if too many are
        running.

        :param read: parses the output; raises ValueError if that is not an answer
        :param memory: the memory limit for each of its processes, in bytes; None for no limit
        """
        with self._lock:
            if sum(job.running for job in self._jobs.values()) >= _MOST:
                raise Misuse("something is still running: wait for it, or stop it")
            for name in [name for name, job in self._jobs.items() if not job.running]:
                self._jobs.pop(name).end()
            name = secrets.token_hex(8)
            self._jobs[name] = _Job(words, program, read, memory)
        return self.progress(name)

    def progress(self, name: str) -> JobProgress:
        """Return a command's progress; raise Misuse if there is no such command."""
        with self._lock:
            if name not in self._jobs:
                raise Misuse("nothing of that name is running")
            return self._jobs[name].progress(name)

    def stop(self, name: str) -> None:
        """End a command if it is running."""
        with self._lock:
            job = self._jobs.pop(name, None)
        # Other commands can be polled while this one ends.
        if job is not None:
            job.end()

    def end(self) -> None:
        """End all commands, giving them time to end in parallel."""
        with self._lock:
            jobs, self._jobs = list(self._jobs.values()), {}
        for job in jobs:
            job.interrupt()
        for job in jobs:
            job.end()


#: Limits on a search that the page starts.
_SECONDS, _STATES = 60, 200_000


class Commands:
    """Answers about background work; *keep* receives each run on a real kernel."""

    def __init__(self, keep: Callable[[KeptRun], None], given: Sequence[str] = ()) -> None:
        self._keep, self._given, self._jobs = keep, tuple(given), Jobs()

    def end(self) -> None:
        """End all commands that are running."""
        self._jobs.end()

    def search(self, question: questions.SearchQuestion) -> Any:
        """Start a search of a whole scope for violations of a property."""
        name = machine_name(question.machine, self._given)
        if question.scope not in walkable_scopes() or name.kind != "model":
            raise Misuse("a search is of a model in one of the scopes")
        words = ["check", "--on", str(name), "--scope", question.scope, "--json"]
        words += ["--seconds", str(_SECONDS), "--states", str(_STATES)]
        return self._jobs.begin(words, _searched, memory=MOST_MEMORY)

    def kernel(self, question: questions.KernelRunQuestion) -> Any:
        """Start a run of a program on a real kernel."""
        name = machine_name(question.machine, self._given)
        if name.kind != "qemu":
            raise Misuse("write qemu:7.2")
        load_text(question.program, "program")
        look = LookLevel.MEMORY if can_look_inside() else LookLevel.PROC
        words = ["run", PROGRAM, "--on", str(name), "--look", look.value, "--json"]

        def read(output: str) -> Any:
            kept = KeptRun(question.program, str(name), output, look)
            run = kept_run(kept)
            self._keep(kept)
            return {"machine": str(name), "kernel": run.kernel}

        return self._jobs.begin(words, read, question.program)

    def job(self, question: questions.JobQuestion) -> Any:
        """Return a command's progress."""
        if question.stop:
            self._jobs.stop(question.job)
            return {"stopped": True}
        return self._jobs.progress(question.job)


def _searched(output: str) -> Any:
    """Return the verdicts of a search, each with the path that decided it, as in the graph's URL."""
    found = msgspec.json.decode(output, type=CheckResult)
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
