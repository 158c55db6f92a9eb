"""A user's own code goes on: for so long, and in a process that stays as it was.

A process is checked where it was made for that code (:mod:`pfnlab.supervised`); any other is its caller's.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from pfnlab.errors import PolicyError
from pfnlab.limit import CLOCK

#: The descriptor of standard error.
_STDERR = 2

#: Threads of ours that may begin while a user's code goes on: the line on the terminal that changes.
_OF_PROGRESS = "rich."

#: The parts of a process that a call leaves as they are.
_LEFT_ALONE = (
    "the working directory",
    "sys.stdout",
    "sys.stderr",
    "the recursion limit",
    "the handling of SIGINT",
)


#: The modules of what may handle SIGINT: this package, and Python itself.
_OF_HANDLERS = ("pfnlab", "_signal")


class _State(NamedTuple):
    """The state of a process: the parts of :data:`_LEFT_ALONE`, and its threads."""

    parts: tuple[object, ...]
    threads: list[threading.Thread]


class _Process:
    """The process that runs a user's code, and the parts of it that the code has to leave alone.

    :param write: takes the output
    :param descriptors: of the files that it needs
    """

    def __init__(self, write: Callable[[str], None], descriptors: tuple[int, ...]) -> None:
        self._descriptors = descriptors
        self.interrupted = self.forked = self._forks = False
        sys.stdout = _Diverted(sys.stdout, write)
        # Kept, for it would close what is below it, which the new one has too.
        self._earlier = sys.stderr
        if isinstance(sys.stderr, io.TextIOWrapper) and _descriptor_of(sys.stderr) == _STDERR:
            sys.stderr = _Lasting(
                sys.stderr.buffer,
                encoding=sys.stderr.encoding,
                errors=sys.stderr.errors,
                line_buffering=True,
            )
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupt)
        os.register_at_fork(before=self._note_fork, after_in_child=self._end_fork)

    def state(self) -> _State:
        """The state now."""
        # Ours may take turns, where Ctrl-C was pressed.
        module = str(getattr(signal.getsignal(signal.SIGINT), "__module__", None))
        ours = module.partition(".")[0] in _OF_HANDLERS
        parts = _folder(), sys.stdout, sys.stderr, sys.getrecursionlimit(), ours
        return _State(parts, threading.enumerate())

    def mistake(self, before: _State) -> str | None:
        """The damage that a call has done, in words; None where there is none.

        :param before: the state when it began
        """
        if self.forked:
            self.forked = False
            return "it forked the process it is called in: leave os.fork and multiprocessing out"
        for descriptor in self._descriptors:
            try:
                os.get_inheritable(descriptor)
            except OSError:
                return f"it closed file descriptor {descriptor}, which it must leave open"
        now = self.state()
        if now.parts != before.parts:
            pairs = zip(_LEFT_ALONE, before.parts, now.parts, strict=True)
            changed = next(name for name, old, new in pairs if old != new)
            return f"it changed {changed}, which it must leave alone"
        if sum(map(_does_work, before.threads)) == 1:
            # Of several threads another one may have started more.
            for thread in now.threads:
                if thread not in before.threads and not _shows_progress(thread):
                    return "it started a thread that goes on: a thread has to end before the call does"
        return None

    def _interrupt(self, number: int, frame: FrameType | None) -> NoReturn:
        self.interrupted = True
        raise KeyboardInterrupt

    def _note_fork(self) -> None:
        self._forks = CLOCK.busy
        self.forked = self.forked or self._forks

    def _end_fork(self) -> None:
        # Where it went on, there would be two of the command.
        if self._forks:
            os._exit(0)


#: What this process is, where it does nothing but run a user's code for another.
_process: _Process | None = None


def serve(write: Callable[[str], None], descriptors: tuple[int, ...]) -> None:
    """From now on this process, which was forked for it, runs a user's code and is checked for damage.

    :param write: takes what it prints on standard output
    :param descriptors: of files that have to stay open
    """
    global _process
    _process = _Process(write, descriptors)


def is_served() -> bool:
    """True in a process that was forked to run a user's code."""
    return _process is not None


def may_be_interrupted() -> bool:
    """False where a KeyboardInterrupt is one that the code itself has raised, not that of a user."""
    return _process is None or _process.interrupted


@contextmanager
def own_code(path: str, method: str | None = None) -> Iterator[None]:
    """A user's code goes on within this context.

    :param path: its file
    :param method: None for the file itself
    :raises TooLong: inside of it, once the limit has passed
    :raises PolicyError: it has damaged the process
    """
    if _process is None:
        with CLOCK.running(path, method):
            yield
        return
    before = _process.state()
    try:
        with CLOCK.running(path, method):
            yield
    except Exception:
        _check(_process, path, method, before)
        raise
    _check(_process, path, method, before)


def _check(process: _Process, path: str, method: str | None, before: _State) -> None:
    if process.interrupted:
        # The code has swallowed it.
        raise KeyboardInterrupt
    mistake = process.mistake(before)
    if mistake is not None:
        raise PolicyError(path, method, mistake)


def _shows_progress(thread: threading.Thread) -> bool:
    return type(thread).__module__.startswith(_OF_PROGRESS)


def _does_work(thread: threading.Thread) -> bool:
    """False for the threads that show progress, or will."""
    return not _shows_progress(thread) and not isinstance(thread, threading.Timer)


def _descriptor_of(stream: io.TextIOWrapper) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


def _folder() -> str | None:
    """The working directory; None where it is gone."""
    try:
        return os.getcwd()
    except OSError:
        return None


class _Diverted(io.TextIOBase):
    """Standard output, for pfnlab; what a user's code prints, or a thread of it, goes to standard error.

    :param like: the stream for which it stands
    """

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
        if CLOCK.busy or threading.get_ident() != self._owner:
            return sys.stderr.write(text)
        self._write(text)
        return len(text)

    def close(self) -> None:
        """Nothing: it is the command's, also where a user's code closes it."""


class _Lasting(io.TextIOWrapper):
    """A stream that a user's code cannot close."""

    def close(self) -> None:
        """Nothing but write what was printed."""
        with suppress(OSError):
            self.flush()
