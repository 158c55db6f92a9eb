"""The prefixes of an operation, which force the kernel to fail, to omit a call, or to pause."""

import msgspec


class Fail(msgspec.Struct, frozen=True):
    """A forced failure: a kernel function fails on one of its calls within an operation.

    :param nth: the number of the call, counted from 1
    :param inside: count only within the first call of this function, or None
    """

    function: str
    nth: int
    inside: str | None = None


class Hold(msgspec.Struct, frozen=True):
    """The call at which the acting task's processor pauses until the next ``release``.

    :param function: the kernel function, or ``unlink``, whose name differs between series
    :param nth: the number of the call within the operation, counted from 1
    :param at_return: pause after the call has returned, instead of at its beginning
    """

    function: str
    nth: int = 1
    at_return: bool = False


class Skip(msgspec.Struct, frozen=True):
    """A forced omission: a kernel function returns at once on one of its calls within an operation.

    :param function: the kernel function, one that returns nothing
    :param nth: the number of the call, counted from 1
    """

    function: str
    nth: int = 1
