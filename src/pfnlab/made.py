"""The origin of a result: the version of pfnlab, and the command that prints it again.

Every verb that prints a result as JSON puts this under the key ``made``, so that a report can say where it
comes from.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextvars import ContextVar

from pfnlab.version import VERSION

_COMMAND: ContextVar[str | None] = ContextVar("command", default=None)


def set_command(words: Sequence[str]) -> None:
    """Record the words after ``pfnlab`` of the command line, for the results it prints."""
    _COMMAND.set(shlex.join(["pfnlab", *words]))


def command() -> str | None:
    """The command line; None where pfnlab was called as a library."""
    return _COMMAND.get()


def made() -> dict[str, str | None]:
    """The value of ``made`` for a result that is printed now."""
    return {"pfnlab": VERSION, "command": command()}
