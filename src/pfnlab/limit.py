"""A limit for a user's code: a method that does not return is ended.

Only the time in which the method itself runs counts: an operation may stop inside a method, and the time of
other operations until it goes on is not the method's.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import Any

#: Seconds a policy's method may take.
LIMIT = 10.0

#: Ticks within the limit; a tick inside another call counts from 1 again.
_TICKS = 10


class TooLong(BaseException):
    """Raised inside the user's code, where its own ``except Exception`` does not catch it."""


#: The earlier state of SIGALRM and its timer: handler, seconds left, interval, and the time it was saved.
_TimerState = tuple[Any, float, float, float]


class _Clock:
    """The process's timer: it ticks while calls are under way, and counts the ticks inside one call."""

    def __init__(self) -> None:
        # Of the operation that runs, the outermost call first; each operation has a list of its own.
        self._files: list[str] = []
        self._earlier_timer: _TimerState | None = None
        # The frame is kept, so that no later one has its identity.
        self._last_frame: FrameType | None = None
        self._ticks = 0

    @contextmanager
    def running(self, path: str) -> Iterator[None]:
        """Code of the file at *path* goes on within this context."""
        if not _in_main_thread():
            # Only the main thread receives the signal.
            yield
            return
        files = self._files
        files.append(path)
        self._start()
        try:
            yield
        finally:
            files.pop()
            if not files and files is self._files:
                self._stop()

    def leave(self) -> list[str] | None:
        """An operation stops: the time until it goes on does not count for the code it stopped in.

        :return: the argument of :meth:`go_on` when the operation goes on
        """
        if not self._files or not _in_main_thread():
            return None
        files, self._files = self._files, []
        self._stop()
        return files

    def go_on(self, files: list[str] | None) -> None:
        """The operation that had stopped goes on."""
        if files is not None:
            self._stop()
            self._files = files
            self._start()

    def _start(self) -> None:
        if self._earlier_timer is None:
            handler = signal.signal(signal.SIGALRM, self._tick)
            seconds_left, interval = signal.setitimer(signal.ITIMER_REAL, LIMIT / _TICKS, LIMIT / _TICKS)
            self._earlier_timer = (handler, seconds_left, interval, monotonic())

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
            self._earlier_timer = self._last_frame = None

    def _tick(self, number: int, frame: FrameType | None) -> None:
        outermost = None
        while frame is not None:
            if frame.f_code.co_filename in self._files:
                outermost = frame
            frame = frame.f_back
        self._ticks = self._ticks + 1 if outermost is not None and outermost is self._last_frame else 1
        self._last_frame = outermost
        if outermost is not None and self._ticks > _TICKS:
            self._ticks = 0
            raise TooLong


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


#: The one clock of this process. ``CLOCK.running`` raises :class:`TooLong` inside code that has gone on for
#: :data:`LIMIT` seconds.
CLOCK = _Clock()
