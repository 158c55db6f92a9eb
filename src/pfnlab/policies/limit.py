"""A limit for a user's code: a method that does not return is ended.

Only code that goes on and on without returning counts: an operation may stop inside a method, and what others
do meanwhile is not the method's time.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: Seconds a policy's method may take.
LIMIT = 10.0

#: How many times a second is told apart: a tick that meets another call begins anew.
_TICKS = 10


class TooLong(BaseException):
    """Raised inside the user's code, where its own ``except Exception`` does not catch it."""


class _Clock:
    """The process's timer: ticks while calls are under way, and counts those that met the same call."""

    def __init__(self) -> None:
        self._files: list[str] = []
        # The frame is kept, so that no later one has its identity.
        self._met: FrameType | None = None
        self._ticks = 0

    @contextmanager
    def running(self, path: str) -> Iterator[None]:
        """Code of the file at *path* goes on within this context."""
        if threading.current_thread() is not threading.main_thread():
            # Only the main thread is told the time.
            yield
            return
        if not self._files:
            before = signal.signal(signal.SIGALRM, self._tick)
            signal.setitimer(signal.ITIMER_REAL, LIMIT / _TICKS, LIMIT / _TICKS)
            self._before = before
        self._files.append(path)
        try:
            yield
        finally:
            self._files.remove(path)
            if not self._files:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, self._before)
                self._met = None

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


_CLOCK = _Clock()

#: Code of a file goes on within this context.
#:
#: :raises TooLong: inside that code, when it has gone on for :data:`LIMIT` seconds
limited = _CLOCK.running
