"""The command line: its output and exit codes.

==== =====================================================================
0    as expected
1    a discovery: machines differ, an expectation fails, a property is violated
2    misuse: bad program text, flag or name
3    undecided: a missing tool, a lost guest, a search cut off
4    a defect of pfnlab itself
130  interrupted
141  the reader of the output closed it
==== =====================================================================

``pfnlab try`` is meant for ``git bisect run``, which skips a commit on 125, treats every other code from 1 to
127 as a bad commit, and stops on a higher one. So 3 becomes 125, and 2 and 4, which say nothing about the
commit, become 130 and 132.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from pfnlab.base.errors import Defect, Misuse, PfnlabError, Undecided
from pfnlab.base.files import is_full
from pfnlab.base.inert import message
from pfnlab.base.made import set_command

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["main"]

_INTERRUPTED, _UNREAD = 130, 141

#: The exit codes of ``pfnlab try`` that differ from those of other verbs.
_FOR_BISECT = {Misuse.exit_code: 130, Undecided.exit_code: 125, Defect.exit_code: 132}

#: Completion scripts call pfnlab with this word.
_COMPLETE = "__complete"

#: The option for output without a pager; it comes first.
_NO_PAGER = "--no-pager"

#: The file descriptor of standard error.
_STDERR = 2

#: Represents the output where a file name is expected.
_OUTPUT = "standard output"


class _Output(io.FileIO):
    """Standard output; its errors carry its name, like those of files."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as trouble:
            trouble.filename = _OUTPUT
            raise


class _Messages(io.FileIO):
    """Standard error. Text that cannot be written is dropped, without changing the work or the exit code."""

    def write(self, data: ReadableBuffer, /) -> int:
        # Text left in the buffer fails again at process exit, and Python exits with 120.
        with suppress(OSError):
            return super().write(data)
        return memoryview(data).nbytes


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command *argv* (default: the process's arguments) and exit with its code."""
    if sys.stderr is None:
        # Otherwise messages would go to standard output, or to a file that is opened later with this
        # descriptor.
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDERR)
        sys.stderr = io.TextIOWrapper(_Messages(_STDERR, "wb", closefd=False), write_through=True)
    if sys.stdout is None:
        _say(f"pfnlab: {_OUTPUT} is closed: to discard it, write > /dev/null")
        sys.exit(Undecided.exit_code)
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = _through(_Output, sys.stdout)
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _through(_Messages, sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        # File names may hold bytes that are not text; printing them must not fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    words = sys.argv[1:] if argv is None else list(argv)
    has_pager = words[:1] != [_NO_PAGER]
    words = words[not has_pager :]
    set_command(words)
    try:
        if words[:1] == [_COMPLETE]:
            # Any message would appear in the line being typed.
            with suppress(Exception):
                from pfnlab.cli.completing import answer

                sys.stdout.write(answer(words[1:]))
            code = 0
        else:
            code = _answer(words, pager=has_pager)
            code = _FOR_BISECT.get(code, code) if words[:1] == ["try"] else code
        try:
            sys.stdout.flush()
        except OSError as trouble:
            code = _failed(trouble)
    except KeyboardInterrupt:
        # A second signal may arrive while the first is handled, or while output is written.
        code = _INTERRUPTED
    sys.exit(code)


def _through(kind: type[io.FileIO], stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """Return the stream wrapped in a file of another class, with the same buffering."""
    raw = kind(stream.fileno(), "wb", closefd=False)
    buffered = isinstance(stream.buffer, io.BufferedWriter)
    return io.TextIOWrapper(
        io.BufferedWriter(raw) if buffered else raw,
        encoding=stream.encoding,
        line_buffering=bool(stream.line_buffering),
        write_through=not buffered,
    )


def _answer(argv: list[str], *, pager: bool) -> int:
    try:
        from pfnlab.cli.reader import perform_words

        if _runs_own_code(argv):
            from pfnlab.base.supervised import supervised

            return supervised(lambda: perform_words(argv))
        return perform_words(argv, pager=pager)
    except PfnlabError as trouble:
        _say(f"pfnlab: {message(str(trouble))}")
        return trouble.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except MemoryError:
        _say("pfnlab: out of memory: reduce the request, or use a machine with more")
        return Undecided.exit_code
    except OSError as trouble:
        return _failed(trouble)
    except Exception:
        return _defect()


def _runs_own_code(argv: list[str]) -> bool:
    """Return True if a command may run a user's file: one that it names, or one named in a trusted file."""
    if argv[:1] == ["campaign"]:
        # Each shard runs in such a process, and so does each machine that is checked.
        return False
    names = (name for word in argv for name in word.replace(",", " ").split())
    return "--trust" in argv or any(name.endswith(".py") for name in names)


def _failed(trouble: OSError) -> int:
    """Return the exit code for a failed file or output; a defect unless the cause is outside pfnlab."""
    name = "a file" if trouble.filename is None else os.fsdecode(trouble.filename)
    if name == _OUTPUT:
        # Discard buffered output, so that it does not fail again at process exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if trouble.errno == errno.EPIPE:
            return _UNREAD
    elif isinstance(trouble, FileNotFoundError) and _is_lost():
        _say("pfnlab: the working directory was removed: change to another")
        return Misuse.exit_code
    elif not is_full(trouble):
        return _defect()
    action = "read or written" if trouble.errno == errno.EIO and name != _OUTPUT else "written"
    _say(message(f"pfnlab: {name} cannot be {action}: {trouble.strerror}"))
    return Undecided.exit_code


def _is_lost() -> bool:
    """Return True if the working directory has been removed."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _defect() -> int:
    _say(traceback.format_exc() + "pfnlab: this is a defect of pfnlab; please report it with the lines above")
    return Defect.exit_code
