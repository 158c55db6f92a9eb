"""S8.6: the locks of page tables, and who waits for them."""

from __future__ import annotations

import pytest
from for_each import for_each
from series_runs import entries, every_series
from series_runs import run_to_end as run

from pfnlab.base.errors import Undecided
from pfnlab.kernel.hw.bits import PAGE_PRESENT
from pfnlab.kernel.hw.pgtable import EntryRun, PageTables
from pfnlab.kernel.mm.processors import Processors
from pfnlab.kernel.mm.table_locks import PageTable, TableLocks

#: Two page tables of ordinary memory, pages of which a child shares; one of them is being copied.
COPIED = (
    *("a = mmap anon[0:1024] private rw", "b = mmap anon[0:4] private rw", "write b[0] 1"),
    *(f"write a[{page}] 1" for page in (0, 1, 2, 511, 512)),
    *("c = fork", "t = thread", "hold flush_tlb_mm_range: write a[0] 1"),
)


def said(series: str, *lines: str) -> tuple[str, str | int | None]:
    """Result and value of the last of *lines*, while the processor before it is held."""
    step = run(series, *lines, "release")[-3]
    return step.result, step.value


WAITS = ("waits", "page_table_lock")


@for_each(
    "line",
    [
        *("read a[0]", "read a[9]", "write a[9] 1", "write a[1] 1", "pipe_write a[0]"),
        *("mincore a[0:2]", "pagemap a[0:2]", "smaps_rollup b", "numa_maps b", "move_pages a[1]"),
        *("process_vm_readv a[1]", "process_vm_writev a[1] 2", "mem_read a[1]", "vmsplice a[0]"),
        *("madvise a[1:3] dontneed", "madvise a[1:3] pageout", "madvise a[1:3] willneed"),
        *("madvise a[2] populate_read", "madvise a[2] populate_write"),
    ],
)
@pytest.mark.parametrize("series", ["6.1", "7.3"])
def test_who_comes_to_a_table_waits_for_its_lock(series: str, line: str) -> None:
    """All that look at entries of a table or change them, while one of its pages is copied (S8.6.4)."""
    assert WAITS == said(series, *COPIED, f"t: {line}")


@for_each(
    ("line", "result"),
    [
        *(
            ("mincore a[512:514]", "ok"),
            ("write a[600] 1", "ok"),
            ("read a[1]", "ok"),
            ("vmsplice a[1]", "ok"),
        ),
        *(("pagemap b", "ok"), ("write b[0] 2", "waits")),
    ],
)
@every_series
def test_another_table_has_another_lock(series: str, line: str, result: str) -> None:
    """And the processor itself takes none, nor does the fast lookup of a page (S8.6.1, S8.6.5)."""
    assert result == run(series, *COPIED, f"t: {line}", "release")[-3].result
    assert WAITS != said(series, *COPIED, f"t: {line}")


@every_series
def test_the_tables_before_are_done(series: str) -> None:
    """An operation stands at the table that is locked (S8.6.4)."""
    mapped, *others, _ = COPIED
    held = ("hold flush_tlb_mm_range: write a[600] 1", "t: madvise a[511:600] dontneed")

    step = run(series, mapped, "write a[600] 1", *others, *held, "release")[-3]

    assert WAITS == (step.result, step.value)
    assert ["a[512:513]"] == [span for span, _ in entries(step) if span in ("a[511:512]", "a[512:513]")]


@every_series
def test_a_fault_meets_the_copy(series: str) -> None:
    """Where the entry is another one once the table is locked, the access is repeated (S8.6.3)."""
    private = ("a = mmap bar[0:4] devmem-sync private rw", "write a[1] 1", "t = thread")

    *_, waits, released, _ = run(
        series, *private, "hold flush_tlb_mm_range: write a[0] 0", "t: read a[0]", "release"
    )

    assert WAITS == (waits.result, waits.value)
    assert "main ok; t ok 0" == released.value


@every_series
def test_a_file_of_sysfs_has_a_handler_that_refuses(series: str) -> None:
    """It does not look at the entry again, so the empty one is SIGBUS (S8.6.3)."""
    private = ("a = mmap bar[0:4] wc private rw", "write a[1] 1", "t = thread")

    answer = said(series, *private, "hold flush_tlb_mm_range: write a[0] 0", "t: read a[0]")

    assert ("EFAULT", "SIGBUS code=2") == answer


@for_each(("line", "waits"), [("write a[8] 3", True), ("write a[608] 4", False)])
@every_series
def test_a_zap_flushes_dirty_pages_of_a_file_under_the_lock(series: str, line: str, waits: bool) -> None:
    """Table by table: nobody writes to the pages any more once it is given back (S8.6.2)."""
    shared = ("a = mmap anon[0:1024] shared rw", "write a[0] 1", "write a[600] 2", "t = thread")

    answer = said(series, *shared, "hold flush_tlb_mm_range: madvise a[0:4] dontneed", f"t: {line}")

    assert (answer == WAITS) == waits


@every_series
def test_each_table_with_dirty_pages_of_a_file_has_a_flush(series: str) -> None:
    """The second is not cleared yet when the first is flushed (S8.1.9)."""
    shared = ("a = mmap anon[0:1024] shared rw", "write a[0] 1", "write a[600] 2")

    assert 2 == run(series, *shared, "madvise a[0:700] dontneed")[-2].flushes


@every_series
def test_the_copied_page_is_mapped_until_the_flush(series: str) -> None:
    """Another process that writes to it copies it too, for it is not its only user yet (S8.6.6)."""
    step = run(series, *COPIED, "c: write a[0] 2", "release")[-3]

    assert ("ok", 1) == (step.result, step.flushes)


@every_series
def test_of_two_that_copy_one_page_the_second_gives_up(series: str) -> None:
    """Both waited for the lock of the table; one copy is made."""
    first = ("s = thread", *COPIED)

    *_, released, _ = run(series, *first, "t: write a[1] 5", "s: process_vm_writev a[1] 5", "release")

    assert "main ok; t ok; s ok" == released.value


def test_a_piece_ends_where_a_table_is_locked() -> None:
    """What nobody has is one piece, however long; a locked table is a piece of its own."""
    tables = PageTables()
    tables.allocate(0, 4096)
    locks = TableLocks(Processors(), tables)

    with locks.piece(0, 4096) as whole, locks.holding(PageTable.of(1030)):
        with locks.piece(0, 4096) as front:
            pass
        with locks.piece(1536, 4096) as behind:
            pass

    assert (4096, 1024, 4096) == (whole, front, behind)
    assert ([], []) == locks.state()


@for_each(("level", "found"), [(1, None), (2, (512, 1024, PageTable(0, 2))), (3, None)])
def test_leaves_are_under_the_lock_of_their_own_level(level: int, found: object) -> None:
    """A leaf of 2 MiB is under that of a GiB, and nothing else there is (S8.6.1)."""
    tables = PageTables()
    tables.set(EntryRun(512, 1024, 512, PAGE_PRESENT, level=2))
    tables.allocate(1024, 1536)
    locks = TableLocks(Processors(), tables)

    with locks.holding(PageTable.of(600, level)):
        assert found == locks.first_held(512, 1024)


def test_who_is_first_after_a_copy_may_matter() -> None:
    """Whether a reader that waited sees what the copier then writes, the machine decides (S8.2.10)."""
    with pytest.raises(Undecided, match="continues before its last owner"):
        run("7.3", *COPIED[:-1], "hold flush_tlb_mm_range: write a[0] 9", "t: read a[0]", "release")
