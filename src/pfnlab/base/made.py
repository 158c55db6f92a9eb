"""The command line that produced this process's results."""

from collections.abc import Sequence
from contextvars import ContextVar

from pfnlab.base.inert import shell_line

_COMMAND: ContextVar[str | None] = ContextVar("command", default=None)


def set_command(words: Sequence[str]) -> None:
    """Record the words that followed ``pfnlab`` on the command line, for the results it prints."""
    _COMMAND.set(shell_line(["pfnlab", *words]))


def command() -> str | None:
    """The command line; None if pfnlab was called as a library."""
    return _COMMAND.get()


def with_option(name: str, value: object) -> str:
    """The command line with an option added unless already there; empty if pfnlab is used as a library."""
    line = command() or ""
    added = shell_line([name, str(value)])
    return f"{line} {added}" if line and name not in line.split() else line
