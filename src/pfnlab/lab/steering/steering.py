"""Steering a real kernel: stop a task at a kernel function, or force what a function returns.

An operation is any function that makes the guest act, e.g. `Guest.request` or `Cast.do`. It runs in its own
thread, because the whole machine may be stopped before the operation is answered.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from pfnlab.base.errors import TimedOut, Undecided
from pfnlab.lab.steering.gdbstub import GdbStub, Stop
from pfnlab.lab.steering.points import Hit, Injection, InjectionOutcome, Place, Way
from pfnlab.lab.steering.symbols import Symbols
from pfnlab.lab.steering.traps import Loops

T = TypeVar("T")

# The position, among the guest's offsets, of the offset of a task's process id.
_PID = 3
#: End of user addresses.
USER_END = 1 << 47
_MASK = (1 << 64) - 1
#: Length of a direct call, in bytes.
_CALL = 5
#: The number of bytes after a call in which to look for the next call.
_NEAR = 64
#: Maximum number of calls to follow from one function to another.
_CALLS_DEEP = 4
#: Seconds that a machine runs before its CPUs are checked, for each of them.
_RUNS = 0.001


class BackgroundCall(Generic[T]):
    """A function that runs in its own thread; the machine may be stopped when it starts."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._future = Future[T]()
        threading.Thread(target=self._run, args=(call,), daemon=True).start()

    def _run(self, call: Callable[[], T]) -> None:
        try:
            self._future.set_result(call())
        except BaseException as error:
            self._future.set_exception(error)

    @property
    def done(self) -> bool:
        """True if the function has returned or failed."""
        return self._future.done()

    def result(self, limit: float) -> T:
        """The value of the function, or its exception; TimedOut if it is not done within *limit* seconds."""
        if not wait([self._future], limit).done:
            raise TimedOut(f"the operation was not done within {limit:g} s")
        return self._future.result()


class Steering:
    """A guest whose CPUs the host stops and starts.

    :param stub: a stub connected to the guest, which is resumed
    :param offsets: ``hello.offsets`` of the guest, used to identify a CPU's current task
    """

    def __init__(self, stub: GdbStub, symbols: Symbols, offsets: str) -> None:
        self.stub = stub
        self.symbols = symbols
        self._offsets = offsets.split(",")
        #: One thread per CPU, CPU 0 first.
        self.threads = stub.threads()
        self._held_threads: list[int] = []
        self._traps = Loops(stub)
        #: Cached: whether one function leads to another.
        self._call_paths: dict[tuple[str, str], bool] = {}
        self.go()

    def go(self) -> None:
        """Resume all CPUs except those held."""
        if self.stub.running:
            return
        if self._held_threads:
            self.stub.cont_only(*self._free_threads)
        else:
            self.stub.cont()

    @property
    def _free_threads(self) -> list[int]:
        return [thread for thread in self.threads if thread not in self._held_threads]

    def keep(self, thread: int) -> None:
        """Keep *thread* stopped until `free`."""
        self._held_threads.append(thread)

    def free(self, thread: int) -> None:
        """Let *thread* run with the others again; the machine stays stopped until `go`."""
        self.stub.interrupt()
        self._held_threads.remove(thread)

    def current_pid(self, registers: dict[str, int]) -> int:
        """The process or thread id of the current task on the selected CPU, given its *registers*."""
        if len(self._offsets) < _PID + 1:
            raise Undecided("the guest does not know the offset of process ids in its kernel")
        # The first member of `pcpu_hot` on kernels that have it; a separate variable before and after.
        symbol = "pcpu_hot" if "pcpu_hot" in self.symbols else "current_task"
        base = registers["gs_base"] if registers["gs_base"] >= USER_END else registers["k_gs_base"]
        task = self.stub.word(base + self.symbols.address(symbol) & _MASK)
        return int.from_bytes(self.stub.read(task + int(self._offsets[_PID], 16), 4), "little")

    def inject(self, injection: Injection, call: Callable[[], T], limit: float = 20.0) -> InjectionOutcome[T]:
        """Run the operation *call* with one call of a kernel function forced to return a value.

        The operation runs to completion whether or not the call is reached.

        :param limit: time limit for the operation, in seconds
        :raises Undecided: if the kernel has no such function, or the call is not reached and the function
            around it has no way to it, because it is inlined
        :raises TimedOut: if the operation takes longer
        """
        self.stub.interrupt()
        for name in filter(None, (injection.inside, injection.function)):
            self.way_to(Place(name))
        operation = BackgroundCall(call)
        hit = self.meet(injection, operation, limit)
        forced = hit is not None and hit.calls == injection.nth
        if hit and forced:
            self.force(hit, injection.returns)
        around = injection.caller if hit is None else None if hit.calls else injection.inside
        known = around is not None and around in self.symbols
        inlined = known and not self._leads_to(str(around), injection.function)
        self.go()
        result = operation.result(limit)
        if inlined:
            description = f"{injection.function} in {around} here, nor a way to one but by pointers"
            raise Undecided(f"there is no call of {description}: this kernel may have inlined it")
        return InjectionOutcome(result, forced, hit.calls if hit else 0)

    def _leads_to(self, name: str, wanted: str) -> bool:
        """True if *name* calls *wanted*, directly or via others; function pointers are not followed."""
        leads = self._call_paths.get((name, wanted))
        if leads is None:
            level, visited = {name}, {name}
            for _ in range(_CALLS_DEEP):
                level = {callee for caller in level for callee in self._callees(caller)} - visited
                visited |= level
                if wanted in level:
                    break
            leads = self._call_paths[name, wanted] = wanted in visited
        return leads

    def _callees(self, name: str) -> list[str]:
        start, size = self.symbols.extent(name)
        return self.symbols.called(self.stub.read(start, size), start)

    def called_before(self, address: int) -> str | None:
        """The function whose direct call returns to *address*, or None."""
        start = address - _CALL
        return next(iter(self.symbols.called(self.stub.read(start, _CALL), start)), None)

    def called_after(self, address: int) -> str | None:
        """The first function called directly soon after *address*, or None."""
        return next(iter(self.symbols.called(self.stub.read(address, _NEAR), address)), None)

    def meet(self, injection: Injection, operation: BackgroundCall[T], limit: float) -> Hit | None:
        """Let the machine run until the call in *injection* is about to begin, like `reach`.

        If the enclosing function of *injection* returns first, the hit has fewer calls than requested.
        """
        within = None
        if injection.inside:
            outer = self.reach(Place(injection.inside), injection.pid, operation, limit)
            if outer is None:
                return None
            within = self._return_of(outer.registers)
        place = Place(injection.function, injection.nth)
        return self.reach(place, injection.pid, operation, limit, within=within)

    def force(self, hit: Hit, value: int) -> None:
        """Make the function that is about to begin return *value*."""
        return_address, stack_pointer = self._return_of(hit.registers)
        self.stub.write_registers(hit.thread, rax=value, rsp=stack_pointer, rip=return_address)

    def reach(
        self,
        place: Place,
        pid: int,
        operation: BackgroundCall[T],
        limit: float,
        *,
        within: tuple[int, int] | None = None,
    ) -> Hit | None:
        """Let the machine run until task *pid* is at *place*; it is then stopped, with no trap set.

        :param operation: the operation that takes the task there
        :param within: an address and a stack pointer: counting stops when the task returns there, and the hit
            then has fewer calls than *place* requires
        :return: None if the task did not get there
        """
        arrival = self.reach_first([self.way_to(place)], pid, operation, limit, within=within)
        return arrival and arrival[1]

    def way_to(self, place: Place, counts: Callable[[dict[str, int]], bool] = lambda registers: True) -> Way:
        """A way to *place* that counts only calls with *counts* true; Undecided without such a function."""
        return Way(place, frozenset(map(self.symbols.address, place.function.split("|"))), counts)

    def reach_first(
        self,
        ways: Sequence[Way],
        pid: int,
        operation: BackgroundCall[T],
        limit: float,
        *,
        within: tuple[int, int] | None = None,
    ) -> tuple[Way, Hit] | None:
        """Like `reach`, for whichever of several places the task reaches first; other ways can be continued.

        A call that ends one way does not count for later ways in *ways*.

        :return: the way that led there; if *within* ended the counting, the first way, unfinished
        """
        self.stub.interrupt()
        deadline = time.monotonic() + limit
        armed_points: set[int] = set()
        try:
            while True:
                points = {point for way in ways for point in way.points} | ({within[0]} if within else set())
                for address in armed_points ^ points:
                    if address in points:
                        self._traps.set(address)
                    else:
                        self._traps.clear(address)
                armed_points = points
                stop = self._next_stop(operation, deadline)
                if stop is None:
                    return None
                registers = self.stub.registers(stop.thread)
                at, stack_pointer = registers["rip"], registers["rsp"]
                # Calls by any other task pass.
                if self.current_pid(registers) == pid:
                    if within and (at, stack_pointer) == within:
                        return ways[0], Hit(stop.thread, registers, ways[0].calls)
                    arrived_way = next((way for way in ways if self._arrives(way, at, registers)), None)
                    if arrived_way is not None:
                        return arrived_way, Hit(stop.thread, registers, arrived_way.calls)
                self._traps.leave(stop, registers)
        finally:
            # A machine that exited was running, and a dead one has no traps; the first error is
            # the one that matters.
            if not self.stub.running:
                for address in armed_points:
                    self._traps.clear(address)

    # True if the task, stopped at *at*, has reached the end of the way; counts the call if it is eligible.
    def _arrives(self, way: Way, at: int, registers: dict[str, int]) -> bool:
        if at not in way.points:
            return False
        if way.stack:
            return registers["rsp"] == way.stack
        if not way.counts(registers):
            return False
        way.calls += 1
        if way.calls < way.place.nth:
            return False
        if way.place.at_return:
            return_address, way.stack = self._return_of(registers)
            way.points = frozenset({return_address})
        return not way.place.at_return

    # The next stop at a trap; None, with all CPUs stopped, if the operation ends without one.
    def _next_stop(self, operation: BackgroundCall[T], deadline: float) -> Stop | None:
        threads = self._free_threads
        while True:
            self.go()
            self.stub.poll(_RUNS * len(threads))
            self.stub.interrupt()
            stop = self._traps.stop_among(threads)
            if stop:
                return stop
            if operation.done or time.monotonic() >= deadline:
                return None

    # The return address of a function that is about to begin, and the stack pointer once it has returned.
    def _return_of(self, registers: dict[str, int]) -> tuple[int, int]:
        return self.stub.word(registers["rsp"]), registers["rsp"] + 8

    def frames(self, registers: dict[str, int], words: Sequence[int]) -> Iterator[tuple[str, int]]:
        """The CPU's function, then those *words* of a stack may return to, with addresses. No repeats."""
        last = None
        for word in (registers["rip"], *words):
            name = self.symbols.function(word)
            if name and name != last:
                yield name, word
                last = name
