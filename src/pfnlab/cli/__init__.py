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
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from pfnlab.errors import Defect, PfnlabError

__all__ = ["main"]

_INTERRUPTED, _UNREAD = 130, 141


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command *argv* (the process's own without it) and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        # File names may hold bytes that are no text; saying them must not fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_answer(sys.argv[1:] if argv is None else list(argv)))


def _answer(argv: list[str]) -> int:
    try:
        code = _dispatch(argv)
        sys.stdout.flush()
        return code
    except PfnlabError as trouble:
        print(f"pfnlab: {trouble}", file=sys.stderr)
        return trouble.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # What is still buffered goes nowhere instead of failing again at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _UNREAD
    except Exception:
        traceback.print_exc()
        print("pfnlab: this is a defect of pfnlab; please report it with the lines above", file=sys.stderr)
        return Defect.exit_code


def _dispatch(argv: list[str]) -> int:
    from pfnlab.cli.app import UsageError, app

    try:
        code = app(argv, prog_name="pfnlab", standalone_mode=False)
    except UsageError as wrong:
        message = wrong.format_message()
        # A command without its arguments answers with its help.
        print(message if message.startswith("Usage:") else f"pfnlab: {message}", file=sys.stderr)
        return 2
    except SystemExit as gone:
        # The framework ends the process itself only when the output is closed.
        return gone.code if isinstance(gone.code, int) and gone.code != 1 else _UNREAD
    return code if isinstance(code, int) else 0
