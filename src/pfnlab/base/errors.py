"""All errors, grouped by who has to act next.

::

    PfnlabError
     +-- Discovery      a property failed, machines differ: exit 1
     +-- Misuse         bad program text, flag or name: exit 2
     |    +-- ProgramError   the same, with the position in the text
     |    +-- PolicyError    user code breaks its protocol or its process; names the method
     +-- Undecided      the question stays open: exit 3
     |    +-- MissingTool    a tool or kernel is not installed
     |    +-- LostGuest      a guest hung, died or sent an invalid reply
     |    +-- TimedOut       a limit passed
     |    +-- Killed         one of our processes was killed, perhaps for lack of memory
     +-- Defect         pfnlab itself is wrong: exit 4
    ModelledErrno       the *modelled* kernel returns an error; part of a normal run, never an exit code

An error owns its exit code; the command line catches ``PfnlabError`` once and prints one line.
"""

import errno as _errno
from enum import Enum
from typing import Any


class PfnlabError(Exception):
    """Base class of every error that pfnlab raises on purpose."""

    exit_code = 4

    def __reduce__(self) -> tuple[Any, ...]:
        # Lets errors be unpickled in this process, whatever arguments their class takes.
        return _again, (type(self), self.args, vars(self))


def _again(kind: type[PfnlabError], arguments: tuple[Any, ...], state: dict[str, Any]) -> PfnlabError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error


class Discovery(PfnlabError):
    """A finding: machines differ, or an expectation does not hold."""

    exit_code = 1


class Misuse(PfnlabError):
    """The request is invalid; the message says what to write instead."""

    exit_code = 2


class ProgramError(Misuse):
    """A program text has an error at a certain position.

    :param message: what is wrong and what to write instead, one sentence
    :param source: the file's name, or ``<program>``
    :param line: line number, counted from 1
    :param column: column number, counted from 1
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

    @property
    def in_one_line(self) -> str:
        """The place and the message, without the offending line."""
        place = f"{self.source}:{self.line}:{self.column}" if self.line else self.source
        return f"{place}: {self.message}"

    def __str__(self) -> str:
        if not self.line or not self.text:
            return self.in_one_line
        return f"{self.in_one_line}\n    {self.text}\n    {' ' * (self.column - 1)}^"


class PolicyError(Misuse):
    """A user's policy breaks its protocol or the process it runs in.

    :param path: the policy's file
    :param hook: the method at fault, or None for the file itself
    :param what: what is wrong, and what to write instead
    """

    def __init__(self, path: str, hook: str | None, what: str) -> None:
        self.path, self.hook, self.what = path, hook, what
        super().__init__(": ".join(filter(None, (path, hook, what))))


class Why(Enum):
    """The kinds of reasons why a question stays open; files contain these values."""

    #: The model has no rule for it.
    NO_RULE = "no rule"
    #: The result depends on the machine.
    MACHINE_DECIDES = "the machine decides"
    #: No kernel survives it.
    NO_END = "no end"
    #: Something required is missing or fails: a tool, a kernel, headers, a configuration option.
    MISSING = "missing"
    #: A guest failed.
    GUEST = "guest"


class Undecided(PfnlabError):
    """The question could not be settled here; nothing is known to be wrong.

    :param message: what is open and what would settle it; for people, no code depends on its wording
    :param kind: the kind of reason; None for the default of the class
    """

    exit_code = 3
    kind = Why.MISSING

    def __init__(self, message: str, kind: Why | None = None) -> None:
        super().__init__(message)
        if kind is not None:
            self.kind = kind


def no_rule(what: str) -> Undecided:
    """The model has no rule for *what*, in words that follow these."""
    return Undecided(f"the model has no rule for {what}", Why.NO_RULE)


def machine_decides(message: str) -> Undecided:
    """The result depends on the machine; the message says what decides."""
    return Undecided(message, Why.MACHINE_DECIDES)


def no_end(message: str) -> Undecided:
    """No kernel survives it; the message says what happens to the kernel."""
    return Undecided(message, Why.NO_END)


class MissingTool(Undecided):
    """A program, package or kernel is not installed; the message says exactly how to fix that."""


class LostGuest(Undecided):
    """A guest stopped answering: it hung, panicked, or its QEMU exited.

    If its kernel logged the reason, the run has an alarm
    (:mod:`pfnlab.programs.runs.alarm`), which is a discovery.

    :param message: what pfnlab was waiting for, and how long
    :param console: where the guest's console output was saved, if anywhere
    :param answered: the complete sections of its reply received so far
    """

    kind = Why.GUEST

    def __init__(self, message: str, console: str | None = None, answered: str = "") -> None:
        self.console, self.answered = console, answered
        super().__init__(f"{message} (console kept in {console})" if console else message)


class TimedOut(Undecided):
    """A limit set by the caller was exceeded."""

    kind = Why.GUEST


class Killed(Undecided):
    """One of our processes was killed from outside, e.g. by the kernel for lack of memory."""


class Defect(PfnlabError):
    """An internal check failed: a bug in pfnlab that should be reported."""

    exit_code = 4


class ModelledErrno(Exception):
    """A failure in the modelled kernel, with a positive errno value, as from a system call."""

    def __init__(self, errno: int) -> None:
        self.errno = errno
        super().__init__(errno_name(errno))


#: For numbers that have two names, the name that Linux documents.
_NAMES = {_errno.EOPNOTSUPP: "EOPNOTSUPP", _errno.EAGAIN: "EAGAIN", _errno.EDEADLK: "EDEADLK"}


def errno_name(errno: int) -> str:
    """Symbolic name of an errno value, e.g. ``EINVAL``; unknown values become ``E123``."""
    return _NAMES.get(errno) or _errno.errorcode.get(errno, f"E{errno}")
