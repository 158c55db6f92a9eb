"""The kernel locks that operations may wait for (S8.2.10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from pfnlab.kernel.mm.processors import Need, Processors

#: Spinlocks: their waiters keep running.
_SPINNING = frozenset({Need.BOOK, Need.PAGE_TABLE})


@dataclass
class Waiter:
    """A place in a lock's queue.

    :param write: it waits to write
    :param granted: it owns the lock but has not resumed yet
    :param spins: a writer spinning outside the queue, because when it arrived a writer owned
        the sleeping lock (S8.5.5)
    """

    task: str
    write: bool
    granted: bool = False
    spins: bool = False


class RwLock:
    """A lock held by one operation for writing, or by any number for reading.

    While others are reading, a new reader queues after any waiting writer.

    If a reader is first in the queue when a writer releases the lock, all waiting readers get it;
    a spinlock goes to the first waiter only (S8.2.10). If that writer then wants the lock again,
    it waits for the readers.

    :param unlocked: called when a writer releases the lock or downgrades it
    :ivar need: the reason shown for operations that wait for this lock
    :ivar written: an operation holds the lock for writing
    """

    def __init__(
        self, processors: Processors, need: Need, unlocked: Callable[[], None] = lambda: None
    ) -> None:
        self._processors, self.need, self._unlocked = processors, need, unlocked
        self._readers = 0
        self._queue: list[Waiter] = []
        self.written = False

    def read(self) -> LockGuard:
        """Hold the lock for reading inside this context."""
        return LockGuard(self)

    def write(self) -> RwLock:
        """Hold the lock for writing inside this context, or until it is downgraded there."""
        return self

    def __enter__(self) -> RwLock:
        self.take(True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give(self.written)

    def state(self) -> tuple[int, tuple[tuple[str, bool, bool], ...], bool]:
        """The number of readers, the waiters in order (as in `Waiter`), and True if held for writing."""
        queue = tuple((waiter.task, waiter.write, waiter.granted) for waiter in self._queue)
        return self._readers, queue, self.written

    @property
    def contended(self) -> bool:
        """True if a reader would have to wait."""
        return self.written or any(waiter.write for waiter in self._queue)

    @property
    def held(self) -> tuple[int, bool]:
        """The number of readers, and True if held for writing."""
        return self._readers, self.written

    @property
    def taken(self) -> bool:
        """True if anyone holds the lock."""
        return self.written or self._readers > 0

    def take(self, write: bool) -> None:
        """Wait for the lock and take it."""
        # A running task takes a free lock ahead of a writer that was woken, but queues after readers.
        if self.written or (self._readers and (write or self.contended)):
            spins = self.written and self.need not in _SPINNING
            waiter = Waiter(self._processors.task, write, spins=spins)
            self._queue.append(waiter)
            try:
                self._processors.wait(self.need, lambda: self._goes_on(waiter))
            finally:
                self._queue.remove(waiter)
            if waiter.granted:
                return
        if write:
            self.written = True
        else:
            self._readers += 1

    def give(self, write: bool) -> None:
        """Release the lock."""
        if write:
            self._unlocked()
            self.written = False
        else:
            self._readers -= 1
        if self._queue and not self._readers:
            self._grant()

    def downgrade(self) -> None:
        """Turn a write lock into a read lock (mmap_write_downgrade)."""
        self._unlocked()
        self.written = False
        self._readers += 1
        if self._queue:
            self._grant()

    def _goes_on(self, waiter: Waiter) -> bool:
        if waiter.write:
            others = self._readers > 0
        else:
            overtakes = waiter.spins and self._processors.last_first
            others = not overtakes and any(other.write for other in self._queue)
        return waiter.granted or not (self.written or others)

    # Readers own the lock when they wake up, even those queued after writers. A writer that slept must still
    # take it; one that spins takes it at once.
    def _grant(self) -> None:
        waiting = [waiter for waiter in self._queue if not waiter.granted]
        if not waiting:
            return
        # A spinning writer may get it before them.
        spun = self._processors.last_first and not self._readers
        if not waiting[0].write and not (spun and any(waiter.write and waiter.spins for waiter in waiting)):
            for waiter in waiting:
                waiter.granted = not waiter.write
                self._readers += waiter.granted
        elif self._readers:
            return
        elif self.need in _SPINNING:
            waiting[0].granted = self.written = True
        first = waiting[0]
        self._processors.gives_way(self.need, lambda: all(waiter is not first for waiter in self._queue))


class LockGuard:
    """Context manager that holds a lock for reading."""

    __slots__ = ("lock",)
    write = False

    def __init__(self, lock: RwLock) -> None:
        self.lock = lock

    def __enter__(self) -> LockGuard:
        self.lock.take(False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lock.give(False)
