"""Command line that produced the results of this process."""

from collections.abc import Sequence
from contextvars import ContextVar

from pfnlab.base.inert import shell_line

_COMMAND: ContextVar[str | None] = ContextVar("command", default=None)


def set_command(words: Sequence[str]) -> None:
    """Record the words after ``pfnlab`` on the command line, for the results it prints."""
    _COMMAND.set(shell_line(["pfnlab", *words]))


def command() -> str | None:
    """The command line; None if pfnlab was called as a library."""
    return _COMMAND.get()
