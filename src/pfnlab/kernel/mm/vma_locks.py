"""The per-VMA locks, which let faults do without mmap_lock (S8.3.9)."""

from __future__ import annotations

from types import TracebackType

from pfnlab.kernel.mm.processors import Need, Processors
from pfnlab.kernel.mm.vma import Vma


class VmaLocks:
    """The per-VMA locks in one address space.

    They are taken for writing only while mmap_lock is held for writing, and are released together with it. So
    at most one operation waits for any of them, and a reader that cannot get one takes mmap_lock instead.
    """

    def __init__(self, processors: Processors) -> None:
        self._processors = processors
        self._written: dict[Vma, None] = {}
        self._readers: dict[Vma, int] = {}
        self._awaited: Vma | None = None

    def state(self) -> tuple[object, ...]:
        """The locks taken for writing, how many readers each has, and the one a writer is waiting for."""
        awaited = self._awaited
        return (
            [(vma.start, vma.end) for vma in self._written],
            [(vma.start, vma.end, readers) for vma, readers in self._readers.items()],
            None if awaited is None else (awaited.start, awaited.end),
        )

    def is_written(self, vma: Vma) -> bool:
        """True if the lock is taken for writing; a reader then waits for mmap_lock instead."""
        return vma in self._written

    def write(self, vmas: tuple[Vma, ...]) -> None:
        """vma_start_write: take the locks one after another.

        From then on no other operation gets them; existing readers are waited for.
        """
        for vma in vmas:
            self._written[vma] = None
            if vma in self._readers:
                self._awaited = vma
                try:
                    self._processors.wait(Need.VMA, self._is_unread)
                finally:
                    self._awaited = None

    def _is_unread(self) -> bool:
        return self._awaited not in self._readers

    def give_back(self) -> None:
        """vma_end_write_all: release all locks taken for writing."""
        self._written.clear()

    def read(self, vma: Vma) -> VmaRead:
        """Within this context, hold the lock for reading; it must not be taken for writing."""
        return VmaRead(self, vma)

    def start_read(self, vma: Vma) -> None:
        """Record a successful vma_start_read."""
        self._readers[vma] = self._readers.get(vma, 0) + 1

    def end_read(self, vma: Vma) -> None:
        """vma_end_read: resume a writer that waits."""
        self._readers[vma] -= 1
        if not self._readers[vma]:
            del self._readers[vma]
            if self._awaited is vma:
                self._processors.gives_way(Need.VMA, lambda: self._awaited is not vma)


class VmaRead:
    """Context manager that holds a VMA's own lock for reading."""

    __slots__ = ("locks", "vma")

    def __init__(self, locks: VmaLocks, vma: Vma) -> None:
        self.locks, self.vma = locks, vma

    def __enter__(self) -> None:
        self.locks.start_read(self.vma)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.locks.end_read(self.vma)
