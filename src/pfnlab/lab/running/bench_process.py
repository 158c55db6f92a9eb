"""A bench in a separate process, so that its observing and parsing take no time from other benches.

The process is a worker with one guest; both end when the worker's stream is closed.
"""

import atexit
import signal
from collections.abc import Callable, Sequence
from typing import Any

from pfnlab.base.errors import Defect
from pfnlab.base.progress import say
from pfnlab.base.worker import End, Worker, WorkerEnded, executed, tell
from pfnlab.lab.images.cache import quiet
from pfnlab.lab.running.pending import ObservedProgram
from pfnlab.lab.vm.boots import AbandonedBoot
from pfnlab.programs.runs.observation import Run

#: The entry point of the process.
_MACHINE = "pfnlab.lab.running.bench_process:machine"

#: Seconds that an idle process has to end its guest.
_END_LIMIT = 10.0


class BenchProcess:
    """A process with a bench, started on demand with these settings; it has the same interface as a bench."""

    def __init__(self, settings: dict[str, Any], say: Callable[[str], None] = quiet) -> None:
        self._settings, self._say = settings, say
        self._worker: Worker | None = None
        self._killed = False
        #: True if it has a guest.
        self.is_up = False

    def run_all(self, asked: Sequence[ObservedProgram]) -> list[Run]:
        """Run programs one after another, or raise the error that the machine raised in the process.

        :raises AbandonedBoot: if the process was killed in the meantime
        :raises Defect: if the process ended by itself
        """
        if self._worker is None:
            # It outlives the thread that runs this program.
            self._worker = executed(_MACHINE, self._settings, dies=False)
        self.is_up = True
        runs: list[Run] = self._ask(self._worker, [*asked])
        return runs

    def drop(self) -> None:
        """End the guest; the process stays."""
        if self._worker is not None and self.is_up:
            self.is_up = False
            self._ask(self._worker, None)

    def close(self) -> None:
        """End the process; it is killed if it is running a program."""
        worker, self._worker, self.is_up = self._worker, None, False
        if worker is not None:
            worker.end(_END_LIMIT)

    def kill(self) -> None:
        """Kill the process immediately, from any thread; its guest ends by itself."""
        self._killed = True
        if self._worker is not None:
            tell(self._worker.process, signal.SIGKILL)

    def _ask(self, worker: Worker, request: list[ObservedProgram] | None) -> Any:
        try:
            return worker.ask(request, self._say)
        except WorkerEnded as lost:
            self._worker, self.is_up = None, False
            if self._killed:
                raise AbandonedBoot from None
            raise Defect(f"the process of a guest ended with status {lost.code}") from None


def machine(end: End, settings: dict[str, Any]) -> Callable[[list[ObservedProgram] | None], list[Run] | None]:
    """Serve a machine with one guest: each request is a list of programs, or None to end the guest."""
    from pfnlab.lab.running.qemu_machine import QemuMachine

    one = QemuMachine(**settings, guests=1, say=say)
    atexit.register(one.close)

    def answer(request: list[ObservedProgram] | None) -> list[Run] | None:
        if request is None:
            one.reboot()
            return None
        return one.run([asked.program for asked in request], [asked.look for asked in request])

    return answer
