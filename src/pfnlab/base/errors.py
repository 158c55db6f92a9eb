"""All errors, grouped by the party that has to act next.

::

    PfnlabError
     +-- Discovery      a property failed, machines differ: exit 1
     +-- Misuse         bad program text, flag or name: exit 2
     |    +-- ProgramError   the same, with the place in the text
     |    +-- PolicyError    a user's own code breaks its protocol or its process, with the method
     +-- Undecided      the question stays open: exit 3
     |    +-- MissingTool    a tool or kernel is not here
     |    +-- LostGuest      a guest hung, died or answered nonsense
     |    +-- TimedOut       a limit passed
     |    +-- Killed         something ended a process of ours, perhaps for want of memory
     +-- Defect         pfnlab itself is wrong: exit 4
    ModelledErrno       the *modelled* kernel says no; part of a normal run, never an exit code

An error owns its exit code; the command line catches ``PfnlabError`` once and prints one line.
"""

import errno as _errno
from enum import Enum
from typing import Any


class PfnlabError(Exception):
    """The base of every error pfnlab raises on purpose."""

    exit_code = 4

    def __reduce__(self) -> tuple[Any, ...]:
        # Raised in another process, it comes here pickled, whatever its class is called with.
        return _again, (type(self), self.args, vars(self))


def _again(kind: type[PfnlabError], arguments: tuple[Any, ...], state: dict[str, Any]) -> PfnlabError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error


class Discovery(PfnlabError):
    """Something was found: machines differ or an expectation does not hold."""

    exit_code = 1


class Misuse(PfnlabError):
    """The caller asked for something that cannot be; the message says what to write instead."""

    exit_code = 2


class ProgramError(Misuse):
    """A program text is wrong at one place.

    :param message: what is wrong and what to write instead, one sentence
    :param source: the file's name, or ``<program>``
    :param line: the line, counted from 1
    :param column: the column, counted from 1
    :param text: the offending line itself, shown with a caret under *column*
    """

    def __init__(
        self, message: str, *, source: str = "<program>", line: int = 0, column: int = 0, text: str = ""
    ) -> None:
        self.message = message
        self.source = source
        self.line = line
        self.column = column
        self.text = text
        super().__init__(message)

    def __str__(self) -> str:
        if not self.line:
            return f"{self.source}: {self.message}"
        head = f"{self.source}:{self.line}:{self.column}: {self.message}"
        if not self.text:
            return head
        return f"{head}\n    {self.text}\n    {' ' * (self.column - 1)}^"


class PolicyError(Misuse):
    """A user's own policy breaks its protocol, or the process it runs in.

    :param path: its file
    :param hook: the method that does, or None where it is the file
    :param what: what is wrong, and what to write instead
    """

    def __init__(self, path: str, hook: str | None, what: str) -> None:
        self.path, self.hook, self.what = path, hook, what
        super().__init__(": ".join(filter(None, (path, hook, what))))


class Why(Enum):
    """The kinds of reasons for which a question stays open; the values are those of files."""

    #: The model has no rule for it.
    NO_RULE = "no rule"
    #: The answer is another one on another machine.
    MACHINE_DECIDES = "the machine decides"
    #: No kernel goes on after it.
    NO_END = "no end"
    #: Something is not here, or fails: a tool, a kernel, headers, an option of its configuration.
    MISSING = "missing"
    #: A guest did not do its part.
    GUEST = "guest"


class Undecided(PfnlabError):
    """The question could not be settled here; nothing is known to be wrong.

    :param message: what is open, and what would settle it: for people, nothing decides by its words
    :param kind: of the reason; None for that of the class
    """

    exit_code = 3
    kind = Why.MISSING

    def __init__(self, message: str, kind: Why | None = None) -> None:
        super().__init__(message)
        if kind is not None:
            self.kind = kind


class MissingTool(Undecided):
    """A program, package or kernel is not on this machine; the message names the exact remedy."""


class LostGuest(Undecided):
    """A guest stopped answering: it hung, panicked, or its QEMU ended.

    Where its kernel said why, the run has an alarm (:mod:`pfnlab.programs.runs.alarm`), which is a discovery.

    :param message: what was being waited for, and how long
    :param console: where the guest's console was stored, if anywhere
    :param answered: its reply until then, in whole sections
    """

    kind = Why.GUEST

    def __init__(self, message: str, console: str | None = None, answered: str = "") -> None:
        self.console, self.answered = console, answered
        super().__init__(f"{message} (console kept in {console})" if console else message)


class TimedOut(Undecided):
    """A limit the caller set has passed."""

    kind = Why.GUEST


class Killed(Undecided):
    """A process of ours was killed from outside, as the kernel does where memory is short."""


class Defect(PfnlabError):
    """An internal check failed: pfnlab is wrong, and should be reported."""

    exit_code = 4


class ModelledErrno(Exception):
    """The modelled kernel fails an operation, as a system call would, with a positive errno value."""

    def __init__(self, errno: int) -> None:
        self.errno = errno
        super().__init__(errno_name(errno))


#: Where two names share a number, the one Linux documents.
_NAMES = {_errno.EOPNOTSUPP: "EOPNOTSUPP", _errno.EAGAIN: "EAGAIN", _errno.EDEADLK: "EDEADLK"}


def errno_name(errno: int) -> str:
    """The symbolic name of an errno value, as ``EINVAL``; unknown values read ``E123``."""
    return _NAMES.get(errno) or _errno.errorcode.get(errno, f"E{errno}")
