"""Page table locks: one per table (split page-table locks, S8.6).

A lock is held while entries in its table are changed or read. Few are held during a wait: only in code that
flushes before releasing the lock. Only these are recorded here; all others are skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple

from pfnlab.kernel.hw.pgtable import TABLE_PAGES, EntryRun, PageTables
from pfnlab.kernel.mm.processors import Need, Processors

#: Above this level, the whole address space shares one lock (mm->page_table_lock).
_SPLIT_LEVELS = 2


class PageTable(NamedTuple):
    """A page table that has its own lock.

    :param start: the first page mapped by its entries
    :param level: the level of its entries
    """

    start: int
    level: int

    @classmethod
    def of(cls, vpn: int, level: int = 1) -> PageTable:
        """The table containing the *level* entry that maps page *vpn*."""
        return cls(vpn - vpn % TABLE_PAGES[level] if level <= _SPLIT_LEVELS else 0, level)


@dataclass(eq=False)
class TableWaiter:
    """A place in a lock's queue.

    :param granted: it owns the lock but has not resumed yet
    """

    task: str
    table: PageTable
    granted: bool = False


class TableLocks:
    """The page table locks of one address space.

    They are spinlocks: once a lock is released, its first waiter owns it (S8.2.10).
    """

    def __init__(self, processors: Processors, tables: PageTables) -> None:
        self._processors, self._tables = processors, tables
        self._held: set[PageTable] = set()
        self._queue: list[TableWaiter] = []

    def state(self) -> tuple[list[tuple[int, int]], list[tuple[str, tuple[int, int], bool]]]:
        """The tables whose locks are held, and the waiters in order, as the fields of `TableWaiter`."""
        queue = [(waiter.task, (*waiter.table,), waiter.granted) for waiter in self._queue]
        return [(*table,) for table in sorted(self._held)], queue

    @property
    def held(self) -> int:
        """Number of locks held."""
        return len(self._held)

    @property
    def taken(self) -> bool:
        """True if any is held."""
        return bool(self._held)

    def holding(self, *tables: PageTable) -> TableLockGuard:
        """Hold the locks of *tables*, each only once, within this context."""
        return TableLockGuard(self, tuple(dict.fromkeys(tables)))

    def piece(self, start: int, end: int) -> TablePiece:
        """Within this context, hold the locks of the tables for the first pages of ``[start, end)``."""
        return TablePiece(self, start, end)

    def pass_by(self, vpn: int) -> None:
        """Briefly hold the lock of page *vpn*'s table, to read the entry."""
        self.pass_all(vpn, vpn + 1)

    def entry(self, vpn: int) -> EntryRun | None:
        """The entry for page *vpn*, or None, read under the table's lock (follow_page_pte)."""
        self.pass_by(vpn)
        return self._tables.entry(vpn)

    def pass_all(self, start: int, end: int) -> None:
        """Briefly hold the locks of the tables for pages ``[start, end)``, one after another."""
        self.in_pieces(start, end, lambda first, stop: None)

    def in_pieces(self, start: int, end: int, work: Callable[[int, int], object]) -> None:
        """Call *work* for pages ``[start, end)`` piece by piece, holding the locks of each piece's tables.

        :param work: called with a piece's first page and the page after its last
        """
        while start < end:
            with self.piece(start, end) as stop:
                work(start, stop)
            start = stop

    def changed(self, vpn: int, entry: EntryRun | None) -> bool:
        """Return whether page *vpn* no longer has *entry* once its table is locked (vmf_pte_changed).

        If so, code that read *entry* without the lock gives up.
        """
        return self.entry(vpn) != entry

    def first_held(self, start: int, end: int) -> tuple[int, int, PageTable] | None:
        """Start and end of the first pages in ``[start, end)`` whose lock is held, and their table."""
        if not self._held:
            return None
        return min((place for table in self._held for place in self._within(table, start, end)), default=None)

    def _within(self, table: PageTable, start: int, end: int) -> Iterator[tuple[int, int, PageTable]]:
        """The pages in ``[start, end)`` that *table* maps with entries of its own."""
        if table.level == 1:
            first, stop = max(start, table.start), min(end, table.start + TABLE_PAGES[1])
            if first < stop and self._tables.has_table(table.start, 1):
                yield first, stop, table
            return
        for run in self._tables.runs(start, end):
            if run.level == table.level and PageTable.of(run.start, run.level) == table:
                yield run.start, run.end, table

    def take(self, table: PageTable) -> None:
        """Wait for *table*'s lock and take it."""
        if table not in self._held:
            self._held.add(table)
            return
        waiter = TableWaiter(self._processors.task, table)
        self._queue.append(waiter)
        try:
            self._processors.wait(Need.PAGE_TABLE, lambda: self._goes_on(waiter))
        finally:
            self._queue.remove(waiter)

    def _goes_on(self, waiter: TableWaiter) -> bool:
        return any(other is waiter and other.granted for other in self._queue)

    def give(self, table: PageTable) -> None:
        """Release *table*'s lock."""
        first = next((waiter for waiter in self._queue if waiter.table == table and not waiter.granted), None)
        if first is None:
            self._held.discard(table)
            return
        first.granted = True
        self._processors.gives_way(Need.PAGE_TABLE, lambda: first not in self._queue)


class TableLockGuard:
    """Context manager that holds locks."""

    __slots__ = ("locks", "tables")

    def __init__(self, locks: TableLocks, tables: tuple[PageTable, ...]) -> None:
        self.locks, self.tables = locks, tables

    def __enter__(self) -> None:
        tables = self.tables
        for table in tables:
            self.locks.take(table)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tables = self.tables[::-1]
        for table in tables:
            self.locks.give(table)


class TablePiece:
    """The first pages of a range; a context manager that holds the locks of their tables
    and returns where they end.

    The piece extends as far as locks are free, up to a table whose lock is held. If the very first
    table's lock is held, it is waited for, and the piece ends with that table. Work on a piece
    neither stops nor waits.

    :ivar table: the table whose lock was waited for
    """

    __slots__ = ("end", "locks", "start", "table")

    def __init__(self, locks: TableLocks, start: int, end: int) -> None:
        self.locks, self.start, self.end = locks, start, end
        self.table: PageTable | None = None

    def __enter__(self) -> int:
        contended = self.locks.first_held(self.start, self.end)
        if contended is None:
            return self.end
        first, stop, table = contended
        if self.start < first:
            return first
        self.locks.take(table)
        self.table = table
        return stop

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.table is not None:
            self.locks.give(self.table)
