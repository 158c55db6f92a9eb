"""Points of a kernel's code, and forced calls: input and output of steering."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """A point of the kernel's code, written ``f``, ``f#2`` (the second call) or ``f#2:ret`` (its return).

    :param function: the function, or several as ``f|g``, of which each counts
    :param nth: which call by the task counts, from 1
    :param at_return: where the call has returned to, instead of its entry
    """

    function: str
    nth: int = 1
    at_return: bool = False

    def __str__(self) -> str:
        return self.function + (f"#{self.nth}" if self.nth > 1 else "") + (":ret" if self.at_return else "")


@dataclass(frozen=True)
class Injection:
    """A call that is made to return a value at once.

    :param returns: the value, such as ``-errno.ENOMEM``, or 1 for ``__pte_alloc``
    :param pid: the process or thread id of the task whose calls count
    :param nth: which call counts, from 1
    :param inside: count only within one call of this function, the first
    """

    function: str
    returns: int
    pid: int
    nth: int = 1
    inside: str | None = None


@dataclass(frozen=True)
class Injected(Generic[T]):
    """The outcome of an injection.

    :param result: that of the operation
    :param forced: whether the call was reached and forced
    :param calls: number of calls that counted, the forced one included
    """

    result: T
    forced: bool
    calls: int


@dataclass(frozen=True)
class Hit:
    """The place was reached, and all CPUs stand; so many calls counted, this one included."""

    thread: int
    registers: dict[str, int]
    calls: int


@dataclass(eq=False)
class Way:
    """The way of a task to a place, and how far it has come.

    :param points: the addresses at which the task is waited for now
    :param counts: whether a call that begins with these registers counts
    :param calls: number of calls of the function so far
    :param stack: the stack pointer there when the call has returned; 0 while the call has not begun
    """

    place: Place
    points: frozenset[int]
    counts: Callable[[dict[str, int]], bool] = lambda registers: True
    calls: int = 0
    stack: int = 0
