"""A verb's progress, always on standard error.

On a terminal, a status line appears after two seconds and disappears when the work is done. Elsewhere, plain
lines are printed: messages, and the progress every few seconds.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from pfnlab.base.inert import message, one_line

if TYPE_CHECKING:
    from rich.progress import Progress

Result = TypeVar("Result")

#: Seconds until the status line appears, and seconds between plain lines.
APPEARS, EVERY = 2.0, 10.0

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
        self._display: Progress | None = None
        self._task: Any = None
        self._began = self._said_at = time.monotonic()
        self._terminal = _hearer is None and sys.stderr is not None and sys.stderr.isatty()
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
            display, self._display, self._ended = self._display, None, True
        if display is not None:
            display.stop()

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
            if self._display is None:
                _plain(line)
            else:
                self._display.console.print(line, markup=False, highlight=False, soft_wrap=True)

    @property
    def is_shown(self) -> bool:
        """True while its status line is shown."""
        return self._display is not None

    def _changed(self) -> None:
        with _lock:
            if self._display is not None:
                self._display.update(self._task, description=one_line(self.words), far=self.far)
        # If the work is in another process, the process waiting for it shows it.
        every = EVERY if self._every is None else self._every
        if not self._terminal and _hearer is None and time.monotonic() - self._said_at >= every:
            self._said_at = time.monotonic()
            say(": ".join(filter(None, (self.words, self.far))))

    def _appear(self) -> None:
        # Imported here because importing rich takes longer than most work.
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed

        words, far = (TextColumn(f"{{task.{part}}}", markup=False) for part in ("description", "fields[far]"))
        display = Progress(
            *(SpinnerColumn(), words, far, Elapsed()),
            console=Console(stderr=True, markup=False, highlight=False),
            transient=True,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with _lock:
            # The work may have ended; or other work may be shown, or is about to be more specific.
            others = [work for work in _shown if work is not self]
            if self._ended or any(work.is_shown or (self.vague and not work.vague) for work in others):
                return
            self._task = display.add_task(one_line(self.words), total=None, far=self.far)
            # Count the time since the work began.
            display.tasks[0].start_time = self._began
            display.start()
            self._display = display


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
