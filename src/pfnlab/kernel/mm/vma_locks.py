"""The own locks of VMAs, for which a fault need not have mmap_lock (S8.3.9)."""

from __future__ import annotations

from types import TracebackType

from pfnlab.kernel.mm.processors import Need, Processors
from pfnlab.kernel.mm.vma import Vma


class VmaLocks:
    """The own locks of the VMAs of one address space.

    Who has mmap_lock for writing takes them for writing, and gives all of them back with it. So one operation
    at most waits for one of them: who cannot have it for reading takes mmap_lock.
    """

    def __init__(self, processors: Processors) -> None:
        self._processors = processors
        self._written: dict[Vma, None] = {}
        self._readers: dict[Vma, int] = {}
        self._awaited: Vma | None = None

    def state(self) -> tuple[object, ...]:
        """Which are taken for writing, how many read each, which a writer waits for; VMAs by their pages."""
        awaited = self._awaited
        return (
            [(vma.start, vma.end) for vma in self._written],
            [(vma.start, vma.end, readers) for vma, readers in self._readers.items()],
            None if awaited is None else (awaited.start, awaited.end),
        )

    def is_written(self, vma: Vma) -> bool:
        """True where the lock is taken for writing; who wants it waits for mmap_lock then."""
        return vma in self._written

    def write(self, vmas: tuple[Vma, ...]) -> None:
        """vma_start_write: take one after the other.

        Nobody else gets it from then on, and who has it for reading is waited for.
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
        """vma_end_write_all: none is taken for writing any more."""
        self._written.clear()

    def read(self, vma: Vma) -> VmaRead:
        """Have the lock for reading within this context; nobody has it for writing."""
        return VmaRead(self, vma)

    def start_read(self, vma: Vma) -> None:
        """vma_start_read, which has succeeded."""
        self._readers[vma] = self._readers.get(vma, 0) + 1

    def end_read(self, vma: Vma) -> None:
        """vma_end_read: who waits for it goes on."""
        self._readers[vma] -= 1
        if not self._readers[vma]:
            del self._readers[vma]
            if self._awaited is vma:
                self._processors.gives_way(Need.VMA, lambda: self._awaited is not vma)


class VmaRead:
    """The own lock of a VMA, had for reading while in this context."""

    __slots__ = ("locks", "vma")

    def __init__(self, locks: VmaLocks, vma: Vma) -> None:
        self.locks, self.vma = locks, vma

    def __enter__(self) -> None:
        self.locks.start_read(self.vma)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.locks.end_read(self.vma)
