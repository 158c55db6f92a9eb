"""Steering a real kernel: wait for a task at a kernel function, and force what a function returns.

An operation is any function that makes the guest do something, `Guest.request` or `Cast.do` for instance. It
runs in a thread of its own, because the whole machine may stop before it is answered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from pfnlab.errors import TimedOut, Undecided
from pfnlab.lab.steering.gdbstub import GdbStub, Stop, gdb_arguments
from pfnlab.lab.steering.points import Caller, Hit, Injected, Injection, Place, Way
from pfnlab.lab.steering.symbols import Symbols
from pfnlab.lab.vm.qemu import CPU_OF_SEVERAL

T = TypeVar("T")

_SLICE = 0.01
# Which of the guest's offsets is that of a task's process id.
_PID = 3
#: Where user addresses end.
USER_END = 1 << 47
_MASK = (1 << 64) - 1
#: Through how many functions one leads to another at most.
_CALLS_DEEP = 4


def steered(path: Path) -> tuple[str, ...]:
    """What QEMU needs, as a guest's ``extra``, for a guest that is steered through the unix socket *path*."""
    return (*gdb_arguments(path), "-cpu", CPU_OF_SEVERAL)


class BackgroundCall(Generic[T]):
    """A function that runs in a thread of its own; the machine need not be running when it starts."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as error:
            self._error = error

    @property
    def done(self) -> bool:
        """Whether it has returned or failed."""
        return not self._thread.is_alive()

    def result(self, limit: float) -> T:
        """
        What it returned; what it raised is raised.

        :raises TimedOut: it is not done within *limit* seconds
        """
        self._thread.join(limit)
        if self._thread.is_alive():
            raise TimedOut(f"the operation was not done within {limit:g} s")
        if self._error:
            raise self._error
        return self._results[0]


class Steering:
    """
    A guest whose CPUs are stopped and started by the host.

    :param stub: connected to the guest, which runs from now on
    :param symbols: of its kernel
    :param offsets: ``hello.offsets`` of the guest, to know who is current on a CPU
    """

    def __init__(self, stub: GdbStub, symbols: Symbols, offsets: str) -> None:
        self.stub = stub
        self.symbols = symbols
        self._offsets = offsets.split(",")
        #: One for each CPU, CPU 0 first.
        self.threads = stub.threads()
        self._held: list[int] = []
        #: What was found out about one function calling another.
        self._led: dict[tuple[str, str], bool] = {}
        self.go()

    def go(self) -> None:
        """Let all CPUs run but those that are held."""
        if self.stub.running:
            return
        if self._held:
            self.stub.cont_only(*(thread for thread in self.threads if thread not in self._held))
        else:
            self.stub.cont()

    def keep(self, thread: int) -> None:
        """From now on *thread* stays where it is, until `free`."""
        self._held.append(thread)

    def free(self, thread: int) -> None:
        """Let *thread* run again, with the others."""
        self.stub.interrupt()
        self._held.remove(thread)
        self.go()

    def current_pid(self, registers: dict[str, int]) -> int:
        """The process or thread id of who is current on the CPU with *registers*; the CPU is selected."""
        if len(self._offsets) < _PID + 1:
            raise Undecided("the guest does not know where its kernel keeps process ids: name the CPU only")
        # The first member of `pcpu_hot` on kernels that have one, a variable of its own before and after.
        symbol = "pcpu_hot" if "pcpu_hot" in self.symbols else "current_task"
        base = registers["gs_base"] if registers["gs_base"] >= USER_END else registers["k_gs_base"]
        task = self.stub.word(base + self.symbols.address(symbol) & _MASK)
        return int.from_bytes(self.stub.read(task + int(self._offsets[_PID], 16), 4), "little")

    def inject(self, injection: Injection, call: Callable[[], T], limit: float = 20.0) -> Injected[T]:
        """
        Run *call* with one function of the kernel forced to return a value.

        The operation goes on to its end whether or not the call was met.

        :param limit: seconds the operation may take
        :raises Undecided: the kernel has no such function, or not in the enclosing one, where it is inlined
        :raises TimedOut: the operation took longer
        """
        self.stub.interrupt()
        self.known(injection)
        operation = BackgroundCall(call)
        hit = self.meet(injection, operation, limit)
        forced = hit is not None and hit.calls == injection.nth
        called_from = self.force(hit, injection.returns) if hit and forced else None
        inside = injection.inside if hit is not None and not hit.calls else None
        inlined = inside is not None and not self._leads_to(inside, injection.function)
        self.go()
        result = operation.result(limit)
        if inlined:
            where = f"{injection.function} in {inside} here, nor a way to one but by pointers"
            raise Undecided(f"there is no call of {where}: this kernel may have inlined it")
        return Injected(result, forced, hit.calls if hit else 0, called_from)

    def known(self, injection: Injection) -> None:
        """
        Check that the kernel has the functions *injection* names.

        :raises Undecided: it has not
        """
        for name in filter(None, (injection.inside, injection.function)):
            self.way_to(Place(name))

    def _leads_to(self, name: str, wanted: str) -> bool:
        """Whether the code of *name* calls *wanted*, or calls what does; pointers are not followed."""
        known = self._led.get((name, wanted))
        if known is None:
            level, seen = {name}, {name}
            for _ in range(_CALLS_DEEP):
                level = {one for caller in level for one in self._called(caller)} - seen
                seen |= level
                if wanted in level:
                    break
            known = self._led[name, wanted] = wanted in seen
        return known

    def _called(self, name: str) -> set[str]:
        start, size = self.symbols.extent(name)
        return self.symbols.called(self.stub.read(start, size), start)

    def meet(self, injection: Injection, operation: BackgroundCall[T], limit: float) -> Hit | None:
        """
        Let the machine run until the call of *injection* is about to begin, as `reach` does.

        The hit has fewer calls than wanted when the function *injection* is inside of returned before.
        """
        within = None
        if injection.inside:
            outer = self.reach(Place(injection.inside), injection.caller, operation, limit)
            if outer is None:
                return None
            within = self._return_of(outer.registers)
        place = Place(injection.function, injection.nth)
        return self.reach(place, injection.caller, operation, limit, within=within)

    def force(self, hit: Hit, value: int) -> str | None:
        """Let the function that is about to begin return *value*; to whom is the result."""
        back, stack = self._return_of(hit.registers)
        self.stub.write_registers(hit.thread, rax=value, rsp=stack, rip=back)
        return self.symbols.function(back)

    def reach(
        self,
        place: Place,
        caller: Caller,
        operation: BackgroundCall[T],
        limit: float,
        *,
        grace: float = 0.0,
        within: tuple[int, int] | None = None,
    ) -> Hit | None:
        """
        Let the machine run until *caller* is at *place*; it then stands, and no breakpoint is left.

        :param operation: what makes the caller come by
        :param grace: seconds to wait after the operation is done
        :param within: stop counting where the stack pointer is back at the second of these, at the address
            that is the first; the hit then has fewer calls than *place* wants
        :return: None when it did not come by
        """
        met = self.reach_first([self.way_to(place)], caller, operation, limit, grace=grace, within=within)
        return met and met[1]

    def way_to(self, place: Place, counts: Callable[[dict[str, int]], bool] = lambda registers: True) -> Way:
        """
        Where to look for who comes to *place*; of calls only those that count are counted.

        :raises Undecided: the kernel has no such function
        """
        return Way(place, frozenset(map(self.symbols.address, place.function.split("|"))), counts)

    def reach_first(
        self,
        ways: Sequence[Way],
        caller: Caller,
        operation: BackgroundCall[T],
        limit: float,
        *,
        grace: float = 0.0,
        within: tuple[int, int] | None = None,
    ) -> tuple[Way, Hit] | None:
        """
        As `reach`, for the place among several that *caller* comes to first; ways may be gone on afterwards.

        A call that is the end of one way counts for none behind it.

        :return: the way that led there, with *within* perhaps the first before its end
        """
        self.stub.interrupt()
        foreign = 0
        deadline = time.monotonic() + limit
        armed: set[int] = set()
        try:
            while True:
                points = {point for way in ways for point in way.points} | ({within[0]} if within else set())
                for address in armed ^ points:
                    if address in points:
                        self.stub.insert_breakpoint(address)
                    else:
                        self.stub.remove_breakpoint(address)
                armed = points
                self.go()
                stop = self._next_stop(operation, deadline, grace)
                if stop is None:
                    return None
                registers = self.stub.registers(stop.thread)
                at, top = registers["rip"], registers["rsp"]
                if at not in points:
                    # The interrupt that ended the waiting, or one that came late.
                    continue
                if not self._is(caller, stop, registers):
                    foreign += 1
                elif within and (at, top) == within:
                    return ways[0], Hit(stop.thread, registers, ways[0].calls, foreign)
                else:
                    arrived = next((way for way in ways if self._comes(way, at, registers)), None)
                    if arrived is not None:
                        return arrived, Hit(stop.thread, registers, arrived.calls, foreign)
                self.stub.step_over(stop.thread, at)
        finally:
            for address in armed:
                self.stub.remove_breakpoint(address)

    # Whether the caller, who is at *at*, has come to the end of the way; else the way is one call shorter.
    def _comes(self, way: Way, at: int, registers: dict[str, int]) -> bool:
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
            back, way.stack = self._return_of(registers)
            way.points = frozenset({back})
        return not way.place.at_return

    # The next stop at a breakpoint; None, and all CPUs stand, when the operation is done without one.
    def _next_stop(self, operation: BackgroundCall[T], deadline: float, grace: float) -> Stop | None:
        done_at: float | None = None
        while True:
            stop = self.stub.poll(_SLICE)
            if stop:
                return stop
            now = time.monotonic()
            if operation.done and done_at is None:
                done_at = now
            if (done_at is not None and now >= done_at + grace) or now >= deadline:
                stop = self.stub.interrupt()
                return stop if stop.signal == 5 else None

    def _is(self, caller: Caller, stop: Stop, registers: dict[str, int]) -> bool:
        if caller.cpu is not None and stop.thread != caller.cpu + 1:
            return False
        return caller.pid is None or self.current_pid(registers) == caller.pid

    # Where the function returns to whose first instruction is next, and the stack pointer there.
    def _return_of(self, registers: dict[str, int]) -> tuple[int, int]:
        return self.stub.word(registers["rsp"]), registers["rsp"] + 8

    def functions(self, registers: dict[str, int], words: Sequence[int]) -> tuple[str, ...]:
        """The functions *words* of a stack may return to, after the one the CPU is in, each once in a row."""
        names: list[str] = []
        for word in (registers["rip"], *words):
            name = self.symbols.function(word)
            if name and names[-1:] != [name]:
                names.append(name)
        return tuple(names)
