"""A limit for a user's code: a call that does not return is ended, and is seen by the process that watches.

Only the time in which the call itself runs counts: an operation may stop inside a call, and the time of other
operations until it goes on is not the call's.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import Any, NamedTuple

from pfnlab.endings import signal_name
from pfnlab.errors import PolicyError

#: Seconds a call may take.
LIMIT = 10.0

#: Ticks within the limit. A process that was stopped for a while sees one of them, whatever the time is.
_TICKS = 10


class TooLong(BaseException):
    """Raised inside the user's code, where its own ``except Exception`` does not catch it."""


def too_long() -> str:
    """The mistake of a call that takes longer, in words."""
    return f"it did not return within {LIMIT:g} s: does it loop?"


class CallPlace(NamedTuple):
    """The place of a process in a user's code.

    :param path: the file
    :param method: the method, or None where it is the file itself
    :param since: when the call began, by the clock that processes share; 0 where it has returned
    :param process: the number of the process
    """

    path: str
    method: str | None
    since: float
    process: int


def ended_at(place: CallPlace | None, code: int | None) -> PolicyError | None:
    """The mistake of a call in which its process has ended; None where it ended in none.

    :param place: the last one of the process
    :param code: its exit code, or the number of the signal that ended it, negative
    """
    if place is None or not place.since:
        return None
    if code is None or code >= 0:
        return PolicyError(place.path, place.method, f"it ended the process it is called in (exit {code})")
    hint = _HINTS.get(-code, "")
    return PolicyError(place.path, place.method, f"it was killed by {signal_name(-code)}{hint}")


#: The likely reason for a signal.
_HINTS = {
    int(signal.SIGKILL): ": is memory short?",
    int(signal.SIGSEGV): ": does it recurse without end?",
}


class CallPlaces:
    """The places of several processes, in memory that they share: each writes its own, all read.

    Who forks a process gives it the number of a place before.
    """

    _COUNT, _PLACE = struct.Struct("Q"), struct.Struct("dII")
    #: Bytes of a place with the names in it, and how many places there are.
    _ROOM, _MOST = 8 << 10, 1 << 12

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, self._COUNT.size + self._ROOM * self._MOST)

    def give(self) -> int:
        """The number of an empty place; the oldest is given again where none is left."""
        (given,) = self._COUNT.unpack_from(self._memory)
        self._COUNT.pack_into(self._memory, 0, given + 1)
        number: int = given % self._MOST
        self._PLACE.pack_into(self._memory, self._start(number), 0.0, 0, 0)
        return number

    def enter(self, number: int, since: float, name: bytes) -> None:
        """A call begins in this process, or goes on."""
        start = self._start(number)
        names = start + self._PLACE.size
        self._memory[names : names + len(name)] = name
        self._PLACE.pack_into(self._memory, start, since, os.getpid(), len(name))

    def leave(self, number: int) -> None:
        """The call has returned, or stopped."""
        struct.pack_into("d", self._memory, self._start(number), 0.0)

    def at(self, number: int) -> CallPlace | None:
        """The last place of a process, None where it was in none."""
        start = self._start(number)
        since, process, length = self._PLACE.unpack_from(self._memory, start)
        if not length:
            return None
        names = start + self._PLACE.size
        path, _, method = self._memory[names : names + length].partition(b"\0")
        return CallPlace(os.fsdecode(path), method.decode() or None, since, process)

    def all(self) -> list[CallPlace]:
        """The last place of every process that was in one."""
        (given,) = self._COUNT.unpack_from(self._memory)
        places = map(self.at, range(min(given, self._MOST)))
        return [place for place in places if place is not None]

    def _start(self, number: int) -> int:
        return self._COUNT.size + number * self._ROOM


#: The earlier state of SIGALRM and its timer: handler, seconds left, interval, and the time it was saved.
_TimerState = tuple[Any, float, float, float]


class _OfThread(threading.local):
    # The calls of a thread that is not the main one, the outermost first, and its place.
    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.since = 0.0
        self.place: int | None = None


class _Clock:
    """The process's timer: it ticks while a call is under way, and counts the ticks of this call.

    Only the main thread receives its signal. The calls of other threads are seen from outside alone.
    """

    def __init__(self) -> None:
        # The names of the calls of the operation that runs, the outermost first; each operation has its own.
        self._calls: list[bytes] = []
        self._since, self._ticks = 0.0, 0
        self._earlier_timer: _TimerState | None = None
        self._places: CallPlaces | None = None
        self._place = 0
        self._other = _OfThread()

    @property
    def busy(self) -> bool:
        """True while a call of this thread is under way."""
        return bool(self._calls if _in_main_thread() else self._other.calls)

    def show(self, places: CallPlaces | None, number: int = 0) -> None:
        """From now on the calls of this process are seen at that place of *places*, or by nobody."""
        self._places, self._place = places, number

    def give_place(self) -> int:
        """The number of a place for a process that this one forks next."""
        return self._places.give() if self._places is not None else 0

    def take_place(self, number: int) -> None:
        """From now on the calls of this process, which was forked, are seen at that place."""
        self._place = number

    def clear_place(self, number: int, code: int | None) -> PolicyError | None:
        """The process at that place has ended: the mistake of the call in which it has, if it was in one.

        :param code: its exit code
        """
        if self._places is None:
            return None
        mistake = ended_at(self._places.at(number), code)
        self._places.leave(number)
        return mistake

    @contextmanager
    def running(self, path: str, method: str | None = None) -> Iterator[None]:
        """A method of the file at *path*, or the file itself, goes on within this context.

        :raises TooLong: inside of it, once the limit has passed
        """
        if not _in_main_thread():
            with self._running_in_thread(_name_of(path, method)):
                yield
            return
        calls = self._calls
        calls.append(_name_of(path, method))
        self._start()
        try:
            yield
        finally:
            calls.pop()
            if calls is self._calls:
                if calls:
                    self._show()
                else:
                    self._stop()

    @contextmanager
    def _running_in_thread(self, name: bytes) -> Iterator[None]:
        places, other = self._places, self._other
        if places is None:
            yield
            return
        if other.place is None:
            other.place = places.give()
        if not other.calls:
            other.since = monotonic()
        other.calls.append(name)
        places.enter(other.place, other.since, name)
        try:
            yield
        finally:
            other.calls.pop()
            if other.calls:
                places.enter(other.place, other.since, other.calls[-1])
            else:
                places.leave(other.place)

    def leave(self) -> list[bytes] | None:
        """An operation stops: the time until it goes on does not count for the code it stopped in.

        :return: the argument of :meth:`go_on` when the operation goes on
        """
        if not self._calls or not _in_main_thread():
            return None
        calls, self._calls = self._calls, []
        self._stop()
        return calls

    def go_on(self, calls: list[bytes] | None) -> None:
        """The operation that had stopped goes on."""
        if calls is not None:
            self._stop()
            self._calls = calls
            self._start()

    def _start(self) -> None:
        if self._earlier_timer is None:
            self._since, self._ticks = monotonic(), 0
            handler = signal.signal(signal.SIGALRM, self._tick)
            seconds_left, interval = signal.setitimer(signal.ITIMER_REAL, LIMIT / _TICKS, LIMIT / _TICKS)
            self._earlier_timer = (handler, seconds_left, interval, self._since)
        self._show()

    def _stop(self) -> None:
        # An earlier timer goes on with the time it had left.
        if self._earlier_timer is not None:
            handler, seconds_left, interval, saved_at = self._earlier_timer
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler)
            if seconds_left:
                signal.setitimer(
                    signal.ITIMER_REAL, max(seconds_left - (monotonic() - saved_at), 1e-6), interval
                )
            self._earlier_timer = None
            if self._places is not None:
                self._places.leave(self._place)

    def _show(self) -> None:
        # The innermost call: it is the one that an exception names, too.
        if self._places is not None:
            self._places.enter(self._place, self._since, self._calls[-1])

    def _tick(self, number: int, frame: FrameType | None) -> None:
        self._ticks += 1
        # Code that swallows the exception gets another with every tick.
        if self._calls and self._ticks >= _TICKS:
            raise TooLong


def _name_of(path: str, method: str | None) -> bytes:
    return os.fsencode(path)[:4096] + b"\0" + (method or "").encode()[:1024]


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


#: The one clock of this process. ``CLOCK.running`` raises :class:`TooLong` inside code that has gone on for
#: :data:`LIMIT` seconds.
CLOCK = _Clock()
