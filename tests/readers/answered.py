"""Answers of readers, judged: an input is read, or refused in one line, and all else is a fault."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from every_reader import Reader

from pfnlab.base.errors import Discovery, Misuse, Undecided
from pfnlab.base.inert import message, visible
from pfnlab.base.units import number_of

#: The most characters of a line of a refusal; of longer ones :func:`.inert.message` leaves out the middle.
MOST_LINE = 1003

#: The source, whose lines a fault is known by.
_SOURCE = "/src/pfnlab/"

#: What a process does that acts (https://docs.python.org/3/library/audit_events.html).
_ACTS = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "socket.connect",
    "pty.spawn",
)


class Answer(NamedTuple):
    """
    The answer to one input.

    :param words: what it was; two inputs with the same answer show the same
    :param fault: what is wrong with it; empty where nothing is
    """

    words: str
    fault: str = ""


class _Acted(BaseException):
    """A reader began to act; no ``except`` of its own catches that."""


class _Watch:
    """Ends a reader that acts; nothing while none reads."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] | None = None
        self._begun = False

    def begin(self) -> None:
        """From now on see what this process does, as long as it lives."""
        if not self._begun:
            sys.addaudithook(self._see)
            self._begun = True

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.allowed is not None and event in _ACTS:
            what = str(arguments[0]) if arguments else ""
            if Path(what).name not in self.allowed:
                raise _Acted(f"{event} {what}")


_WATCH = _Watch()


@contextmanager
def _watched(allowed: tuple[str, ...]) -> Iterator[None]:
    _WATCH.begin()
    _WATCH.allowed = allowed
    try:
        yield
    finally:
        _WATCH.allowed = None


def answer(reader: Reader, data: bytes, room: str | None = None) -> Answer:
    """
    The answer of *reader* to an input.

    :param room: where its temporary folder is made
    """
    with tempfile.TemporaryDirectory(dir=room) as folder:
        place = reader.placed(data, Path(folder))
        try:
            with _watched(reader.starts):
                printed = reader.read(place)
        except (Misuse, Undecided, Discovery) as refusal:
            # As the command line says it (pfnlab.cli).
            said = message(str(refusal)).replace(folder, "")
            wrong = _wrong_refusal(said, reader.lines)
            words = f"{wrong} at {_place(refusal)}" if wrong else f"{type(refusal).__name__}: {said}"
            return Answer(words, f"{words}: {said[:200]!r}" if wrong else "")
        except KeyboardInterrupt:
            raise
        except BaseException as trouble:
            words = f"{type(trouble).__name__} at {_place(trouble)}"
            return Answer(words, f"{words}: {str(trouble)[:200]!r}")
    if printed is not None and visible(printed) != printed:
        return Answer("printed", "control characters in what is printed")
    return Answer("read")


def _wrong_refusal(said: str, lines: int) -> str:
    """What is wrong with the words of a refusal; empty where nothing is."""
    if not said.strip():
        return "a refusal without words"
    if said.count("\n") >= lines:
        return f"a refusal of more than {number_of(lines, 'line')}"
    if visible(said) != said:
        return "a refusal with control characters"
    if max(map(len, said.split("\n"))) > MOST_LINE:
        return f"a refusal with a line of more than {MOST_LINE:,} characters"
    return ""


def _place(trouble: BaseException) -> str:
    """The last line of the source that an error went through."""
    frames = traceback.extract_tb(trouble.__traceback__)
    ours = [frame for frame in frames if _SOURCE in frame.filename] or frames
    return f"{ours[-1].filename.rpartition(_SOURCE)[2]}:{ours[-1].lineno}"
