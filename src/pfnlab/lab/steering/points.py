"""Points of a kernel's code, and who comes by: what steering waits for and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pfnlab.errors import Misuse

T = TypeVar("T")


@dataclass(frozen=True)
class Caller:
    """
    Whose calls count; calls of all others are let through. At least one of both.

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

    :param function: the function, or several as ``f|g``, of which any counts
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
    A call that returns at once what it is told.

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
    What became of an injection.

    :param result: what the operation returned
    :param forced: whether the call was met and forced
    :param calls: calls that counted, the forced one among them
    :param called_from: the function that was told the value
    """

    result: T
    forced: bool
    calls: int
    called_from: str | None


@dataclass(frozen=True)
class Hit:
    """
    The place was reached, and all CPUs stand.

    :param calls: calls that counted, this one among them
    :param foreign: times somebody else was there
    """

    thread: int
    registers: dict[str, int]
    calls: int
    foreign: int


@dataclass(eq=False)
class Way:
    """
    How far somebody has come to a place.

    :param points: the addresses he is waited for at now
    :param counts: whether a call that begins with these registers is one of those meant
    :param calls: of the function, so far
    :param stack: the stack pointer he has there when its call has returned; 0 while it has not begun
    """

    place: Place
    points: frozenset[int]
    counts: Callable[[dict[str, int]], bool] = lambda registers: True
    calls: int = 0
    stack: int = 0
