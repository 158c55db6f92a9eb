"""A bench in a process of its own: looking, and reading replies, then cost no other bench time.

The other end is a machine with one guest. Both speak in pickled values through pipes; when the pipe to it
closes, the process ends its guest and itself.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

from pfnlab import errors
from pfnlab.lab.images.cache import quiet
from pfnlab.lab.vm.boots import Stopped
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import Run

#: What the process runs.
_SERVE = "from pfnlab.lab.running.bench_process import serve_pipes; serve_pipes()"

#: Seconds an idle process may take to end its guest.
_END_LIMIT = 10.0

_DROP = "drop"
_RUN, _SAY, _ERROR = "run", "say", "error"


class OneGuest(Protocol):
    """A machine with one guest (:class:`pfnlab.lab.running.machine.QemuMachine`)."""

    def run(self, programs: list[Program]) -> list[Run]:
        """Their runs."""

    def reboot(self) -> None:
        """Give the guest up."""

    def close(self) -> None:
        """End it."""


class BenchProcess:
    """
    A process with a bench in it, started when a program comes; used as a bench is.

    :param settings: those of the machine there
    :param say: called with each line it says
    """

    def __init__(self, settings: dict[str, Any], say: Callable[[str], None] = quiet) -> None:
        self._settings, self._say = settings, say
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False
        #: Whether it has a guest.
        self.is_up = False

    def run(self, program: Program) -> Run:
        """
        The run of one program.

        :raises PfnlabError: as the machine there does
        :raises Stopped: the process was killed meanwhile
        :raises Defect: it ended by itself
        """
        if self._process is None:
            self._process = self._start()
        self.is_up = True
        run: Run = self._ask(self._process, program)
        return run

    def drop(self) -> None:
        """Give the guest up; the process stays."""
        if self._process is not None and self.is_up:
            self.is_up = False
            self._ask(self._process, _DROP)

    def close(self) -> None:
        """End the process; one that runs a program is killed."""
        process, self._process, self.is_up = self._process, None, False
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(_END_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End the process at once, from any thread; its guest ends by itself."""
        self._killed = True
        if self._process is not None:
            self._process.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        # A session of its own: a terminal's interrupt is for us, who then end it.
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdin is not None
        pickle.dump(self._settings, process.stdin)
        return process

    def _ask(self, process: subprocess.Popen[bytes], request: Program | str) -> Any:
        assert process.stdin is not None and process.stdout is not None
        try:
            pickle.dump(request, process.stdin)
            process.stdin.flush()
            while True:
                kind, value = pickle.load(process.stdout)
                if kind != _SAY:
                    break
                self._say(value)
        except (EOFError, OSError, pickle.UnpicklingError):
            self._process, self.is_up = None, False
            process.kill()
            status = process.wait()
            if self._killed:
                raise Stopped from None
            raise errors.Defect(f"the process of a guest ended with status {status}") from None
        if kind == _ERROR:
            name, text = value
            raise getattr(errors, name, errors.Defect)(text)
        return value


def serve_pipes() -> None:
    """Be the process: requests on the standard input, answers on what was the standard output."""
    from pfnlab.lab.running.machine import QemuMachine

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers, QemuMachine)


def serve(requests: BinaryIO, answers: BinaryIO, machine_of: Callable[..., OneGuest]) -> None:
    """
    Answer requests until there are no more.

    :param machine_of: makes the machine from the settings, which come first
    """

    def answer(kind: str, value: object) -> None:
        pickle.dump((kind, value), answers)
        answers.flush()

    machine = machine_of(**pickle.load(requests), guests=1, say=lambda line: answer(_SAY, line))
    try:
        while True:
            request = pickle.load(requests)
            try:
                if request == _DROP:
                    machine.reboot()
                    answer(_RUN, None)
                else:
                    answer(_RUN, machine.run([request])[0])
            except Exception as error:
                if isinstance(error, OSError) and not isinstance(error, errors.PfnlabError):
                    raise
                named = isinstance(error, errors.PfnlabError)
                text = str(error) if named else f"{type(error).__name__}: {error}"
                answer(_ERROR, (type(error).__name__ if named else "Defect", text))
    except (EOFError, BrokenPipeError):
        return
    finally:
        machine.close()
