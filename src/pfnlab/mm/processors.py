"""Processors: operations side by side, one that stands still, and what the others wait for (S8).

An operation runs straight through. Where it enters a kernel function at which it can be stopped it says so,
``with processors.inside("unmap_vmas"):``, and where it needs what another operation has, a lock or the
attention of its processor, it waits. Both leave it as it is, in the middle, and whoever drives goes on:
operations are greenlets, so the functions between need not know.

Without anybody driving, as in programs that hold nothing, all of this is passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any

from greenlet import greenlet

from pfnlab.errors import Defect
from pfnlab.limit import CLOCK


class Need(Enum):
    """What an operation can wait for."""

    IPI = "IPI"
    MMAP_LOCK = "mmap_lock"
    I_MMAP = "i_mmap_rwsem"
    PAGE_TABLE = "page_table_lock"
    BOOK = "memtype_lock"
    TRACKER = "pfnmap_lock"


@dataclass
class Call:
    """
    One call of a kernel function within an operation.

    :param nth: which one, counted from 1
    :param at_return: its return, not its beginning
    """

    function: str
    nth: int = 1
    at_return: bool = False


@dataclass
class Operation:
    """
    An operation under way.

    :param task: whose it is
    :param hold: where it is to be stopped
    :param skip: a call to leave out on the way there; `hold` does not count it
    :param everywhere: it stops where any function begins, for who drives it with :meth:`Processors.step`
    :ivar at: the function it has stopped at the beginning of
    :ivar result: what it returned, once it is `done`
    :ivar waits: what it waits for, or None
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
    ready: Callable[[], bool] = lambda: True
    calls: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.run = greenlet(self.body)

    def pause(self) -> None:
        """Go back to whoever drives, from inside the operation."""
        assert self.run.parent is not None
        timed = CLOCK.leave()
        try:
            self.run.parent.switch()
        finally:
            CLOCK.go_on(timed)


class Processors:
    """
    All operations of one kernel.

    :param on_turn: called with the task whose operation goes on
    :ivar held: the operation that stands at its place
    :ivar waiting: those that wait, in the order they began
    :ivar omitted: something was left out by force, so that rules need not hold any more
    :ivar turns: how often an operation began or went on
    """

    def __init__(self, on_turn: Callable[[str], None] = lambda task: None) -> None:
        self._on_turn = on_turn
        self._now: Operation | None = None
        self.held: Operation | None = None
        self.waiting: list[Operation] = []
        self.omitted = False
        self.turns = 0

    # Driving.

    def begin(self, operation: Operation) -> None:
        """Let *operation* get as far as it can: to its end, to where it is held, or to where it waits."""
        self._go(operation)
        self._settle()

    def release(self) -> list[Operation]:
        """Let the held operation go on; it and all that waited, finished, in the order they began.

        :raises Defect: they wait for each other
        """
        if self.held is None:
            return []
        held, self.held = self.held, None
        operations = [held, *self.waiting]
        self._go(held)
        self._settle()
        if stuck := [one for one in operations if not one.done]:
            names = ", ".join(f"{one.task} for {one.waits and one.waits.value}" for one in stuck)
            raise Defect(f"operations wait for each other: {names}")
        return operations

    def step(self, operation: Operation) -> None:
        """Let *operation*, and no other, go on to the next function, to its end, or to where it waits."""
        self._run(operation)

    def _go(self, operation: Operation) -> None:
        self._run(operation)
        if operation.waits is not None and operation not in self.waiting:
            self.waiting.append(operation)

    def _run(self, operation: Operation) -> None:
        self._now = operation
        self.turns += 1
        self._on_turn(operation.task)
        try:
            result = operation.run.switch()
        finally:
            self._now = None
        if operation.run.dead:
            operation.result, operation.done, operation.waits = result, True, None

    # Whoever can go on does.
    def _settle(self) -> None:
        while able := next((one for one in self.waiting if one.ready()), None):
            self.waiting.remove(able)
            self._go(able)

    # Asked by operations.

    def inside(self, function: str) -> AbstractContextManager[None]:
        """The operation is in *function* within this context: it may be held where it begins or ends."""
        now = self._now
        if now is None:
            return _NOWHERE
        if now.everywhere:
            return _Anywhere(now, function)
        if now.hold is None or now.hold.function != function:
            return _NOWHERE
        now.calls += 1
        if now.calls != now.hold.nth:
            return _NOWHERE
        return _Place(self, now)

    def skips(self, function: str) -> bool:
        """Whether this call of *function* is the one to leave out."""
        now = self._now
        if now is None or now.skip is None or now.skip.function != function:
            return False
        now.skip.nth -= 1
        if now.skip.nth:
            return False
        now.skip, self.omitted = None, True
        return True

    def stand(self, operation: Operation) -> None:
        """*operation*, which runs, stops here until it is released."""
        self.held, operation.skip = operation, None
        operation.pause()

    def wait(self, need: Need, ready: Callable[[], bool]) -> None:
        """The operation goes on once *ready* says so.

        :raises Defect: nobody else could make it so
        """
        if ready():
            return
        now = self._now
        if now is None:
            raise Defect(f"an operation waits for {need.value} and nobody has it")
        now.waits, now.ready = need, ready
        while not ready():
            now.pause()
        now.waits = None


_NOWHERE: AbstractContextManager[None] = nullcontext()


class _Place:
    # The call an operation is to be held at.

    def __init__(self, processors: Processors, operation: Operation) -> None:
        self._processors, self._operation = processors, operation

    def __enter__(self) -> None:
        assert self._operation.hold is not None
        if not self._operation.hold.at_return:
            self._processors.stand(self._operation)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._operation.hold is not None
        if self._operation.hold.at_return:
            self._processors.stand(self._operation)


class _Anywhere:
    # A call an operation stops at because it stops at all.

    def __init__(self, operation: Operation, function: str) -> None:
        self._operation, self._function = operation, function

    def __enter__(self) -> None:
        self._operation.at = self._function
        self._operation.pause()

    def __exit__(self, *_: object) -> None:
        pass


class RwLock:
    """
    A lock one may hold for writing, or many for reading; who wants to read waits behind who waits to write.

    :ivar need: what waiting for it is called
    :ivar written: somebody has it for writing
    """

    def __init__(self, processors: Processors, need: Need) -> None:
        self._processors, self.need = processors, need
        self._readers = self._queued = 0
        self.written = False

    def read(self) -> Locked:
        """Have it for reading within this context."""
        return Locked(self, False)

    def write(self) -> Locked:
        """Have it for writing within this context."""
        return Locked(self, True)

    def state(self) -> tuple[int, int, bool]:
        """How many have it for reading, how many wait to write, whether somebody has it for writing."""
        return self._readers, self._queued, self.written

    @property
    def held(self) -> tuple[int, bool]:
        """How many have it for reading, and whether somebody has it for writing."""
        return self._readers, self.written

    def take(self, write: bool) -> None:
        """Wait for it and take it."""
        if not write:
            if self.written or self._queued:
                self._processors.wait(self.need, lambda: not self.written and not self._queued)
            self._readers += 1
            return
        if self.written or self._readers:
            self._queued += 1
            try:
                self._processors.wait(self.need, lambda: not self.written and not self._readers)
            finally:
                self._queued -= 1
        self.written = True

    def give(self, write: bool) -> None:
        """Give it back."""
        if write:
            self.written = False
        else:
            self._readers -= 1

    def downgrade(self) -> None:
        """Who has it for writing has it for reading now."""
        self.written = False
        self._readers += 1


class Locked:
    """
    A lock that is held while in this context.

    :ivar lock: which
    :ivar write: for writing
    """

    __slots__ = ("lock", "write")

    def __init__(self, lock: RwLock, write: bool) -> None:
        self.lock, self.write = lock, write

    def downgrade(self) -> None:
        """Go on with the lock for reading (mmap_write_downgrade)."""
        if self.write:
            self.lock.downgrade()
            self.write = False

    def __enter__(self) -> Locked:
        self.lock.take(self.write)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lock.give(self.write)
