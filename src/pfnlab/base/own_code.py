"""A user's own code, which runs among ours: whose mistake an exception is, and where it goes on too long.

Nothing is done at a call of it. Its frames are known by their files (:func:`note_code`), so a traceback says
which method was wrong. A process that runs such code for another one (:mod:`pfnlab.base.supervised`) looks at
itself with every tick of a timer, and writes what it saw into a :class:`Heartbeats` that the other one reads.
"""

import os
import resource
import signal
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from mmap import mmap
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

from greenlet import GreenletExit

from pfnlab.base.endings import signal_name
from pfnlab.base.errors import ModelledErrno, PolicyError, Undecided

#: Seconds a call may take, and the ticks within them.
LIMIT, TICKS = 10.0, 10

#: Bytes of address space that a process with such code may have.
MOST_MEMORY = 8 << 30

#: The letters of an exception's text that a message has.
_MOST_TEXT = 300

#: Signals with which somebody else ends a process, the kernel where memory is short among them.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


#: A file of a user, and its method; None for the file itself.
Place = tuple[str, str | None]

_NOWHERE: Place = ("", None)


class TooLong(BaseException):
    """Raised inside the user's code, where its own ``except Exception`` does not catch it."""


class Beat(NamedTuple):
    """The last tick of a process.

    :param number: how many there were
    :param ticks: how many of the last ones saw one and the same call of a user's code
    :param place: that call: its file, and its method where there is one
    """

    process: int
    number: int
    ticks: int
    place: Place


class Heartbeats:
    """The last ticks of several processes, in memory that they share, and the files of a user that they run.

    Each process writes at a place that follows from its number.
    """

    _BEAT = struct.Struct("IQII")
    #: Bytes of a place with its names, how many there are, and bytes for the files before them.
    _ROOM, _PLACES, _NAMES = 2 << 10, 1 << 9, 16 << 10

    def __init__(self) -> None:
        self._memory = mmap(-1, self._NAMES + self._ROOM * self._PLACES)

    def name(self, path: str) -> None:
        """The user's file at *path* is run from now on."""
        names = self._names()
        taken = len(names.encode(errors="surrogateescape"))
        text = f"{path}\n".encode(errors="surrogateescape")
        if path not in names.split("\n") and taken + len(text) < self._NAMES:
            self._memory[taken : taken + len(text)] = text

    def _names(self) -> str:
        return self._memory[: self._NAMES].rstrip(b"\0").decode(errors="surrogateescape")

    @property
    def files(self) -> str:
        """The files that were run, in words; empty for none."""
        return ", ".join(self._names().split())

    def beat(self, count: int, ticks: int, place: Place) -> None:
        """This process goes on."""
        names = f"{place[0]}\0{place[1] or ''}".encode(errors="surrogateescape")[: self._ROOM // 2]
        start = self._NAMES + os.getpid() % self._PLACES * self._ROOM
        self._memory[start + self._BEAT.size : start + self._BEAT.size + len(names)] = names
        self._BEAT.pack_into(self._memory, start, os.getpid(), count, ticks, len(names))

    def of(self, process: int) -> Beat | None:
        """The last tick of a process; None where it is gone, or has not ticked."""
        start = self._NAMES + process % self._PLACES * self._ROOM
        written, count, ticks, length = self._BEAT.unpack_from(self._memory, start)
        if written != process or not _is_there(process):
            return None
        names = start + self._BEAT.size
        path, _, method = self._memory[names : names + length].partition(b"\0")
        place = path.decode(errors="surrogateescape"), method.decode(errors="replace") or None
        return Beat(process, count, ticks, place)

    def all(self) -> Iterator[Beat]:
        """The last tick of every process that is there."""
        for start in range(self._NAMES, len(self._memory), self._ROOM):
            (process, *_) = self._BEAT.unpack_from(self._memory, start)
            beat = self.of(process) if process else None
            if beat is not None:
                yield beat


#: The user's files that were loaded here, by the name that their code has; the value is the user's name.
_files: dict[str, str] = {}


def note_file(path: str) -> None:
    """Code of the user's file at *path* runs in this process from now on."""
    _files[path] = _files[os.path.abspath(path)] = path
    if _guest is not None and path not in _guest.named:
        _guest.named.add(path)
        _guest.beats.name(path)


def note_code(path: str, code: CodeType) -> None:
    """*code* is of the policy at *path*, in whatever file it is."""
    if not code.co_filename.startswith("<"):
        _files.setdefault(code.co_filename, path)


class OwnCall(NamedTuple):
    """A call of a user's code that is under way: the frame of its first function, and the line it is at."""

    frame: FrameType
    line: int

    @property
    def place(self) -> Place:
        """Its file and its method; None for the file itself."""
        name = self.frame.f_code.co_name
        return _files[self.frame.f_code.co_filename], None if name == "<module>" else name


def call_under(frame: FrameType | None) -> OwnCall | None:
    """The call of a user's code that *frame* is in; None where it is in none."""
    call = None
    while frame is not None:
        if frame.f_code.co_filename in _files:
            call = OwnCall(frame, call.line if call is not None else frame.f_lineno)
        frame = frame.f_back
    return call


def goes_on() -> bool:
    """True where a user's code is what calls this."""
    return bool(_files) and call_under(sys._getframe(1)) is not None


def mistake_of(trouble: BaseException, prefix: str = "it raised ") -> PolicyError | None:
    """The mistake of a user's code that *trouble* has come out of; None where it has come from elsewhere.

    What the protocol of a policy allows is none, and neither is Ctrl-C. The message begins with *prefix*.
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
        return PolicyError(path, method, too_long())
    if isinstance(trouble, MemoryError):
        return PolicyError(path, method, _too_much())
    where = f" (line {call.line})" if method is not None else ""
    return PolicyError(path, method, _raised(trouble, prefix) + where)


@contextmanager
def own_mistakes(
    path: str | None = None, method: str | None = None, prefix: str = "it raised "
) -> Iterator[None]:
    """An exception of a user's code within this context is its own mistake.

    :param path: the file that is to blame also where no line of it ran, as for a syntax error, and
    :param method: the method of it that was called
    :raises PolicyError: that mistake, on one line
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
    """An exception on one line; its text is of a user's code as well."""
    try:
        text = " ".join(str(trouble).split())[:_MOST_TEXT]
    except BaseException:
        text = ""
    return f"{prefix}{type(trouble).__name__}{text and f': {text}'}"


def too_long() -> str:
    """The mistake of a call that takes longer, in words."""
    return f"it did not return within {LIMIT:g} s: does it loop?"


def _too_much() -> str:
    return f"it took more than {MOST_MEMORY >> 30} GiB of memory: does it grow without end?"


class _Guest:
    """The process, where it does nothing but run a user's code for another one."""

    def __init__(self, beats: Heartbeats) -> None:
        self.beats = beats
        self.named: set[str] = set()
        self.count = 0
        #: The calls that the last tick saw, by thread, with the ticks that saw each.
        self.calls: dict[int, tuple[FrameType, int]] = {}
        self.open_files = resource.getrlimit(resource.RLIMIT_NOFILE)

    def tick(self, number: int, frame: FrameType | None) -> None:
        """Look at what every thread does."""
        calls = {thread: call_under(top) for thread, top in sys._current_frames().items()}
        before, self.calls = self.calls, {}
        most, place = 0, _NOWHERE
        for thread, call in calls.items():
            if call is not None:
                earlier, ticks = before.get(thread, (None, 0))
                ticks = ticks + 1 if earlier is call.frame else 1
                self.calls[thread] = call.frame, ticks
                if ticks > most:
                    most, place = ticks, call.place
        self.count += 1
        self.beats.beat(self.count, most, place)
        # Code that swallows the exception gets another with every tick.
        if self.calls.get(threading.get_ident(), (None, 0))[1] > TICKS:
            raise TooLong

    def begin(self) -> None:
        """Tick from now on."""
        self.calls = {}
        self.beats.beat(self.count, 0, _NOWHERE)
        signal.signal(signal.SIGALRM, self.tick)
        signal.setitimer(signal.ITIMER_REAL, LIMIT / TICKS, LIMIT / TICKS)

    def begin_in_fork(self) -> None:
        """The same in a process that this one has forked; one that a user's code forks ends at once."""
        if goes_on():
            os._exit(0)
        self.begin()


_guest: _Guest | None = None


def serve(beats: Heartbeats) -> None:
    """From now on this process, which was forked for it, runs a user's code, and says that it goes on."""
    global _guest
    _guest = _Guest(beats)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = MOST_MEMORY if hard == resource.RLIM_INFINITY else min(hard, MOST_MEMORY)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    os.register_at_fork(after_in_child=_guest.begin_in_fork)
    _guest.begin()


def is_served() -> bool:
    """True in a process that was forked to run a user's code."""
    return _guest is not None


def check_process() -> None:
    """:raises PolicyError: a user's code has taken from this process, which runs it, what it needs"""
    mistake = _of_process(None)
    if mistake is not None:
        raise mistake


def _of_process(trouble: BaseException | None) -> PolicyError | None:
    """The damage that a user's code has done to this process; None for none."""
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
    """True of the number of an open file of this process."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def mistake_ended(code: int | None, files: str | None = None) -> PolicyError | None:
    """The mistake of a user's code that has ended its process; None where something else may have.

    :param code: the exit code, negative for the signal
    :param files: that may have done it; None for those of the process that runs here for another one
    """
    if files is None:
        files = _guest.beats.files if _guest is not None else ""
    if not files or (code is not None and -code in _FROM_OUTSIDE):
        return None
    if code is None or code >= 0:
        return PolicyError(files, None, f"it ended the process it is called in (exit {code})")
    hint = ": does it recurse without end?" if -code == signal.SIGSEGV else ""
    return PolicyError(files, None, f"it was killed by {signal_name(-code)}{hint}")


def _is_there(process: int) -> bool:
    """True for a process that is there, and is no zombie, which has no memory."""
    with suppress(OSError):
        return not Path(f"/proc/{process}/statm").read_text(encoding="ascii").startswith("0 ")
    return False
