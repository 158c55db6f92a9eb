"""Points in a kernel's code and forced calls: what steering takes and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """A point in kernel code: ``f``, ``f#2`` (its second call) or ``f#2:ret`` (where that call returns).

    :param function: the function; or several, written ``f|g``, any of which counts
    :param nth: which call by the task counts, starting at 1
    :param at_return: whether to stop after the call has returned instead of on entry
    """

    function: str
    nth: int = 1
    at_return: bool = False

    def __str__(self) -> str:
        return self.function + (f"#{self.nth}" if self.nth > 1 else "") + (":ret" if self.at_return else "")


@dataclass(frozen=True)
class Injection:
    """A call that is made to return a value right away.

    :param returns: the value, e.g. ``-errno.ENOMEM``, or 1 for ``__pte_alloc``
    :param pid: the process or thread id of the task whose calls count
    :param nth: which of these calls to force, starting at 1
    :param inside: if given, only calls within this function's first call count
    :param caller: a function on the way to the call, which has none to it where it is inlined
    """

    function: str
    returns: int
    pid: int
    nth: int = 1
    inside: str | None = None
    caller: str | None = None


@dataclass(frozen=True)
class InjectionOutcome(Generic[T]):
    """The outcome of an injection.

    :param result: the operation's result
    :param forced: whether the call was reached and forced
    :param calls: how many calls counted, including the forced one
    """

    result: T
    forced: bool
    calls: int


@dataclass(frozen=True)
class Hit:
    """The place was reached, and all CPUs are stopped; *calls* includes this call."""

    thread: int
    registers: dict[str, int]
    calls: int


@dataclass(eq=False)
class Way:
    """A task's way to a place, and how far it has got.

    :param points: the addresses at which to stop the task now
    :param counts: returns True if a call that begins with these registers counts
    :param calls: how many times the function has been called so far
    :param stack: the stack pointer after the call has returned; 0 before the call
    """

    place: Place
    points: frozenset[int]
    counts: Callable[[dict[str, int]], bool] = lambda registers: True
    calls: int = 0
    stack: int = 0
