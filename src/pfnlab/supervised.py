"""Work that runs a user's code, done in a process that can be ended.

A policy may loop where no signal reaches it, end its process, or take all memory. So the work is done in a
child process, and this one waits for its answer and watches its place in the user's code
(:class:`~pfnlab.limit.CallPlaces`). Between the two is a keeper: what the child leaves behind becomes a child
of the keeper, which ends it.

The output of the child comes here and is written here. What the user's code prints goes to standard error.
"""

from __future__ import annotations

import math
import mmap
import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

from pfnlab import limit
from pfnlab.endings import STAYS, end_with, ending, take_orphans
from pfnlab.errors import Killed, PfnlabError, PolicyError
from pfnlab.limit import CLOCK, CallPlace, CallPlaces, ended_at, too_long
from pfnlab.own_code import is_served, serve
from pfnlab.worker import End, Ended, fork, hear, tell

Result = TypeVar("Result")

#: Bytes that the memory of a process may grow by within one call.
MOST_MEMORY = 1 << 30

#: Seconds between two looks at the child.
_LOOK = 0.1

#: Seconds that the child's own clock has for a call beyond the limit, that the child has to end after Ctrl-C
#: in such a call, and that processes it leaves behind have to end by themselves.
GRACE = 2.0

#: Seconds within which a signal reaches the child, where it was sent to all processes.
_HEARS = 0.5

#: Seconds after which the keeper gives up on processes that cannot be ended.
_GIVE_UP = 10.0

#: How a child ended, as the keeper writes it: whether it is known, and the exit code.
_STATUS = struct.Struct("?i")

#: The exit code of a child that cannot send any more.
_MUTE = 113

_READ = 1 << 10


def supervised(work: Callable[[], Result]) -> Result:
    """The result of *work*, which is done in a child process; what it prints is printed here.

    What it changes in memory stays there. Where this process is such a child, the work is done here.

    :raises PolicyError: a user's code does not return, takes all memory, or has ended the process
    :raises PfnlabError: that of the work
    :raises Killed: something else has ended the process
    """
    if is_served():
        return work()
    with _interrupts_held() as mask:
        result: Result = _Watch(work, mask).result()
        return result


@contextmanager
def _interrupts_held() -> Iterator[set[signal.Signals] | None]:
    """Ctrl-C waits to be looked at within this context, where it would reach this thread.

    :return: the signals that were held before; None in a thread that has none
    """
    if threading.current_thread() is not threading.main_thread():
        yield None
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield set(map(signal.Signals, mask))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class _Stay(NamedTuple):
    """A call that goes on: the seconds it was seen, and the bytes that its process had at first."""

    seconds: float
    size: int


class _Watch:
    """The process that waits: it hears the child, and has it ended.

    :param mask: the signals that the child holds; None for those of this thread
    """

    def __init__(self, work: Callable[[], Any], mask: set[signal.Signals] | None) -> None:
        self._places = CallPlaces()
        self._place = self._places.give()
        self._holds = mask is not None
        # The numbers of the signals that have reached the child.
        self._signals, self._signalling = os.pipe()
        self._status = mmap.mmap(-1, _STATUS.size)
        for descriptor in (self._signals, self._signalling):
            os.set_blocking(descriptor, False)
        self._keeper = fork(lambda end: _keep(mask, lambda: self._do(work, end), self._status))
        self._mistake: PolicyError | None = None
        self._interrupted: float | None = None
        # When the child has heard of Ctrl-C, and when it is passed on.
        self._heard, self._tell = 0.0, math.inf
        self._seen: dict[CallPlace, _Stay] = {}
        self._looked = time.monotonic()

    def result(self) -> Any:
        """Wait for the end, and give the answer."""
        # There is no second answer: the keeper owes it until all is over.
        answer, over = self._keeper.post(hearer=sys.stdout.write), self._keeper.post()
        try:
            while not over.done():
                hear([self._keeper], _LOOK)
                if self._holds:
                    self._look_for_interrupts()
                self._look_at_places()
        finally:
            self._end()
        try:
            return answer.result()
        except Ended:
            if self._mistake is not None:
                raise self._mistake from None
            if self._interrupted is not None:
                raise KeyboardInterrupt from None
            known, code = _STATUS.unpack(self._status)
            raise self._lost(code if known else None) from None

    def _look_for_interrupts(self) -> None:
        """Pass Ctrl-C on to the child, where it does not hear of it: a terminal sends it to both."""
        now = time.monotonic()
        with suppress(BlockingIOError):
            if signal.SIGINT in os.read(self._signals, _READ):
                self._heard = now
        if signal.sigtimedwait([signal.SIGINT], 0) is not None:
            self._interrupted, self._tell = now, now + _HEARS
        if now >= self._tell:
            if self._heard < self._tell - 2 * _HEARS:
                tell(self._keeper.process, signal.SIGUSR1)
            self._tell = math.inf

    def _look_at_places(self) -> None:
        """Have the child ended where a call takes too long or too much, or Ctrl-C does not reach it."""
        now, seen = time.monotonic(), self._seen
        # Where all of this was stopped for a while, no call has gone on meanwhile.
        passed, self._looked = min(now - self._looked, 2 * _LOOK), now
        self._seen = {}
        for place in self._places.all():
            size = _resident(place.process) if place.since else 0
            # A process that is gone is in no call any more.
            if not size or self._mistake is not None:
                continue
            earlier = seen.get(place, _Stay(0.0, size))
            stay = self._seen[place] = earlier._replace(seconds=earlier.seconds + passed)
            if stay.seconds > limit.LIMIT + GRACE:
                self._refuse(place, too_long())
            elif self._interrupted is not None and now - max(place.since, self._interrupted) > GRACE:
                tell(self._keeper.process, signal.SIGTERM)
            elif size - stay.size > MOST_MEMORY:
                most = f"{MOST_MEMORY >> 30} GiB"
                self._refuse(place, f"it took more than {most} of memory: does it grow without end?")

    def _refuse(self, place: CallPlace, what: str) -> None:
        self._mistake = PolicyError(place.path, place.method, what)
        tell(self._keeper.process, signal.SIGTERM)

    def _end(self) -> None:
        """The keeper ends the child, if that still runs, and then itself."""
        tell(self._keeper.process, signal.SIGTERM)
        self._keeper.end(GRACE + _GIVE_UP)
        for descriptor in (self._signals, self._signalling):
            os.close(descriptor)

    def _do(self, work: Callable[[], Any], end: End) -> NoReturn:
        """Do the work in this process, the child, and send what comes of it."""
        code = _MUTE
        try:
            _divert_output()
            CLOCK.show(self._places, self._place)
            # Written to however a signal is handled here.
            signal.set_wakeup_fd(self._signalling, warn_on_full_buffer=False)
            serve(end.say, (*filter(_is_open, (1, 2)), end.fileno()))
            end.answer(work)
            code = 0
        finally:
            os._exit(code)

    def _lost(self, code: int | None) -> PfnlabError:
        """The error where the child has ended without an answer."""
        place = self._places.at(0)
        if place is None:
            return Killed(f"the process of the command {ending(code)}")
        if code == _MUTE:
            return PolicyError(place.path, place.method, "it closed the files of the process it is called in")
        if mistake := ended_at(place, code):
            return mistake
        if code is None or code >= 0:
            return PolicyError(place.path, None, f"it ended the process (exit {code}) while no method ran")
        return Killed(f"{place.path}: its process {ending(code)}")


def _keep(mask: set[signal.Signals] | None, child: Callable[[], NoReturn], status: mmap.mmap) -> None:
    """Start the child, and end what it leaves behind.

    :param mask: the signals that the child holds; None for those of this thread
    :param status: takes how the child ended
    """
    signs = {signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1}
    others = {signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*signs, *others})
    take_orphans()
    keeper = os.getpid()
    process = os.fork()
    if not process:
        signal.pthread_sigmask(signal.SIG_SETMASK, before if mask is None else mask)
        end_with(keeper, signal.SIGKILL)
        child()
    ended: int | None = None
    while ended is None:
        sign = signal.sigwait(signs)
        if sign == signal.SIGTERM:
            os.kill(process, signal.SIGKILL)
        elif sign == signal.SIGUSR1:
            os.kill(process, signal.SIGINT)
        ended = _reaped().get(process)
    status[:] = _STATUS.pack(True, ended)
    _end_orphans()


def _reaped() -> dict[int, int]:
    """The exit codes of the processes that have ended, by their numbers.

    :raises ChildProcessError: there is none, and none that goes on
    """
    codes: dict[int, int] = {}
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            if codes:
                return codes
            raise
        if not process:
            return codes
        codes[process] = os.waitstatus_to_exitcode(status)


def _end_orphans() -> None:
    """End what runs below this process: at first by itself, as what removes the files of a process does."""
    began = time.monotonic()
    with suppress(ChildProcessError):
        while (waited := time.monotonic() - began) < _GIVE_UP:
            _reaped()
            if waited > GRACE:
                left = [process for process in _children() if not _stays(process)]
                if not left:
                    return
                for process in left:
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
            signal.sigtimedwait([signal.SIGCHLD], _LOOK)


def _children() -> list[int]:
    """The processes of this one, which has one thread."""
    return list(map(int, Path("/proc/thread-self/children").read_text(encoding="ascii").split()))


def _stays(process: int) -> bool:
    try:
        return f"{STAYS}=".encode() in Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return False


def _resident(process: int) -> int:
    """The bytes of memory that a process has, 0 where it is gone."""
    try:
        words = Path(f"/proc/{process}/statm").read_text(encoding="utf-8").split()
    except OSError:
        return 0
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE")


def _divert_output() -> None:
    """Let all but pfnlab's own output, which is sent, go to standard error."""
    instead = 2 if _is_open(2) else os.open(os.devnull, os.O_WRONLY)
    os.dup2(instead, 1)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
