"""The command line: what it prints, and what its exit codes mean.

==== =====================================================================
0    as expected
1    a discovery: machines differ, an expectation fails, a property is violated
2    misuse: bad program text, flag or name
3    undecided: a missing tool, a lost guest, a search cut off
4    a defect of pfnlab itself
130  interrupted
141  nobody reads the output any more
==== =====================================================================

``pfnlab try`` is for ``git bisect run``, which takes 125 for a commit to be skipped, every other code up to
127 for a bad commit, and ends at a higher one. There 3 is 125; 2 and 4, which say nothing of a commit, are
130 and 132.
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

#: The codes of ``pfnlab try`` that are not those of other verbs.
_FOR_BISECT = {Misuse.exit_code: 130, Undecided.exit_code: 125, Defect.exit_code: 132}

#: The word by which completion scripts ask.
_COMPLETE = "__complete"

#: The number of standard error.
_STDERR = 2

#: The name of the output, in the place of a file's name.
_OUTPUT = "standard output"


class _Output(io.FileIO):
    """Standard output, whose failures carry its name, as those of other files do."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as trouble:
            trouble.filename = _OUTPUT
            raise


class _Messages(io.FileIO):
    """Standard error: what cannot be said there is dropped, and changes neither work nor exit code."""

    def write(self, data: ReadableBuffer, /) -> int:
        # Left in the buffer it would fail again when the process ends, whose code would then be Python's 120.
        with suppress(OSError):
            return super().write(data)
        return memoryview(data).nbytes


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command *argv* (the process's own without it) and exit with its code."""
    if sys.stderr is None:
        # Messages would go to standard output, and a file that is opened later would be taken for this one.
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDERR)
        sys.stderr = io.TextIOWrapper(_Messages(_STDERR, "wb", closefd=False), write_through=True)
    if sys.stdout is None:
        _say(f"pfnlab: {_OUTPUT} is closed: write > /dev/null to see nothing")
        sys.exit(Undecided.exit_code)
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = _through(_Output, sys.stdout)
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _through(_Messages, sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        # File names may hold bytes that are no text; saying them must not fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    words = sys.argv[1:] if argv is None else list(argv)
    set_command(words)
    try:
        if words[:1] == [_COMPLETE]:
            # What is printed is shown to somebody who types.
            with suppress(Exception):
                from pfnlab.cli.completing import answer

                sys.stdout.write(answer(words[1:]))
            code = 0
        else:
            code = _answer(words)
            code = _FOR_BISECT.get(code, code) if words[:1] == ["try"] else code
        try:
            sys.stdout.flush()
        except OSError as trouble:
            code = _failed(trouble)
    except KeyboardInterrupt:
        # A second one may come while the first is answered, or the output is written.
        code = _INTERRUPTED
    sys.exit(code)


def _through(kind: type[io.FileIO], stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """The same stream through a file of another kind; buffered as before."""
    raw = kind(stream.fileno(), "wb", closefd=False)
    buffered = isinstance(stream.buffer, io.BufferedWriter)
    return io.TextIOWrapper(
        io.BufferedWriter(raw) if buffered else raw,
        encoding=stream.encoding,
        line_buffering=bool(stream.line_buffering),
        write_through=not buffered,
    )


def _answer(argv: list[str]) -> int:
    try:
        from pfnlab.cli.reader import perform_words

        if _runs_own_code(argv):
            from pfnlab.base.supervised import supervised

            return supervised(lambda: perform_words(argv))
        return perform_words(argv)
    except PfnlabError as trouble:
        _say(f"pfnlab: {message(str(trouble))}")
        return trouble.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except MemoryError:
        _say("pfnlab: this takes more memory than there is: ask for less, or where there is more")
        return Undecided.exit_code
    except OSError as trouble:
        return _failed(trouble)
    except Exception:
        return _defect()


def _runs_own_code(argv: list[str]) -> bool:
    """True for a command that may run a file of the user's: it names one, or trusts one that a file names."""
    if argv[:1] == ["campaign"]:
        # Each shard has such a process, and so has each machine that is checked.
        return False
    names = (name for word in argv for name in word.replace(",", " ").split())
    return "--trust" in argv or any(name.endswith(".py") for name in names)


def _failed(trouble: OSError) -> int:
    """The exit code when a file or the output failed; a defect where the cause is not outside."""
    name = "a file" if trouble.filename is None else os.fsdecode(trouble.filename)
    if name == _OUTPUT:
        # Buffered output is discarded instead of failing again at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if trouble.errno == errno.EPIPE:
            return _UNREAD
    elif isinstance(trouble, FileNotFoundError) and _is_lost():
        _say("pfnlab: the folder it was started in is gone: change to another")
        return Misuse.exit_code
    elif not is_full(trouble):
        return _defect()
    action = "read or written" if trouble.errno == errno.EIO and name != _OUTPUT else "written"
    _say(message(f"pfnlab: {name} cannot be {action}: {trouble.strerror}"))
    return Undecided.exit_code


def _is_lost() -> bool:
    """True where the working directory was removed."""
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
