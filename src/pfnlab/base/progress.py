"""A verb's progress, always on standard error.

On a terminal, a status line appears after two seconds and disappears when the work is done. Elsewhere, plain
lines are printed: messages, and the progress every few seconds.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from pfnlab.base.inert import message, one_line

Result = TypeVar("Result")

#: Seconds until the status line appears, between plain lines, and until the status line is drawn again.
APPEARS, EVERY, REDRAWN = 2.0, 10.0, 0.25

#: What erases the line of a terminal, and the signs that show that the work goes on.
_ERASED, _TURNS = "\r\x1b[2K", "|/-\\"

_lock = threading.RLock()
_shown: list[Work] = []
_silent = 0

#: Receives every line if this process has no terminal (:func:`heard_by`).
_hearer: Callable[[str], None] | None = None


class PartCount:
    """Counter for the parts of a piece of work; this one shows nothing."""

    def expect(self, total: int) -> None:
        """Set the number of parts."""

    def advance(self, parts: int = 1) -> None:
        """Count this many more parts as done."""


#: For callers that show nothing.
UNCOUNTED = PartCount()


class Work(PartCount):
    """A piece of work that may take long.

    :param what: a description in a few words
    :param total: number of parts, if known
    :param every: seconds between plain lines, None for :data:`EVERY`
    :param vague: shown only while no other, more specific work is in progress
    :ivar words: describes what is currently being done
    """

    def __init__(
        self, what: str, total: int | None = None, every: float | None = None, *, vague: bool = False
    ) -> None:
        self.total, self.done, self.vague = total, 0, vague
        self.words, self._every = what, every
        self._line: _StatusLine | None = None
        self._began = self._said_at = time.monotonic()
        self._terminal = _hearer is None and _is_terminal()
        self._ended = False
        self._timer: threading.Timer | None = None

    def begin(self) -> None:
        """Start the clock; nothing is shown yet."""
        if self._terminal and not _silent:
            self._ended = False
            self._timer = threading.Timer(APPEARS, self._appear)
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        """Remove the display; vague work may begin again."""
        if self._timer is not None:
            self._timer.cancel()
        with _lock:
            line, self._line, self._ended = self._line, None, True
            if line is not None:
                line.erase()

    def show(self, words: str) -> None:
        """Replace the description of what is being done."""
        self.words = words
        self._changed()

    def expect(self, total: int) -> None:
        """Set the number of parts once it is known."""
        self.total = total
        self._changed()

    def advance(self, parts: int = 1) -> None:
        """Count this many more parts as done."""
        self.reach(self.done + parts)

    def reach(self, done: int) -> None:
        """Set the number of parts done."""
        self.done = done
        self._changed()

    @property
    def far(self) -> str:
        """The progress, e.g. ``12 of 300, 4 %``; empty if the number of parts is unknown."""
        if not self.total:
            return ""
        return f"{self.done:,} of {self.total:,}, {min(100 * self.done // self.total, 100)} %"

    def say(self, line: str) -> None:
        """Print a permanent line above the status line."""
        with _lock:
            if self._line is not None:
                sys.stderr.write(_ERASED)
            _plain(line)

    @property
    def is_shown(self) -> bool:
        """True while its status line is shown."""
        return self._line is not None

    def _changed(self) -> None:
        # If the work is in another process, the process waiting for it shows it.
        every = EVERY if self._every is None else self._every
        if not self._terminal and _hearer is None and time.monotonic() - self._said_at >= every:
            self._said_at = time.monotonic()
            say(": ".join(filter(None, (self.words, self.far))))

    def _appear(self) -> None:
        with _lock:
            # The work may have ended; or other work may be shown, or is about to be more specific.
            others = [work for work in _shown if work is not self]
            if self._ended or any(work.is_shown or (self.vague and not work.vague) for work in others):
                return
            self._line = _StatusLine(self)
            self._line.start()

    @property
    def seconds(self) -> int:
        """The seconds since the work began."""
        return int(time.monotonic() - self._began)


class _StatusLine(threading.Thread):
    """The progress of *work* as a line on the terminal, redrawn until it is erased."""

    def __init__(self, work: Work) -> None:
        super().__init__(name="status line", daemon=True)
        self._work, self._over, self._turn = work, threading.Event(), 0
        self._draw()

    def run(self) -> None:
        while not self._over.wait(REDRAWN):
            with _lock:
                if not self._over.is_set():
                    self._draw()

    def erase(self) -> None:
        """Draw it a last time, and erase it."""
        self._over.set()
        self._draw()
        sys.stderr.write(_ERASED)
        sys.stderr.flush()

    def _draw(self) -> None:
        minutes, seconds = divmod(self._work.seconds, 60)
        since = f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
        text = " ".join(filter(None, (one_line(self._work.words), self._work.far, since)))
        sys.stderr.write(f"{_ERASED}{_TURNS[self._turn % len(_TURNS)]} {text[: _columns() - 3]}")
        sys.stderr.flush()
        self._turn += 1


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


@contextmanager
def working(what: str, total: int | None = None, every: float | None = None) -> Iterator[Work]:
    """Show *what*, of *total* parts if known, once it has lasted two seconds; plain lines *every* seconds."""
    with _begun(Work(what, total, every)) as work:
        yield work


def waited(what: str, results: Iterator[Result]) -> Iterator[Result]:
    """The *results*; while waiting for the next one, *what* is shown unless more specific work is.

    Nothing is shown while the caller handles a result, e.g. prints it.
    """
    while True:
        with _begun(Work(what, vague=True)):
            try:
                result = next(results)
            except StopIteration:
                return
        yield result


@contextmanager
def _begun(work: Work) -> Iterator[Work]:
    """Show *work* in this context, in place of the vague work around it."""
    with ExitStack() as stack:
        outer = _shown[-1] if _shown and _shown[-1].vague else None
        if outer is not None:
            outer.end()
            stack.callback(outer.begin)
        stack.callback(work.end)
        _shown.append(work)
        stack.callback(_shown.remove, work)
        work.begin()
        yield work


@contextmanager
def beating(work: Work, seconds: float) -> Iterator[None]:
    """Refresh *work* every few seconds, even while it makes no progress."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(seconds):
            work.show(work.words)

    thread = threading.Thread(target=beat, name="beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def silent() -> Iterator[None]:
    """Suppress all progress within this context."""
    global _silent
    _silent += 1
    try:
        yield
    finally:
        _silent -= 1


def heard_by(hearer: Callable[[str], None]) -> None:
    """Send all of this forked process's progress lines to *hearer*, and show nothing."""
    global _hearer, _lock
    # Another thread may have held the lock when this process was forked.
    _lock, _hearer = threading.RLock(), hearer
    _shown.clear()


def say(line: str) -> None:
    """Print one progress line on standard error."""
    if _silent:
        return
    line = message(line)
    if _hearer is not None:
        _hearer(line)
        return
    shown = next((work for work in reversed(_shown) if work.is_shown), None)
    if shown is None:
        _plain(line)
    else:
        shown.say(line)


def _plain(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
