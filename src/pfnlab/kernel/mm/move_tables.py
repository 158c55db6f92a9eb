"""Moving a mapping's entries, or its page tables, to another address (S8.1.10)."""

from collections.abc import Iterator
from contextlib import nullcontext

from pfnlab.base.errors import no_rule
from pfnlab.kernel.hw.entry import pte_mksoft_dirty
from pfnlab.kernel.hw.pgtable import TABLE_PAGES, EntryRun
from pfnlab.kernel.mm.failures import pte_alloc
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.table_locks import PageTable
from pfnlab.kernel.mm.vma import Vma

_PTE_TABLE, _PMD_TABLE = TABLE_PAGES[1], TABLE_PAGES[2]

#: The level of a 1 GiB leaf.
_GIGABYTE = 3


def move_page_tables(vma: Vma, start: int, nr: int, to: int) -> int:
    """Move entries with their bits, creating tables where the source has them (S12.3.5).

    :return: the number of pages moved, less than *nr* if a table could not be allocated
    """
    mm, shift = vma.mm, to - start
    if mm.kernel.profile.mremap_loses_gigabytes:
        _lose_gigabytes(mm, start, start + nr)
    else:
        _move_gigabytes(mm, start, start + nr, shift)
    if not mm.kernel.profile.mremap_flushes_locked:
        mm.tables.copy_tables(mm.tables, start, start + nr, shift)
        for run in mm.tables.clear(start, start + nr):
            mm.tables.set(_moved(mm, run, shift))
        mm.flush_tlb(start, start + nr)
        return nr
    extents = list(_extents(start, start + nr, shift))
    for first, last in extents:
        # The old range is flushed before either page table is unlocked (S8.1.10).
        level = {_PTE_TABLE: 1, _PMD_TABLE: 2}.get(last - first, 0)
        if not (level and mm.tables.has_table(first, level)):
            level = 0
        # A table on the move is found at neither address, so the file's reverse map is
        # locked (take_rmap_locks).
        mapping = vma.i_mapping
        rmap = mm.kernel.i_mmap_rwsem(mapping).write() if level and mapping is not None else nullcontext()
        with rmap, mm.table_locks.holding(*_tables_moved(mm, first, shift, level)):
            if level and mm.tables.move_table(first, shift, level):
                # The table itself moves, with all its entries (move_normal_pmd, move_normal_pud).
                mm.flush_tlb(first, last)
                continue
            if not mm.tables.has_table(first, 1) and mm.tables.entry(first) is None:
                continue
            if mm.tables.has_table(first, 1) and not pte_alloc(mm, first + shift):
                return first - start
            mm.tables.copy_tables(mm.tables, first, last, shift)
            runs = mm.tables.clear(first, last)
            if runs and runs[0].level > 1 and (last - first < _PTE_TABLE):
                # A leaf that cannot be moved whole is dropped.
                mm.flush_tlb(runs[0].start, runs[0].end)
                continue
            for run in runs:
                mm.tables.set(_moved(mm, run, shift))
            if runs:
                mm.flush_tlb(first, last)
    return nr


def _tables_moved(mm: MmStruct, first: int, shift: int, level: int) -> tuple[PageTable, PageTable]:
    """The tables on both sides whose entries change when the piece from page *first* on is moved.

    :param level: the level of the table that moves as a whole; 0 if entries move
    """
    entry = mm.tables.entry(first)
    changed = level + 1 if level else entry.level if entry is not None else 1
    return PageTable.of(first, changed), PageTable.of(first + shift, changed)


def _moved(mm: MmStruct, run: EntryRun, shift: int) -> EntryRun:
    """The entries of *run*, moved one by one, each becoming soft-dirty (move_soft_dirty_pte, S7.7.4)."""
    bits = pte_mksoft_dirty(run.bits) if mm.kernel.profile.configuration.soft_dirty else run.bits
    return run._replace(start=run.start + shift, end=run.end + shift, bits=bits)


def _lose_gigabytes(mm: MmStruct, start: int, end: int) -> None:
    """Drop 1 GiB leaves instead of moving them: they are mistaken for broken page tables (S6.3.10).

    Undecided if other tasks are using them at the same time.
    """
    for run in mm.tables.runs(start, end):
        if run.level == _GIGABYTE:
            _check_alone(mm, run.start, run.end)
            for vpn in _tables_of(run.start, run.end):
                mm.kernel.trace.printk("bad pud ADDR(ADDR)", "err")
                mm.tables.clear(vpn, vpn + _PMD_TABLE)
                mm.kernel.flush_tlbs(mm, vpn, vpn + _PMD_TABLE)


def _move_gigabytes(mm: MmStruct, start: int, end: int, shift: int) -> None:
    """Move 1 GiB leaves as a whole, or drop them, with one flush each (S6.3.10)."""
    # A partial leaf is moved for as long as both sides stay within one level-2 table.
    leaves = [run for run in mm.tables.runs(start, end) if run.level == _GIGABYTE]
    for vpn in [vpn for run in leaves for vpn in _tables_of(run.start, run.end)]:
        with mm.table_locks.holding(PageTable.of(vpn, _GIGABYTE)):
            whole = start <= vpn and vpn + _PMD_TABLE <= end and not shift % _PMD_TABLE
            moved = mm.tables.clear(vpn, vpn + _PMD_TABLE)
            mm.tables.allocate(vpn + shift, vpn + shift + 1, _GIGABYTE)
            for run in moved if whole else ():
                mm.tables.set(run._replace(start=run.start + shift, end=run.end + shift))
            mm.flush_tlb(vpn, vpn + _PMD_TABLE)


def _tables_of(start: int, end: int) -> range:
    """The first pages of the 1 GiB pieces overlapping ``[start, end)``."""
    return range(start - start % _PMD_TABLE, end, _PMD_TABLE)


def _check_alone(mm: MmStruct, start: int, end: int) -> None:
    # pud_clear_bad() does not flush. On one processor, the caller's own translations had no visible effect
    # afterwards; what another processor can still access through its cached ones was never tested.
    for task in mm.kernel.tasks.values():
        elsewhere = task.mm is mm and task is not mm.kernel.current
        if elsewhere and any(start <= translation.start < end for translation in task.tlb.state()):
            raise no_rule("a leaf of 1 GiB that mremap loses while another thread has translations of it")


def _extents(start: int, end: int, shift: int) -> Iterator[tuple[int, int]]:
    """The pieces that move_page_tables moves at once: neither side crosses a page table boundary (S8.1.10).

    If both sides span a whole 2 MiB or 1 GiB table, that is one piece.
    """
    while start < end:
        if not (start % _PMD_TABLE or shift % _PMD_TABLE) and end - start >= _PMD_TABLE:
            yield start, start + _PMD_TABLE
            start += _PMD_TABLE
            continue
        room = _PTE_TABLE - max(start % _PTE_TABLE, (start + shift) % _PTE_TABLE)
        stop = min(end, start + room)
        yield start, stop
        start = stop
