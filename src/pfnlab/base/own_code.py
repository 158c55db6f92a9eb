"""User code running in our process: finding out what raised an exception, and noticing
calls that take too long.

Calls have no overhead. Frames of user code are recognized by their files (:func:`note_code`), so a traceback
shows which method was at fault. A process that runs user code for another one (:mod:`pfnlab.base.supervised`)
inspects itself on each tick of a timer, and publishes the result in shared :class:`Heartbeats`.
"""

import os
import resource
import signal
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from mmap import mmap
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

from greenlet import GreenletExit

from pfnlab.base.endings import signal_name
from pfnlab.base.errors import ModelledErrno, PolicyError, Undecided
from pfnlab.base.memory_limit import limit_memory

#: Number of processor seconds that a call may take, and of ticks in as many seconds.
LIMIT, TICKS = 10.0, 10

#: Number of seconds that it may take in all: asleep, or without a processor on a busy machine.
PATIENCE = 300.0

#: Address space limit for a process with user code, in bytes.
MOST_MEMORY = 8 << 30

#: Number of characters of an exception's text that a message keeps.
_MOST_TEXT = 300

#: Signals sent from outside, e.g. by the kernel for lack of memory.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


#: A user's file and the method in it; None for the file as a whole.
Place = tuple[str, str | None]

_NOWHERE: Place = ("", None)


class TooLong(BaseException):
    """Raised inside user code, whose own ``except Exception`` does not catch it."""


class Beat(NamedTuple):
    """A process's last tick.

    :param number: ticks so far
    :param ticks: how many of the last ticks saw the same call of user code
    :param began: the process's processor seconds at the first of these ticks, or at this tick
    :param place: that call: the file, and the method if there is one
    """

    process: int
    number: int
    ticks: int
    began: float
    place: Place

    def too_long(self, looks: int, grace: int = 0) -> str:
        """The message if the call takes too long, or empty.

        :param looks: how many ticks should have come since this one
        :param grace: the number of ticks by which it may exceed the limits
        """
        try:
            # clock_getcpuclockid(3)
            used = time.clock_gettime(~self.process << 3 | 2) - self.began
        except OSError:
            return ""
        if used > LIMIT + grace * tick():
            return f"it did not return within {LIMIT:g} processor seconds: does it loop?"
        if self.ticks + looks > grace + PATIENCE / tick():
            return f"it did not return within {PATIENCE:g} s: does it wait for ever?"
        return ""


def tick() -> float:
    """Seconds between two ticks."""
    return LIMIT / TICKS


class Heartbeats:
    """The last ticks of several processes, and the user files they run, in shared memory.

    Each process writes to a slot derived from its pid.
    """

    _BEAT = struct.Struct("IQIdI")
    #: Bytes per slot including its names, number of slots, and bytes for the file names before them.
    _ROOM, _PLACES, _NAMES = 2 << 10, 1 << 9, 16 << 10

    def __init__(self) -> None:
        self._memory = mmap(-1, self._NAMES + self._ROOM * self._PLACES)

    def name(self, path: str) -> None:
        """Record that the user's file at *path* is about to run."""
        names = self._names()
        taken = len(names.encode(errors="surrogateescape"))
        text = f"{path}\n".encode(errors="surrogateescape")
        if path not in names.split("\n") and taken + len(text) < self._NAMES:
            self._memory[taken : taken + len(text)] = text

    def _names(self) -> str:
        return self._memory[: self._NAMES].rstrip(b"\0").decode(errors="surrogateescape")

    @property
    def files(self) -> str:
        """The files that were run, in words; empty if none was."""
        return ", ".join(self._names().split())

    def beat(self, beat: Beat) -> None:
        """Publish a tick of this process."""
        names = f"{beat.place[0]}\0{beat.place[1] or ''}".encode(errors="surrogateescape")[: self._ROOM // 2]
        start = self._NAMES + beat.process % self._PLACES * self._ROOM
        self._memory[start + self._BEAT.size : start + self._BEAT.size + len(names)] = names
        self._BEAT.pack_into(self._memory, start, *beat[:-1], len(names))

    def of(self, process: int) -> Beat | None:
        """A process's last tick; None if the process is gone or has not ticked."""
        start = self._NAMES + process % self._PLACES * self._ROOM
        written, count, ticks, began, length = self._BEAT.unpack_from(self._memory, start)
        if written != process or not _is_there(process):
            return None
        names = start + self._BEAT.size
        path, _, method = self._memory[names : names + length].partition(b"\0")
        place = path.decode(errors="surrogateescape"), method.decode(errors="replace") or None
        return Beat(process, count, ticks, began, place)

    def all(self) -> Iterator[Beat]:
        """The last tick of every live process."""
        for start in range(self._NAMES, len(self._memory), self._ROOM):
            (process, *_) = self._BEAT.unpack_from(self._memory, start)
            beat = self.of(process) if process else None
            if beat is not None:
                yield beat


#: User files loaded here: from the file name in their code to the name that the user gave.
_files: dict[str, str] = {}


def note_file(path: str) -> None:
    """Record that from now on, code from the user's file at *path* runs in this process."""
    _files[path] = _files[os.path.abspath(path)] = path
    if _guest is not None and path not in _guest.named:
        _guest.named.add(path)
        _guest.beats.name(path)


def note_code(path: str, code: CodeType) -> None:
    """Record that *code* belongs to the policy at *path*, whatever file it comes from."""
    if not code.co_filename.startswith("<"):
        _files.setdefault(code.co_filename, path)


class OwnCall(NamedTuple):
    """A call of user code in progress: the frame of its first function, and the current line."""

    frame: FrameType
    line: int

    @property
    def place(self) -> Place:
        """The file and the method that is called; None for the file as a whole."""
        name = self.frame.f_code.co_name
        return _files[self.frame.f_code.co_filename], None if name == "<module>" else name


def call_under(frame: FrameType | None) -> OwnCall | None:
    """The call of user code that *frame* is part of, or None."""
    call = None
    while frame is not None:
        if frame.f_code.co_filename in _files:
            call = OwnCall(frame, call.line if call is not None else frame.f_lineno)
        frame = frame.f_back
    return call


def goes_on() -> bool:
    """True if called from user code."""
    return bool(_files) and call_under(sys._getframe(1)) is not None


def mistake_of(trouble: BaseException, prefix: str = "it raised ") -> PolicyError | None:
    """The user's mistake that caused *trouble*; None if the cause lies elsewhere.

    Exceptions that the policy protocol allows are not mistakes, nor is Ctrl-C. The
    message starts with *prefix*.
    """
    if isinstance(trouble, PolicyError):
        return trouble
    if not _files or isinstance(trouble, (ModelledErrno, Undecided, GreenletExit, KeyboardInterrupt)):
        return None
    call, trace = None, trouble.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in _files:
            call = OwnCall(call.frame if call is not None else trace.tb_frame, trace.tb_lineno)
        trace = trace.tb_next
    damage = _of_process(trouble if call is None else None)
    if call is None:
        return damage
    path, method = call.place
    if damage is not None:
        return PolicyError(path, method, damage.what)
    if isinstance(trouble, TooLong):
        return PolicyError(path, method, str(trouble))
    if isinstance(trouble, MemoryError):
        return PolicyError(path, method, _too_much())
    where = f" (line {call.line})" if method is not None else ""
    return PolicyError(path, method, _raised(trouble, prefix) + where)


@contextmanager
def own_mistakes(
    path: str | None = None, method: str | None = None, prefix: str = "it raised "
) -> Iterator[None]:
    """Turn an exception raised by user code within this context into a PolicyError.

    :param path: the file to blame even if no line of it ran, e.g. for a syntax error
    :param method: the method in that file that was called
    :raises PolicyError: if user code raised, with the mistake on one line
    """
    try:
        yield
    except (ModelledErrno, Undecided, PolicyError, GreenletExit, KeyboardInterrupt):
        raise
    except BaseException as trouble:
        mistake = mistake_of(trouble, prefix)
        if path is not None:
            what = mistake.what if mistake is not None else _raised(trouble, prefix)
            mistake = PolicyError(path, method, what)
        if mistake is None:
            raise
        raise mistake from trouble


def _raised(trouble: BaseException, prefix: str) -> str:
    """An exception on one line; user code may itself compute the exception's text."""
    try:
        text = " ".join(str(trouble).split())[:_MOST_TEXT]
    except BaseException:
        text = ""
    return f"{prefix}{type(trouble).__name__}{text and f': {text}'}"


def _too_much() -> str:
    return f"it took more than {MOST_MEMORY >> 30} GiB of memory: does it grow without end?"


class _Guest:
    """This process, if it only exists to run user code for another one."""

    def __init__(self, beats: Heartbeats) -> None:
        self.beats = beats
        self.named: set[str] = set()
        self.count = 0
        #: The calls that the last tick saw, by thread, each with its first frame.
        self.calls: dict[int, tuple[FrameType, Beat]] = {}
        self.open_files = resource.getrlimit(resource.RLIMIT_NOFILE)

    def tick(self, number: int, frame: FrameType | None) -> None:
        """Inspect what every thread is doing."""
        calls = {thread: call_under(top) for thread, top in sys._current_frames().items()}
        before, self.calls = self.calls, {}
        self.count += 1
        longest = none = Beat(os.getpid(), self.count, 0, time.process_time(), _NOWHERE)
        for thread, call in calls.items():
            if call is not None:
                earlier, beat = before.get(thread, (None, none))
                beat = beat if earlier is call.frame else none
                beat = beat._replace(number=self.count, ticks=beat.ticks + 1, place=call.place)
                self.calls[thread] = call.frame, beat
                longest = max(longest, beat, key=lambda one: one.ticks)
        self.beats.beat(longest)
        # Code that swallows the exception gets another on each tick.
        own = self.calls.get(threading.get_ident())
        if own is not None and (says := own[1].too_long(0)):
            raise TooLong(says)

    def begin(self) -> None:
        """Start ticking."""
        self.calls = {}
        self.beats.beat(Beat(os.getpid(), self.count, 0, time.process_time(), _NOWHERE))
        signal.signal(signal.SIGALRM, self.tick)
        signal.setitimer(signal.ITIMER_REAL, tick(), tick())

    def begin_in_fork(self) -> None:
        """Start ticking in a process forked by this one; a process forked by user code exits at once."""
        if goes_on():
            os._exit(0)
        self.begin()


_guest: _Guest | None = None


def serve(beats: Heartbeats) -> None:
    """Make this process, which was forked for the purpose, run user code and publish ticks."""
    global _guest
    _guest = _Guest(beats)
    limit_memory(MOST_MEMORY)
    os.register_at_fork(after_in_child=_guest.begin_in_fork)
    _guest.begin()


def is_served() -> bool:
    """True in a process forked to run user code."""
    return _guest is not None


def check_process() -> None:
    """Check that user code has left this process intact.

    :raises PolicyError: if user code has changed or closed something that the process needs
    """
    mistake = _of_process(None)
    if mistake is not None:
        raise mistake


def _of_process(trouble: BaseException | None) -> PolicyError | None:
    """The damage that user code has done to this process, or None."""
    files = _guest.beats.files if _guest is not None else ""
    if _guest is None or not files:
        return None
    if isinstance(trouble, MemoryError):
        return PolicyError(files, None, _too_much())
    if resource.getrlimit(resource.RLIMIT_NOFILE) != _guest.open_files:
        what = "it changed the limit of open files (RLIMIT_NOFILE), which it must leave alone"
        return PolicyError(files, None, what)
    closed = "it closed standard output, which it must leave open"
    return None if is_open(1) else PolicyError(files, None, closed)


def is_open(descriptor: int) -> bool:
    """True if the number is an open file descriptor in this process."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def mistake_ended(code: int | None, files: str | None = None) -> PolicyError | None:
    """The mistake in user code that ended its process; None if something else may have ended it.

    :param code: the exit code, negative for a signal
    :param files: files that may be at fault; None for those that this process runs for another one
    """
    if files is None:
        files = _guest.beats.files if _guest is not None else ""
    if not files or (code is not None and -code in _FROM_OUTSIDE):
        return None
    if code is None or code >= 0:
        return PolicyError(files, None, f"it ended the process it runs in (exit {code})")
    hint = ": does it recurse without end?" if -code == signal.SIGSEGV else ""
    return PolicyError(files, None, f"it was killed by {signal_name(-code)}{hint}")


def _is_there(process: int) -> bool:
    """True for a process that exists and is not a zombie, which would have no memory."""
    with suppress(OSError):
        return not Path(f"/proc/{process}/statm").read_text(encoding="ascii").startswith("0 ")
    return False
