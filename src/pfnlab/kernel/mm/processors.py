"""Processors: concurrent operations, some of which are held while others wait (S8).

An operation's code is written straight through. ``with processors.inside("unmap_vmas"):`` enters a kernel
function in which the operation can be held. An operation waits if it needs a lock that another one holds, or
a response from another processor. Being held and waiting both suspend the operation and return to the code
that drives the operations. Operations are greenlets, so the functions in between are unaffected.

If nothing drives the operations, as in programs without holds, all of this is skipped.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any

from greenlet import GreenletExit, greenlet

from pfnlab.base.errors import Defect, machine_decides


class Need(Enum):
    """The reasons for an operation to wait."""

    IPI = "IPI"
    MMAP_LOCK = "mmap_lock"
    VMA = "vm_lock"
    I_MMAP = "i_mmap_rwsem"
    PAGE_TABLE = "page_table_lock"
    BOOK = "memtype_lock"
    MEMORY = "memory_lock"
    DEVICE = "device_lock"
    EXEC_UPDATE = "exec_update_lock"
    VFIO_VMAS = "vma_lock"
    TRACKER = "pfnmap_lock"


class WaitsForeverError(Defect):
    """Raised if an operation waits for something that no other operation can provide."""


@dataclass
class Call:
    """One call to a kernel function within an operation.

    :param nth: which call to that function it is, counted from 1
    :param at_return: hold the operation when the function returns, not when it starts
    """

    function: str
    nth: int = 1
    at_return: bool = False


@dataclass
class Operation:
    """An operation that has begun and not ended.

    :param hold: the call at which to stop
    :param skip: a call to omit on the way there, which `hold` does not count
    :param everywhere: stop at the start of every function; driven with :meth:`Processors.step`
    :ivar at: the function at whose start it is stopped
    :ivar waits: why it is waiting, or None
    :ivar yields: it waits only to let others resume first
    """

    task: str
    body: Callable[[], Any]
    hold: Call | None = None
    skip: Call | None = None
    everywhere: bool = False
    at: str = ""
    result: Any = None
    done: bool = False
    waits: Need | None = None
    yields: bool = False
    ready: Callable[[], bool] = lambda: True
    calls: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.run = greenlet(self.body)

    def give_up(self) -> None:
        """End it where it is, because nothing will resume it; its kernel is then useless.

        The frames of a stopped greenlet, and all that they refer to, are never collected as garbage.
        """
        while self.run and not self.run.dead:
            # Whatever its functions do on their way out, e.g. stop again.
            with suppress(Exception):
                self.run.throw(GreenletExit)

    def pause(self) -> None:
        """Return from within the operation to the driving code."""
        assert self.run.parent is not None
        self.run.parent.switch()


@dataclass
class _Access:
    # An object that *by* has read or changed, and the tasks that were waiting at that moment.
    thing: object
    by: Operation
    changes: bool
    behind: frozenset[str]


class Processors:
    """All operations of one kernel.

    :param on_turn: called with the task whose operation resumes
    :ivar held: held operations, in the order in which they stopped
    :ivar waiting: waiting operations, in the order in which they began
    :ivar under_way: operations that have begun and have not been reported as done, in the
        order in which they began
    :ivar omitted: a call was forcibly skipped, so the rules may no longer apply
    :ivar unflushed: the kernel has removed one of its own mappings, which TLBs may keep until the direct map
        changes (S2.8.6); None if that depends on the machine
    :ivar waiters_first: after a lock is released or a response arrives, the waiter resumes first, not second
    :ivar last_first: if several operations can resume, the last to begin waiting goes first (S8.5.5)
    :ivar raced: an operation ran concurrently with one that it had waited for, or
        several could resume at once
    :ivar crowded: several operations were waiting at once, so `last_first` may matter
    :ivar turns: how often an operation began or resumed
    """

    def __init__(self, on_turn: Callable[[str], None] = lambda task: None) -> None:
        self._on_turn = on_turn
        self._running: Operation | None = None
        self.held: list[Operation] = []
        self.under_way: list[Operation] = []
        self.waiting: list[Operation] = []
        self.omitted = False
        self.unflushed: bool | None = False
        self.waiters_first = self.last_first = self.raced = self.crowded = False
        self.turns = 0
        #: True from the release on; until then, no two operations run concurrently.
        self._releasing = False
        self._shared: dict[int, list[_Access]] = {}

    # Driving

    def begin(self, operation: Operation) -> None:
        """Run *operation* as far as possible: to its end, or to where it is held or has to wait."""
        self._go(operation)
        self._settle()
        if not operation.done:
            self.under_way.append(operation)

    def release(self, task: str | None = None) -> list[Operation]:
        """Resume a held operation, and all others that waited only for it (S8.5).

        An operation that has to wait before reaching its hold is no longer held there.

        :param task: the task to resume; None for the only one
        :returns: all operations that were under way, in the order in which they began;
            empty if *task* was not held
        :raises WaitsForeverError: if operations are waiting for each other
        """
        coming = next((operation for operation in self.waiting if operation.task == task), None)
        if coming is not None:
            coming.hold = None
        held = next((operation for operation in self.held if task in (None, operation.task)), None)
        if held is None:
            return []
        self.held.remove(held)
        self._releasing = True
        self._shared.clear()
        # An operation that had to wait for its processor now runs in parallel.
        self.raced |= any(waiter.ready() for waiter in self.waiting)
        if self.waiters_first:
            self._settle()
        self._go(held)
        self._settle()
        self._releasing = False
        operations, self.under_way = self.under_way, [one for one in self.under_way if not one.done]
        if not self.held and (stuck := self.under_way):
            names = ", ".join(
                f"{operation.task} for {operation.waits and operation.waits.value}" for operation in stuck
            )
            raise WaitsForeverError(f"operations wait for each other: {names}")
        return operations

    def step(self, operation: Operation) -> None:
        """Run *operation* alone, to the next function, its end, or where it has to wait."""
        self._run(operation)

    def _go(self, operation: Operation) -> None:
        self._run(operation)
        if operation.waits is not None and operation not in self.waiting:
            self.waiting.append(operation)
            self.crowded |= sum(not waiter.yields for waiter in self.waiting) > 1

    def _run(self, operation: Operation) -> None:
        self._running = operation
        self.turns += 1
        self._on_turn(operation.task)
        try:
            result = operation.run.switch()
        finally:
            self._running = None
        if operation.run.dead:
            operation.result, operation.done, operation.waits = result, True, None

    # Resume every waiting operation that is ready.
    def _settle(self) -> None:
        while ready := [waiter for waiter in self.waiting if waiter.ready()]:
            if len(ready) > 1:
                self.raced = self.crowded = True
            operation = ready[-1 if self.last_first else 0]
            self.waiting.remove(operation)
            self._go(operation)

    # Called by operations

    @property
    def driven(self) -> bool:
        """True inside an operation that runs concurrently with others, on its task's own processor."""
        return self._running is not None

    @property
    def task(self) -> str:
        """The task whose operation is being driven; empty if nothing drives it."""
        return self._running.task if self._running is not None else ""

    @property
    def place(self) -> str:
        """The function in which the running operation is to be held; empty if it is not to be held."""
        operation = self._running
        return operation.hold.function if operation is not None and operation.hold is not None else ""

    def inside(self, function: str) -> AbstractContextManager[None]:
        """Mark the operation as inside *function* within this context: it may be held at start or return."""
        operation = self._running
        if operation is None:
            return _NOWHERE
        if operation.everywhere:
            return _Anywhere(operation, function)
        if operation.hold is None or operation.hold.function != function:
            return _NOWHERE
        operation.calls += 1
        if operation.calls != operation.hold.nth:
            return _NOWHERE
        return _Place(self, operation)

    def skips(self, function: str) -> bool:
        """True if this call to *function* is the one to omit."""
        operation = self._running
        if operation is None or operation.skip is None or operation.skip.function != function:
            return False
        operation.skip.nth -= 1
        if operation.skip.nth:
            return False
        operation.skip, self.omitted = None, True
        return True

    def stand(self, operation: Operation) -> None:
        """Hold *operation*, which is running, until it is released."""
        self.held.append(operation)
        operation.skip = None
        operation.pause()

    def gives_way(self, need: Need, gone: Callable[[], bool]) -> None:
        """Let others resume after releasing a lock they wait for; *gone* returns True once they have."""
        self.raced = True
        operation = self._running
        if self.waiters_first and operation is not None:
            operation.yields = True
            self.wait(need, gone)
            operation.yields = False

    def shares(self, thing: object, *, changes: bool) -> None:
        """Record that the operation reads, or changes, a part of *thing* that no lock protects.

        :raises Undecided: if a concurrent operation accesses it too, and at least one of them changes it
        """
        operation = self._running
        # The other orders run the same operations.
        if operation is None or self.waiters_first or self.last_first or not self._releasing:
            return
        seen = self._shared.setdefault(id(thing), [])
        for other in seen:
            if (
                other.by is not operation
                and operation.task not in other.behind
                and (other.changes or changes)
            ):
                raise machine_decides(
                    "tasks resume at the same time and one changes state: the machine decides what they see"
                )
        behind = frozenset(waiter.task for waiter in self.waiting if not waiter.ready())
        seen.append(_Access(thing, operation, changes, behind))

    def wait(self, need: Need, ready: Callable[[], bool]) -> None:
        """Suspend the operation until *ready* returns True.

        :raises WaitsForeverError: if no other operation could change that
        """
        if ready():
            return
        operation = self._running
        if operation is None:
            raise WaitsForeverError(f"an operation waits for {need.value}, held by no other operation")
        operation.waits, operation.ready = need, ready
        while not ready():
            operation.pause()
        operation.waits = None


class _Nowhere(AbstractContextManager[None]):
    # Calls a builtin that ignores its arguments, because a step is nowhere several times.
    __enter__ = __exit__ = "".format  # type: ignore[assignment]


_NOWHERE = _Nowhere()


class _Place:
    # The call in which an operation is held.

    def __init__(self, processors: Processors, operation: Operation) -> None:
        self._processors, self._operation = processors, operation

    def __enter__(self) -> None:
        assert self._operation.hold is not None
        if not self._operation.hold.at_return:
            self._processors.stand(self._operation)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An operation that waited within the call may have been released in the meantime.
        if self._operation.hold is not None and self._operation.hold.at_return:
            self._processors.stand(self._operation)


class _Anywhere:
    # A call in which an operation stops because it stops at every call.

    def __init__(self, operation: Operation, function: str) -> None:
        self._operation, self._function = operation, function

    def __enter__(self) -> None:
        self._operation.at = self._function
        self._operation.pause()

    def __exit__(self, *_: object) -> None:
        pass
