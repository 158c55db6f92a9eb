"""Holding one CPU at a kernel function while the others run: who gets on, and who waits for what."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

from pfnlab.errors import Undecided
from pfnlab.lab.steering import Caller, Hit, Operation, Place, Steering
from pfnlab.lab.waits import Wait, judge

T = TypeVar("T")
U = TypeVar("U")

_STACK = 16384
_SCANNED = 0x800


class NotReached(Undecided):
    """The place was not passed: the function is inlined, or this kernel does not call it here."""


@dataclass(frozen=True)
class Hold:
    """
    Where to stop whom.

    :param caller: with its CPU when several tasks may pass
    """

    place: Place
    caller: Caller


class Held(Generic[T]):
    """
    One CPU that stands at its place; a context manager that releases it.

    Everything stands, except while `others` or `wait_of` lets the other CPUs run.
    """

    def __init__(self, steering: Steering, hold: Hold, hit: Hit, operation: Operation[T]) -> None:
        self._steering = steering
        self._operation = operation
        self.hold = hold
        self.hit = hit
        self.cpu = hit.thread - 1
        self._released = False
        steering.keep(hit.thread)

    def others(self, call: Callable[[], U], limit: float = 30.0) -> U:
        """
        Let all CPUs but this one run until *call* has returned, and stop them again.

        *call* makes the guest do something and must come back by itself, such as `Cast.attempt`, because what
        it asks for may wait for this CPU.

        :raises TimedOut: it did not return within *limit* seconds
        """
        self._steering.go()
        try:
            return Operation(call).result(limit)
        finally:
            self._steering.stub.interrupt()

    def wait_of(self, cpu: int, asleep: tuple[str, ...] = ()) -> Wait:
        """
        What the task on *cpu* waits for.

        :param asleep: the functions it sleeps in, where the guest says so (`Cast.where`); otherwise those are
            taken that the stack of *cpu* names
        """
        return judge(asleep or stack_of(self._steering, cpu))

    def release(self) -> None:
        """Let the CPU run again."""
        if not self._released:
            self._released = True
            self._steering.free(self.hit.thread)

    def result(self, limit: float = 30.0) -> T:
        """What the operation returned that came by here."""
        return self._operation.result(limit)

    def __enter__(self) -> Held[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def hold(steering: Steering, at: Hold, call: Callable[[], T], limit: float = 2.0) -> Held[T]:
    """
    Run *call* and hold the CPU that comes by.

    *call* must return while that CPU stands: begin the operation, do not wait for it (`Cast.begin`).

    :param limit: seconds until it must have come by
    :raises NotReached: it did not; the machine runs on
    :raises Undecided: the kernel has no such function
    """
    steering.symbols.address(at.place.function)
    steering.stub.interrupt()
    operation = Operation(call)
    hit = steering.reach(at.place, at.caller, operation, limit, grace=limit)
    if hit is None:
        steering.go()
        raise NotReached(f"nobody came by `{at.place}` within {limit:g} s")
    return Held(steering, at, hit, operation)


def stack_of(steering: Steering, cpu: int) -> tuple[str, ...]:
    """The kernel functions *cpu*, which stands, is in, and some it has left, innermost first; none in user mode."""
    registers = steering.stub.registers(cpu + 1)
    top = registers["rsp"]
    if registers["rip"] < 1 << 47:
        return ()
    size = min(_SCANNED, (top | _STACK - 1) + 1 - top)
    data = steering.stub.read(top, size // 8 * 8)
    return steering.functions(registers, struct.unpack(f"<{len(data) // 8}Q", data))
