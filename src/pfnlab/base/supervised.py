"""Work that runs user code, done in a child process that this process watches.

User code may loop where no signal reaches it, exit the process, or use up all memory. The child has a memory
limit and a heartbeat (:class:`~pfnlab.base.own_code.Heartbeats`). This process waits for its answer, writes
its output, and kills it if the heartbeat stops or a call of user code takes too long.
"""

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TypeVar

from pfnlab.base import own_code
from pfnlab.base.endings import end_with, ending
from pfnlab.base.errors import Killed, PfnlabError, PolicyError, Undecided
from pfnlab.base.worker import End, WorkerEnded, fork, hear, tell

Result = TypeVar("Result")

#: Number of ticks beyond the limit in which the child can end a call itself.
_GRACE = 3

#: Seconds for Ctrl-C to reach the child if sent to the whole group, and for the child to leave a call.
_HEARS, _DEAF = 0.5, 2.0

_READ = 1 << 10

#: Exit code of a child that can no longer send anything.
_MUTE = 113


def supervised(work: Callable[[], Result]) -> Result:
    """Return the result of *work*, done in a child process; its output is printed here.

    Changes that it makes in memory stay in the child. Within such a child, the work is done in place.

    :raises PolicyError: if user code does not return, uses up all memory, or has ended or damaged the process
    :raises PfnlabError: if the work failed with it
    :raises Killed: if the process was killed from outside
    """
    if own_code.is_served():
        return work()
    with _interrupts_held() as mask:
        result: Result = _Watch(work, mask).result()
        return result


@contextmanager
def _interrupts_held() -> Iterator[set[signal.Signals] | None]:
    """Block Ctrl-C in this context if this is the main thread; yield the signals that were blocked before."""
    if threading.current_thread() is not threading.main_thread():
        yield None
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield set(map(signal.Signals, mask))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class _Watch:
    """The waiting process; *mask* is the child's signal mask, None outside the main thread."""

    def __init__(self, work: Callable[[], Any], mask: set[signal.Signals] | None) -> None:
        self._mask, self._beats = mask, own_code.Heartbeats()
        # The numbers of signals that have reached the child, however it handles them.
        self._signals, self._signalling = os.pipe()
        for descriptor in (self._signals, self._signalling):
            os.set_blocking(descriptor, False)
        self._mistake: PolicyError | None = None
        # The time of Ctrl-C and the child's tick count then; whether the child received it, or was sent it.
        self._interrupted: tuple[float, int] | None = None
        self._heard = self._told = False
        # By process: the last beat, and how many checks there were since it changed.
        self._seen: dict[int, tuple[int, int]] = {}
        self._looked = time.monotonic()
        maker = os.getpid()
        self._child = fork(lambda end: self._do(work, end, maker))

    def result(self) -> Any:
        """Wait for the child to end and return its result."""
        look = min(own_code.tick(), 0.5)
        answer = self._child.post(hearer=sys.stdout.write)
        try:
            while not answer.done():
                hear([self._child], look)
                if self._mask is not None:
                    self._look_for_interrupts()
                if time.monotonic() - self._looked >= own_code.tick():
                    self._looked = time.monotonic()
                    self._look_at_beats()
        finally:
            self._child.end()
            for descriptor in (self._signals, self._signalling):
                os.close(descriptor)
        try:
            return answer.result()
        except WorkerEnded as lost:
            raise self._lost(lost.code) from None

    def _look_for_interrupts(self) -> None:
        """Forward Ctrl-C to the child unless it has received it: a terminal sends it to both."""
        now, beat = time.monotonic(), self._beats.of(self._child.process.pid)
        with suppress(BlockingIOError):
            self._heard = self._heard or signal.SIGINT in os.read(self._signals, _READ)
        if signal.sigtimedwait([signal.SIGINT], 0) is not None:
            self._interrupted = now, beat.number if beat is not None else 0
        if self._interrupted is None or beat is None:
            return
        since, count = self._interrupted
        if now - since > _HEARS and not self._heard and not self._told:
            self._told = True
            tell(self._child.process, signal.SIGINT)
        elif now - since > _DEAF and (beat.ticks > 1 or beat.number == count):
            tell(self._child.process, signal.SIGKILL)

    def _look_at_beats(self) -> None:
        """Kill the child if one of its processes stays in one call, or in none that was seen, too long."""
        seen, self._seen = self._seen, {}
        for beat in self._beats.all():
            count, looks = seen.get(beat.process, (beat.number, 0))
            looks = looks + 1 if count == beat.number else 0
            self._seen[beat.process] = beat.number, looks
            # Counts both checks and ticks, so that a command that was stopped for a while can continue.
            if self._mistake is None and (says := beat.too_long(looks, _GRACE)):
                path, method = beat.place if beat.place[0] else (self._beats.files, None)
                if path:
                    self._mistake = PolicyError(path, method, says)
                    tell(self._child.process, signal.SIGKILL)

    def _do(self, work: Callable[[], Any], end: End, maker: int) -> NoReturn:
        """Do the work in this process, the child, and send the result."""
        code = _MUTE
        try:
            end_with(maker, signal.SIGKILL)
            if self._mask is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            signal.set_wakeup_fd(self._signalling, warn_on_full_buffer=False)
            # All output except pfnlab's own, which is sent, goes to standard error.
            os.dup2(2 if own_code.is_open(2) else os.open(os.devnull, os.O_WRONLY), 1)
            sys.stdout = _DivertedOutput(sys.stdout, end.say)
            own_code.serve(self._beats)
            end.answer(_checked, work)
            code = 0
        finally:
            os._exit(code)

    def _lost(self, code: int | None) -> BaseException:
        """The error if the child ended without an answer."""
        if self._mistake is not None:
            return self._mistake
        if self._interrupted is not None:
            return KeyboardInterrupt()
        files = self._beats.files
        if files and code == _MUTE:
            return PolicyError(files, None, "it closed the files of the process it is called in")
        trouble: PfnlabError | None = own_code.mistake_ended(code, files)
        return trouble or Killed(f"{files or 'the command'}: its process {ending(code)}")


def _checked(work: Callable[[], Any]) -> Any:
    try:
        result = work()
    except Undecided:
        # User code may have used up the missing resource.
        own_code.check_process()
        raise
    own_code.check_process()
    return result


class _DivertedOutput(io.TextIOBase):
    """pfnlab's standard output, with the properties of *like*; user output goes to standard error."""

    def __init__(self, like: Any, write: Callable[[str], None]) -> None:
        self._like, self._write, self._owner = like, write, threading.get_ident()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return str(self._like.encoding)

    def isatty(self) -> bool:
        return bool(self._like.isatty())

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if threading.get_ident() != self._owner or own_code.goes_on():
            return sys.stderr.write(text)
        own_code.check_process()
        self._write(text)
        return len(text)

    def close(self) -> None:
        """Close the descriptor if user code asks for that, which is then reported."""
        if own_code.goes_on():
            os.close(1)
