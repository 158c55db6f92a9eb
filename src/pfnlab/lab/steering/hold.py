"""Holding CPUs at kernel functions while others run, to see which tasks proceed and which wait."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from pfnlab.base.errors import TimedOut, Undecided
from pfnlab.base.units import PAGE_SIZE
from pfnlab.lab.steering.cast import Answer, Cast, Whereabouts
from pfnlab.lab.steering.gdbstub import GdbError
from pfnlab.lab.steering.points import Injection, Place, Way
from pfnlab.lab.steering.steering import USER_END, BackgroundCall, Steering
from pfnlab.lab.steering.waits import SEMAPHORE, Obstacle, Wait, judge, judge_sleeping

T = TypeVar("T")
U = TypeVar("U")

_SCANNED = 0x800
# Maximum number of checks until a task is seen waiting for the same obstacle _SEEN times in a row; an
# idle host needs few.
_PATIENCE = 9
_SEEN = 3
# An operation that can finish takes about 0.05 s; between two checks of a wait, a free CPU that has the lock
# gets time to release it.
_FIRST, _PAUSE = 0.06, 0.03
_OTHERS = 5.0

#: Functions to search for the caller of a semaphore function.
_CALLERS = 8


class NotReached(Undecided):
    """The place was not reached: the function is inlined, or this kernel does not call it here."""


@dataclass(frozen=True)
class HoldPoint:
    """A place at which to hold a CPU, and the task *pid* to hold there.

    :param forced: calls along the way that are made to return immediately
    :param counts: returns True if a call that begins with these registers counts
    """

    place: Place
    pid: int
    forced: tuple[Injection, ...] = ()
    counts: Callable[[dict[str, int]], bool] = lambda registers: True


@dataclass(frozen=True)
class HoldOutcome:
    """Progress of an operation while a CPU was held; exactly one of the three is not None.

    :param answer: its answer, if it returned on its own
    :param wait: what it waits for, if it waits; with `Obstacle.NOTHING`, the schedule should be repeated
    :param held: its CPU, if it reached its own place and is stopped there
    """

    answer: Answer | None = None
    wait: Wait | None = None
    held: HeldCpu[Any] | None = None


@dataclass
class NextHold:
    """Another task to hold: the way to its place, and its CPU once it has stopped there."""

    way: Way
    pid: int
    held: HeldCpu[Any] | None = None


class FreeCpus:
    """The CPUs that are not held, while others are.

    The machine is stopped, except while `others`, `attempt`, `settled` or `wait_of` let them run.

    :param stack_pointer: returns the kernel stack pointer of a process that is not running, by its pid; None
        if that cannot be read, in which case a waiting exec cannot be examined
    :ivar steering: the machine
    :ivar coming: another task to hold, to be watched for whenever the CPUs run
    """

    def __init__(self, steering: Steering, stack_pointer: Callable[[int], int] | None = None) -> None:
        self.steering, self._stack_pointer = steering, stack_pointer
        self.coming: NextHold | None = None

    def others(self, call: Callable[[], U]) -> U:
        """Let all CPUs except the held ones run until *call* has returned, then stop them again.

        *call* makes the guest act. It must return on its own, as `Cast.attempt` does, because its operation
        may wait for a held CPU.

        :raises TimedOut: if *call* did not return within :data:`_OTHERS` seconds
        """
        operation = self._come(call)
        if self.coming is not None and operation is not None and operation.done:
            # The machine was stopped in the meantime: the coming task must not pass its place unseen.
            return operation.result(_OTHERS)
        self.steering.go()
        try:
            operation = operation or BackgroundCall(call)
            result = operation.result(_OTHERS)
        except TimedOut as error:
            self.steering.stub.interrupt()
            stacks = [stack_of(self.steering, thread - 1)[:1] for thread in self.steering.threads]
            functions = ", ".join(name for names in stacks for name in names)
            raise TimedOut(f"{error} while a CPU was held; the CPUs were in {functions}") from error
        except BaseException:
            # The first error is the one that matters; a dead machine is stopped anyway.
            with contextlib.suppress(Undecided):
                self.steering.stub.interrupt()
            raise
        self.steering.stub.interrupt()
        return result

    # Begins *call*; returns when it is done, or when a coming task has reached its place.
    def _come(self, call: Callable[[], U]) -> BackgroundCall[U] | None:
        coming = self.coming
        if coming is None:
            return None
        self.steering.stub.interrupt()
        operation = BackgroundCall(call)
        arrival = self.steering.reach_first([coming.way], coming.pid, operation, _OTHERS)
        if arrival is not None:
            self.coming = None
            coming.held = HeldCpu(self.steering, arrival[1].thread, operation)
        return operation

    def attempt(
        self,
        cast: Cast,
        task: int,
        verb: str,
        *arguments: int | str,
        limit: float = 0.4,
        coming: NextHold | None = None,
    ) -> HoldOutcome:
        """Have *task*, on another CPU, begin an operation; report how far it gets while CPUs are held.

        If the operation waits, its answer is collected after a release, with `settled` or `Cast.collect`.

        :param limit: seconds for each check at which it neither has finished nor waits for anything known
        :param coming: the place where it is to be held; if it waits earlier, it may get there later
        """
        self.coming = coming or self.coming
        first = min(limit, _FIRST)
        answer = self.others(lambda: cast.attempt(task, verb, *arguments, limit=first))
        return self._outcome(cast, task, answer, limit, coming)

    def settled(self, cast: Cast, task: int, *, limit: float = 0.4) -> HoldOutcome:
        """The progress of *task*, which waited for a CPU that has since been released, as from `attempt`."""
        coming = self.coming
        answer = self.others(partial(cast.collect, task, min(limit, _FIRST)))
        return self._outcome(cast, task, answer, limit, coming)

    def _outcome(
        self, cast: Cast, task: int, answer: Answer | None, limit: float, coming: NextHold | None
    ) -> HoldOutcome:
        previous_need, seen = Obstacle.NOTHING, 0
        for _ in range(_PATIENCE):
            if answer is not None:
                break
            if coming is not None and coming.held is not None and coming.pid == cast.pids[task]:
                return HoldOutcome(held=coming.held)
            # The task may have been stopped in an interrupt, or wait for a task that is not held.
            wait = self.wait_of(cast, task)
            came = coming is not None and coming.held is not None
            is_known = wait.need is not Obstacle.NOTHING and not came
            seen = (seen + 1 if wait.need is previous_need else 1) if is_known else 0
            if seen == _SEEN:
                return HoldOutcome(wait=wait)
            previous_need = wait.need
            # On a busy host, an operation that is not waiting for anything may yet finish.
            answer = self.others(partial(cast.collect, task, _PAUSE if is_known else limit))
        if self.coming is not None and self.coming.pid == cast.pids[task] and answer is not None:
            self.coming = None
        return HoldOutcome(answer) if answer else HoldOutcome(wait=Wait(Obstacle.NOTHING, ()))

    def wait_of(self, cast: Cast, task: int) -> Wait:
        """The wait of *task*, whose operation has not finished."""
        pid, execs = cast.pids[task], cast.verbs.get(task) == "exec"
        # The guest finds out where a task is under a lock that the task's exec may be holding.
        if not execs:
            whereabouts = self.others(lambda: cast.where(task))
            if whereabouts.state == "D":
                return judge_sleeping(whereabouts.functions, *self._calls_around(whereabouts))
            if whereabouts.state != "R":
                return Wait(Obstacle.NOTHING, whereabouts.functions)
        frames = self._frames_while_running(pid)
        if execs and frames is None and self._stack_pointer is not None:
            frames = list(frames_behind(self.steering, {"rip": 0, "rsp": self._stack_pointer(pid)}))
        return judge(with_jumps(self.steering, frames or []))

    # The functions of a task that is in the kernel on a CPU, as from `frames_behind`; None if it is not.
    def _frames_while_running(self, pid: int) -> list[tuple[str, int]] | None:
        for thread in self.steering.threads:
            registers = self.steering.stub.registers(thread)
            if registers["rip"] >= USER_END and self.steering.current_pid(registers) == pid:
                return list(frames_behind(self.steering, registers))
        return None

    # The lock function that a sleeping task's innermost function calls, and the function it calls next.
    def _calls_around(self, whereabouts: Whereabouts) -> tuple[str | None, str | None]:
        innermost = next(iter(whereabouts.functions), None)
        if innermost is None or innermost not in self.steering.symbols:
            return None, None
        address = self.steering.symbols.address(innermost) + whereabouts.offset
        return self.steering.called_before(address), self.steering.called_after(address)


class HeldCpu(FreeCpus, Generic[T]):
    """A CPU stopped at its place until `release`, together with the other CPUs."""

    def __init__(self, steering: Steering, thread: int, operation: BackgroundCall[T]) -> None:
        super().__init__(steering)
        self._thread, self._operation = thread, operation
        self._released = False
        steering.keep(thread)

    def free(self) -> None:
        """Let the CPU run along with the others once they run again."""
        if not self._released:
            self._released = True
            self.steering.free(self._thread)

    def release(self) -> None:
        """Resume this CPU and the others."""
        if not self._released:
            self.free()
            self.steering.go()

    def result(self, limit: float = 30.0) -> T:
        """The result of the operation that is held here."""
        return self._operation.result(limit)


def hold(steering: Steering, at: HoldPoint, call: Callable[[], T], limit: float = 2.0) -> HeldCpu[T]:
    """Run *call* and hold the CPU that reaches the place in *at*.

    *call* begins the operation, and waits until it is done or a CPU is stopped. A CPU that gets there after
    *call* has returned is not held.

    :param limit: seconds that a CPU has to get there
    :raises NotReached: if no CPU got there; the machine is running
    :raises Undecided: if the kernel has no such function
    """
    hold_way = steering.way_to(at.place, at.counts)
    injections = {
        steering.way_to(Place(injection.function, injection.nth)): injection for injection in at.forced
    }
    steering.stub.interrupt()
    operation = BackgroundCall(call)
    while arrival := steering.reach_first([*injections, hold_way], at.pid, operation, limit):
        way, hit = arrival
        if way is hold_way:
            return HeldCpu(steering, hit.thread, operation)
        steering.force(hit, injections.pop(way).returns)
    steering.go()
    raise NotReached(f"no task reached `{at.place}` within {limit:g} s")


def stack_of(steering: Steering, cpu: int) -> tuple[str, ...]:
    """The kernel functions that the stopped *cpu* is in, perhaps some it has left; empty in user mode."""
    registers = steering.stub.registers(cpu + 1)
    frames = frames_behind(steering, registers) if registers["rip"] >= USER_END else ()
    return tuple(name for name, _ in frames)


def frames_behind(steering: Steering, registers: dict[str, int]) -> Iterator[tuple[str, int]]:
    """The functions that a task in the kernel with these *registers* is in, each with its return address.

    ``rip`` is 0 if it is not running.
    """
    stack_pointer = registers["rsp"]
    data = b""
    # Page by page: memory after a stack may be unmapped, and an interrupt stack is only page-aligned.
    while len(data) < _SCANNED:
        at = stack_pointer + len(data)
        try:
            data += steering.stub.read(at, PAGE_SIZE - at % PAGE_SIZE)
        except GdbError:
            break
    words = min(len(data), _SCANNED) // 8
    yield from steering.frames(registers, struct.unpack_from(f"<{words}Q", data))


def with_jumps(steering: Steering, frames: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    """The functions in *frames*, plus a semaphore function that has jumped to its slow path.

    It no longer has a frame, but the call in its caller identifies it. Any functions between the two have
    long since returned.
    """
    names = [name for name, _ in frames]
    slow = next((at for at, name in enumerate(names) if name.startswith(SEMAPHORE)), len(names))
    for at, (name, address) in enumerate(frames[slow + 1 :][:_CALLERS], slow + 1):
        called = steering.called_before(address)
        if called is not None and called.startswith(SEMAPHORE) and not name.startswith(SEMAPHORE):
            inner = [one for one in names[slow:at] if one.startswith(SEMAPHORE)]
            return (*names[:slow], *inner, called, *names[at:])
    return tuple(names)
