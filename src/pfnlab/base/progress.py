"""Progress: what a verb does while one waits, on standard error and never on standard output.

On a terminal a line that changes comes after two seconds and goes when the work is done. Elsewhere there are
plain lines: what is said, and after a while now and then how far the work is.
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

#: Seconds until the changing line appears, and seconds between plain lines.
APPEARS, EVERY = 2.0, 10.0

_lock = threading.RLock()
_shown: list[Work] = []
_silent = 0

#: Takes every line where this process has no terminal of its own (:func:`heard_by`).
_hearer: Callable[[str], None] | None = None


class PartCount:
    """Something that counts the parts of a piece of work; this one shows nothing."""

    def expect(self, total: int) -> None:
        """It has so many parts."""

    def advance(self, parts: int = 1) -> None:
        """So many more parts are done."""


#: For callers who show nothing.
UNCOUNTED = PartCount()


class Work(PartCount):
    """One piece of work that may take long.

    :param what: what is done, in a few words
    :param total: how many parts it has, where that is known
    :param every: seconds between plain lines, None for :data:`EVERY`
    :param vague: it is shown only while no other work goes on, which says more
    :ivar words: what is done now
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
        """Nothing is shown yet."""
        if self._terminal and not _silent:
            self._ended = False
            self._timer = threading.Timer(APPEARS, self._appear)
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        """Remove what is shown; vague work may begin again."""
        if self._timer is not None:
            self._timer.cancel()
        with _lock:
            display, self._display, self._ended = self._display, None, True
        if display is not None:
            display.stop()

    def show(self, words: str) -> None:
        """Replace the words: what is done now."""
        self.words = words
        self._changed()

    def expect(self, total: int) -> None:
        """It has so many parts, which is known only now."""
        self.total = total
        self._changed()

    def advance(self, parts: int = 1) -> None:
        """So many more parts are done."""
        self.reach(self.done + parts)

    def reach(self, done: int) -> None:
        """So many parts are done in all."""
        self.done = done
        self._changed()

    @property
    def far(self) -> str:
        """How far it is: ``12 of 300, 4 %``; empty where nobody knows how many parts there are."""
        if not self.total:
            return ""
        return f"{self.done:,} of {self.total:,}, {min(100 * self.done // self.total, 100)} %"

    def say(self, line: str) -> None:
        """A line that stays, above the one that changes."""
        with _lock:
            if self._display is None:
                _plain(line)
            else:
                self._display.console.print(line, markup=False, highlight=False, soft_wrap=True)

    @property
    def is_shown(self) -> bool:
        """True where there is a line that changes now."""
        return self._display is not None

    def _changed(self) -> None:
        with _lock:
            if self._display is not None:
                self._display.update(self._task, description=one_line(self.words), far=self.far)
        # What goes on in another process is shown by the one that waits for it.
        every = EVERY if self._every is None else self._every
        if not self._terminal and _hearer is None and time.monotonic() - self._said_at >= every:
            self._said_at = time.monotonic()
            say(": ".join(filter(None, (self.words, self.far))))

    def _appear(self) -> None:
        # Only now: rich takes longer to import than most work.
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
            # The work may have ended, and another may be on the screen, or say more soon.
            others = [work for work in _shown if work is not self]
            if self._ended or any(work.is_shown or (self.vague and not work.vague) for work in others):
                return
            self._task = display.add_task(one_line(self.words), total=None, far=self.far)
            # The work has lasted longer than the line.
            display.tasks[0].start_time = self._began
            display.start()
            self._display = display


@contextmanager
def working(what: str, total: int | None = None, every: float | None = None) -> Iterator[Work]:
    """Show *what*, of *total* parts if known, once it has lasted two seconds; every so many a plain line."""
    with _begun(Work(what, total, every)) as work:
        yield work


def waited(what: str, results: Iterator[Result]) -> Iterator[Result]:
    """The *results*; while one waits for the next, *what* is shown wherever no work of its own says more.

    Nothing is shown while a result is taken, which may be to print it.
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
    """A work that goes on, and in place of it again the vague one within which it was."""
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
    """Show *work* again every so often, also where nothing of it is done for long."""
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
    """Nothing is said and shown meanwhile."""
    global _silent
    _silent += 1
    try:
        yield
    finally:
        _silent -= 1


def heard_by(hearer: Callable[[str], None]) -> None:
    """From now on this process, which was forked, shows nothing and hands what it says to *hearer*."""
    global _hearer, _lock
    # A thread that is not in this process may have held it.
    _lock, _hearer = threading.RLock(), hearer
    _shown.clear()


def say(line: str) -> None:
    """One line of progress, kept apart from the output."""
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
