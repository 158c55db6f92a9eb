"""Points of a kernel's code, callers that come there, and forced calls: input and output of steering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pfnlab.errors import Misuse

T = TypeVar("T")


@dataclass(frozen=True)
class Caller:
    """
    The task whose calls count, by CPU, by id or by both; calls of all others are let through.

    :param cpu: the CPU a task is pinned to, counted from 0
    :param pid: process or thread id
    """

    cpu: int | None = None
    pid: int | None = None

    def __post_init__(self) -> None:
        if self.cpu is None and self.pid is None:
            raise Misuse("name the CPU or the process whose calls count")


@dataclass(frozen=True)
class Place:
    """
    A point of the kernel's code, written ``f``, ``f#2`` (the second call) or ``f#2:ret`` (its return).

    :param function: the function, or several as ``f|g``, of which each counts
    :param nth: which call by the caller counts, from 1
    :param at_return: where the call has returned to, instead of its entry
    """

    function: str
    nth: int = 1
    at_return: bool = False

    @classmethod
    def parse(cls, text: str) -> Place:
        """
        Read a place as ``__str__`` writes it.

        :raises Misuse: it is not one
        """
        rest, colon, edge = text.partition(":")
        function, sharp, number = rest.partition("#")
        wrong = (colon and edge != "ret") or (sharp and not (number.isdecimal() and int(number)))
        if wrong or not function:
            raise Misuse(f"`{text}` is no place: write `f`, `f#2` (the second call) or `f:ret` (its return)")
        return cls(function, int(number or 1), bool(colon))

    def __str__(self) -> str:
        return self.function + (f"#{self.nth}" if self.nth > 1 else "") + (":ret" if self.at_return else "")


@dataclass(frozen=True)
class Injection:
    """
    A call that is made to return a value at once.

    :param returns: the value, such as ``-errno.ENOMEM``, or 1 for ``__pte_alloc``
    :param nth: which call counts, from 1
    :param inside: count only within one call of this function, the first
    """

    function: str
    returns: int
    caller: Caller
    nth: int = 1
    inside: str | None = None


@dataclass(frozen=True)
class Injected(Generic[T]):
    """
    The outcome of an injection.

    :param result: the result of the operation
    :param forced: whether the call was reached and forced
    :param calls: number of calls that counted, the forced one included
    :param called_from: the function the value was returned to
    """

    result: T
    forced: bool
    calls: int
    called_from: str | None


@dataclass(frozen=True)
class Hit:
    """
    The place was reached, and all CPUs stand.

    :param calls: number of calls that counted, this one included
    :param foreign: how often another task was there
    """

    thread: int
    registers: dict[str, int]
    calls: int
    foreign: int


@dataclass(eq=False)
class Way:
    """
    The way of a caller to a place, and how far it has come.

    :param points: the addresses at which the caller is waited for now
    :param counts: whether a call that begins with these registers counts
    :param calls: number of calls of the function so far
    :param stack: the stack pointer there when the call has returned; 0 while the call has not begun
    """

    place: Place
    points: frozenset[int]
    counts: Callable[[dict[str, int]], bool] = lambda registers: True
    calls: int = 0
    stack: int = 0
