"""A limit for a user's code: a method that does not return is ended.

Only code that goes on and on without returning counts: an operation may stop inside a method, and what others
do meanwhile is not the method's time.
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

#: How many times a second is told apart: a tick that meets another call begins anew.
_TICKS = 10


class TooLong(BaseException):
    """Raised inside the user's code, where its own ``except Exception`` does not catch it."""


#: What SIGALRM and its timer were before: the handler, seconds left, seconds between, and when that was.
_Before = tuple[Any, float, float, float]


class _Clock:
    """The process's timer: ticks while calls are under way, and counts those that met the same call."""

    def __init__(self) -> None:
        # Of the operation that runs, the outermost call first; each operation has a list of its own.
        self._files: list[str] = []
        self._before: _Before | None = None
        # The frame is kept, so that no later one has its identity.
        self._met: FrameType | None = None
        self._ticks = 0

    @contextmanager
    def running(self, path: str) -> Iterator[None]:
        """Code of the file at *path* goes on within this context."""
        if not _in_main_thread():
            # Only the main thread is told the time.
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
        """An operation stops; what others do meanwhile is not the time of the code it stopped in.

        :return: what :meth:`go_on` is given when the operation goes on
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
        if self._before is None:
            handler = signal.signal(signal.SIGALRM, self._tick)
            left, between = signal.setitimer(signal.ITIMER_REAL, LIMIT / _TICKS, LIMIT / _TICKS)
            self._before = (handler, left, between, monotonic())

    def _stop(self) -> None:
        # Whoever else has set the timer goes on with the time it had left.
        if self._before is not None:
            handler, left, between, since = self._before
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler)
            if left:
                signal.setitimer(signal.ITIMER_REAL, max(left - (monotonic() - since), 1e-6), between)
            self._before = self._met = None

    def _tick(self, number: int, frame: FrameType | None) -> None:
        outermost = None
        while frame is not None:
            if frame.f_code.co_filename in self._files:
                outermost = frame
            frame = frame.f_back
        self._ticks = self._ticks + 1 if outermost is not None and outermost is self._met else 1
        self._met = outermost
        if outermost is not None and self._ticks > _TICKS:
            self._ticks = 0
            raise TooLong


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


#: The one clock of this process. ``CLOCK.running`` raises :class:`TooLong` inside code that has gone on for
#: :data:`LIMIT` seconds.
CLOCK = _Clock()
