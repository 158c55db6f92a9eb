"""Holding one CPU at a kernel function while the others run: who gets on, and who waits for what."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

from pfnlab.errors import Misuse, Undecided
from pfnlab.lab.cast import Answer, Cast
from pfnlab.lab.gdbstub import Refused
from pfnlab.lab.steering import USER_END, Caller, Hit, Injection, Operation, Place, Steering
from pfnlab.lab.waits import Need, Wait, judge, judge_sleeping
from pfnlab.units import PAGE_SIZE

T = TypeVar("T")
U = TypeVar("U")

_SCANNED = 0x800
_PATIENCE = 3


class NotReached(Undecided):
    """The place was not passed: the function is inlined, or this kernel does not call it here."""


@dataclass(frozen=True)
class Hold:
    """
    Where to stop whom.

    :param caller: whose passing counts
    :param forced: calls on the way there that are made to return at once, in this order
    """

    place: Place
    caller: Caller
    forced: tuple[Injection, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """
    How far an operation got while a CPU was held; one of both is None.

    :param answer: it returned alone
    :param wait: it waits; with `Need.NOTHING` the schedule should be repeated
    """

    answer: Answer | None
    wait: Wait | None


class Held(Generic[T]):
    """
    One CPU that stands at its place; a context manager that releases it.

    Everything stands, except while `others`, `attempt` or `wait_of` lets the other CPUs run.
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

    def attempt(self, cast: Cast, task: int, verb: str, *arguments: int | str, limit: float = 0.4) -> Outcome:
        """
        Let *task*, pinned to another CPU, begin an operation, and say how far it gets while this CPU stands.

        One that waits is collected after the release, with `Cast.collect`.

        :param limit: seconds after which it counts as waiting; one that can finish takes about 0.05
        """
        answer = self.others(lambda: cast.attempt(task, verb, *arguments, limit=limit))
        for _ in range(_PATIENCE):
            wait = None if answer else self.wait_of(cast, task)
            if wait is None or wait.need is not Need.NOTHING:
                break
            # A busy host is slow: what waits for nothing may still finish.
            answer = self.others(lambda: cast.collect(task, limit))
        return Outcome(answer, None if answer else wait)

    def wait_of(self, cast: Cast, task: int) -> Wait:
        """What *task* waits for, which has not finished what it began."""
        now = self.others(lambda: cast.where(task))
        if now.state != "R":
            return judge_sleeping(now.functions) if now.state == "D" else Wait(Need.NOTHING, now.functions)
        cpu = cast.cpus.get(task)
        if cpu is None:
            raise Misuse(f"task {task} is not pinned to a CPU: what it waits for cannot be told")
        registers = self._steering.stub.registers(cpu + 1)
        if registers["rip"] < USER_END or self._steering.current_pid(registers) != cast.pids[task]:
            return Wait(Need.NOTHING, ())
        return judge(stack_of(self._steering, cpu))

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
        try:
            self.release()
        except Undecided:
            # What went wrong first is what matters; a dead machine holds nobody.
            if error is None:
                raise


def hold(steering: Steering, at: Hold, call: Callable[[], T], limit: float = 2.0) -> Held[T]:
    """
    Run *call* and hold the CPU that comes by.

    *call* must return while that CPU stands: begin the operation, do not wait for it (`Cast.begin`).

    :param limit: seconds until it must have come by
    :raises NotReached: it did not; the machine runs on
    :raises Undecided: the kernel has no such function
    """
    steering.symbols.address(at.place.function)
    for injection in at.forced:
        steering.known(injection)
    steering.stub.interrupt()
    operation = Operation(call)
    for injection in at.forced:
        met = steering.meet(injection, operation, limit, grace=limit)
        if met is None or met.calls < injection.nth:
            steering.go()
            raise NotReached(f"nobody called `{injection.function}`, to be forced, within {limit:g} s")
        steering.force(met, injection.returns)
    hit = steering.reach(at.place, at.caller, operation, limit, grace=limit)
    if hit is None:
        steering.go()
        raise NotReached(f"nobody came by `{at.place}` within {limit:g} s")
    return Held(steering, at, hit, operation)


def stack_of(steering: Steering, cpu: int) -> tuple[str, ...]:
    """The kernel functions *cpu*, which stands, is in, and some it has left; none in user mode."""
    registers = steering.stub.registers(cpu + 1)
    top = registers["rsp"]
    if registers["rip"] < USER_END:
        return ()
    data = b""
    # Page by page: what follows a stack need not be mapped, and that of an interrupt is aligned to no more.
    while len(data) < _SCANNED:
        at = top + len(data)
        try:
            data += steering.stub.read(at, PAGE_SIZE - at % PAGE_SIZE)
        except Refused:
            break
    words = min(len(data), _SCANNED) // 8
    return steering.functions(registers, struct.unpack_from(f"<{words}Q", data))
