"""Prefixes of an operation, which make the kernel fail, omit a call, or pause."""

import msgspec


class Fail(msgspec.Struct, frozen=True):
    """A forced failure: a kernel function fails on one of its calls during an operation.

    :param nth: which call it is, counted from 1
    :param inside: count only calls within the first call to this function; None to count all
    """

    function: str
    nth: int
    inside: str | None = None


class Hold(msgspec.Struct, frozen=True):
    """The call at which the acting task's processor pauses, until the next ``release``.

    :param function: the kernel function, or ``unlink``, whose name varies between series
    :param nth: which call within the operation it is, counted from 1
    :param at_return: pause when the call has returned instead of when it starts
    """

    function: str
    nth: int = 1
    at_return: bool = False


class Skip(msgspec.Struct, frozen=True):
    """A forced omission: a kernel function returns at once on one of its calls during an operation.

    :param function: the kernel function, which must return nothing
    :param nth: which call it is, counted from 1
    """

    function: str
    nth: int = 1
