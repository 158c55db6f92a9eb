"""Page tables as runs of equal entries, against one entry a page."""

from __future__ import annotations

import pytest
from for_each import for_each
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pfnlab.kernel.hw.bits import PAGE_PRESENT, PAGE_RW
from pfnlab.kernel.hw.pgtable import TABLE_PAGES, EntryRun, Page, PageTables

PTE = TABLE_PAGES[1]
PMD = TABLE_PAGES[2]


def tables(*runs: EntryRun) -> PageTables:
    """Page tables with *runs* installed."""
    made = PageTables()
    for run in runs:
        made.set(run)
    return made


def test_a_run_is_cut_with_its_frames() -> None:
    """The upper part of a run starts at the frame its first page has."""
    assert EntryRun(6, 8, 106, 1) == EntryRun(4, 12, 104, 1).cut(6, 8)


def test_entry_of_a_page() -> None:
    """One page of a run has the frame that lies as far into the run."""
    assert EntryRun(6, 7, 106, 1) == tables(EntryRun(4, 12, 104, 1)).entry(6)


def test_entry_of_an_empty_page() -> None:
    """A page outside every run has no entry."""
    assert tables(EntryRun(4, 12, 104, 1)).entry(12) is None


def test_clear_returns_what_was_there() -> None:
    """Clearing the middle hands back just that part, and leaves both sides."""
    cleared = tables(EntryRun(0, 12, 100, 1))

    gone = cleared.clear(4, 8)

    assert [EntryRun(4, 8, 104, 1)] == gone
    assert [EntryRun(0, 4, 100, 1), EntryRun(8, 12, 108, 1)] == cleared.runs(0, 12)
    cleared._check()


def leaf(start: int, end: int, pfn: int, bits: int = 1) -> EntryRun:
    """Entries of 2 MiB."""
    return EntryRun(start, end, pfn, bits, level=2)


def test_a_leaf_needs_no_table_below() -> None:
    """The walk of the pages beside it ends a level higher."""
    made = tables(leaf(0, PTE, 0))

    assert [(PTE, 2 * PTE, 2)] == list(made.missing(0, 2 * PTE))
    made._check()


def test_a_leaf_is_cleared_as_a_whole() -> None:
    """Whichever of its pages the range has; the leaf beside it stays."""
    cleared = tables(leaf(0, 3 * PTE, 0))

    gone = cleared.clear(PTE + 4, PTE + 8)

    assert [leaf(PTE, 2 * PTE, PTE)] == gone
    assert [leaf(0, PTE, 0), leaf(2 * PTE, 3 * PTE, 2 * PTE)] == cleared.runs(0, 3 * PTE)
    cleared._check()


def test_a_leaf_is_changed_as_a_whole() -> None:
    """An access to one page marks the entry of all."""
    changed = tables(leaf(0, PTE, 0))

    changed.change(5, 6, lambda run: 3)

    assert [leaf(0, PTE, 0, 3)] == changed.runs(0, PTE)
    changed._check()


@for_each(("page", "around"), [(0, None), (5, (0, PTE)), (PTE, None), (PTE + 5, None)])
def test_the_leaf_a_cut_would_go_through(page: int, around: tuple[int, int] | None) -> None:
    """None at its begin, and none among small entries."""
    made = tables(leaf(0, PTE, 0), EntryRun(PTE, PTE + 8, 7, 1))

    assert around == made.leaf_around(page)


def test_a_table_moves_with_its_entries() -> None:
    """Nothing of it stays, not even the table."""
    moved = tables(EntryRun(0, 8, 100, 1))

    assert moved.move_table(0, 2 * PTE, 1)

    assert [EntryRun(2 * PTE, 2 * PTE + 8, 100, 1)] == moved.runs(0, 4 * PTE)
    assert [(0, 2 * PTE, 2), (3 * PTE, 4 * PTE, 2)] == [
        one for one in moved.missing(0, 4 * PTE) if one[2] == 2
    ]
    assert not moved.move_table(0, 2 * PTE, 1)
    moved._check()


def test_a_table_that_is_still_used_is_no_range_to_flush() -> None:
    """Also where the free range begins with the table."""
    assert [] == tables(EntryRun(PTE + 1, PTE + 2, 0, 1)).free_tables(PTE, PTE + 1)


def test_clear_keeps_the_tables() -> None:
    """A cleared entry is an empty entry in a table, not a missing table."""
    cleared = tables(EntryRun(0, 12, 100, 1))

    cleared.clear(0, 12)

    assert [(0, 12, 1)] == list(cleared.missing(0, 12))
    cleared._check()


def test_change_keeps_frames() -> None:
    """New bits change no frame."""
    changed = tables(EntryRun(0, 12, 100, 1))

    changed.change(4, 8, lambda run: run.bits | 2)

    assert [EntryRun(0, 4, 100, 1), EntryRun(4, 8, 104, 3), EntryRun(8, 12, 108, 1)] == changed.runs(0, 12)
    changed._check()


def test_an_ordinary_page_goes_with_its_entry() -> None:
    """The page behind an entry comes out with it."""
    page = Page(7)

    gone = tables(EntryRun(3, 4, 0, 1, page)).clear(0, 8)

    assert page is gone[0].page


@for_each(
    ("lowest", "missing"),
    [(1, [(0, PTE, 1), (PTE, PMD, 2), (PMD, PMD + 1, 3)]), (2, [(0, PMD, 2), (PMD, PMD + 1, 3)])],
)
def test_a_walk_ends_at_the_first_missing_table(lowest: int, missing: list[tuple[int, int, int]]) -> None:
    """A walker meets an empty entry, no PTE table or no PMD table, whichever is highest."""
    walked = PageTables()

    walked.allocate(0, 1, lowest)

    assert missing == list(walked.missing(0, PMD + 1))
    walked._check()


def test_nothing_mapped_has_no_table_at_all() -> None:
    """In fresh tables the walk ends at the top."""
    assert [(0, 8, 4)] == list(PageTables().missing(0, 8))


def test_free_tables_spares_a_shared_one() -> None:
    """A table whose span reaches past the freed range stays."""
    freed = PageTables()
    freed.allocate(0, 3 * PTE)

    freed.free_tables(1, 3 * PTE)

    assert [(0, PTE, 1), (PTE, 3 * PTE, 2)] == list(freed.missing(0, 3 * PTE))
    freed._check()


def test_free_tables_frees_every_level() -> None:
    """Where no mapping is left in 512 GiB, no table is left either."""
    freed = tables(EntryRun(5, 9, 100, 1))
    freed.clear(5, 9)

    freed.free_tables(0, TABLE_PAGES[3])

    assert [(0, 8, 4)] == list(freed.missing(0, 8))
    freed._check()


def test_copy_tables_copies_no_entries() -> None:
    """A table is made where the source had one, with empty entries."""
    target = PageTables()

    target.copy_tables(tables(EntryRun(0, 4, 100, 1)), 0, 4, shift=PMD)

    assert [] == target.runs(0, 2 * PMD)
    assert [(PMD, PMD + 4, 1)] == list(target.missing(PMD, PMD + 4))
    target._check()


def test_copy_tables_keeps_what_is_missing_missing() -> None:
    """A source without a PTE table gives a target without one."""
    source, target = PageTables(), PageTables()
    source.allocate(0, 1, lowest=2)

    target.copy_tables(source, 0, 4)

    assert [(0, 4, 2)] == list(target.missing(0, 4))
    target._check()


def test_a_terabyte_is_one_run() -> None:
    """Mapping and splitting 1 TiB costs runs, not pages."""
    large = tables(EntryRun(0, 1 << 28, 0, 1))

    large.clear(7, 8)

    assert [EntryRun(0, 7, 0, 1), EntryRun(8, 1 << 28, 8, 1)] == large.runs(0, 1 << 28)
    large._check()


# Around the border of two PMD tables, with two PTE tables on each side.
LOW, HIGH = PMD - 2 * PTE, PMD + 2 * PTE
SOME = (LOW, LOW + 1, LOW + 3, PMD - PTE - 1, PMD - PTE, PMD - 2, PMD, PMD + 1, PMD + PTE, HIGH - 4, HIGH)
BOUND = st.sampled_from(SOME)
CHECKED = sorted({vpn + near for vpn in SOME for near in (-1, 0, 1) if LOW <= vpn + near < HIGH})


class PagewiseModel(RuleBasedStateMachine):
    """Page tables beside a dictionary of entries and sets of tables."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = PageTables()
        self.entries: dict[int, tuple[int, int]] = {}
        self.present: dict[int, set[int]] = {level: set() for level in TABLE_PAGES}

    def make(self, start: int, end: int, lowest: int) -> None:
        """Tables for every page, one by one."""
        for level, pages in TABLE_PAGES.items():
            if level >= lowest:
                self.present[level] |= {vpn // pages for vpn in range(start, end)}

    @rule(start=BOUND, end=BOUND, pfn=st.integers(0, 1 << 20), bits=st.sampled_from((1, 3)))
    def set(self, start: int, end: int, pfn: int, bits: int) -> None:
        """Install a run where nothing is."""
        if start >= end or any(start <= vpn < end for vpn in self.entries):
            return
        self.tables.set(EntryRun(start, end, pfn, bits))
        self.entries |= {vpn: (pfn + vpn - start, bits) for vpn in range(start, end)}
        self.make(start, end, 1)

    @rule(start=BOUND, end=BOUND)
    def clear(self, start: int, end: int) -> None:
        """Empty a range, and compare what was in it."""
        if start >= end:
            return
        gone = {
            vpn: (run.pfn + vpn - run.start, run.bits)
            for run in self.tables.clear(start, end)
            for vpn in range(run.start, run.end)
        }
        assert {vpn: self.entries.pop(vpn) for vpn in sorted(self.entries) if start <= vpn < end} == gone

    @rule(start=BOUND, end=BOUND)
    def change(self, start: int, end: int) -> None:
        """Turn write permission over."""
        if start >= end:
            return
        self.tables.change(start, end, lambda run: run.bits ^ PAGE_RW)
        for vpn, (pfn, bits) in self.entries.items():
            if start <= vpn < end:
                self.entries[vpn] = (pfn, bits ^ PAGE_RW)

    @rule(start=BOUND, end=BOUND, lowest=st.sampled_from((1, 2, 3)))
    def allocate(self, start: int, end: int, lowest: int) -> None:
        """Make tables."""
        if start < end:
            self.tables.allocate(start, end, lowest)
            self.make(start, end, lowest)

    @rule(floor=BOUND, ceiling=BOUND)
    def free_tables(self, floor: int, ceiling: int) -> None:
        """Free the tables of a range without entries."""
        if any(floor <= vpn < ceiling for vpn in self.entries):
            return
        self.tables.free_tables(floor, ceiling)
        for level, pages in TABLE_PAGES.items():
            self.present[level] -= {
                table
                for table in self.present[level]
                if floor <= table * pages and (table + 1) * pages <= ceiling
            }

    @invariant()
    def same(self) -> None:
        """Both say the same of every interesting page."""
        self.tables._check()
        missing = {
            vpn: level for start, end, level in self.tables.missing(LOW, HIGH) for vpn in range(start, end)
        }
        for vpn in CHECKED:
            run = self.tables.entry(vpn)
            assert self.entries.get(vpn) == (None if run is None else (run.pfn, run.bits))
            absent = [level for level in TABLE_PAGES if vpn // TABLE_PAGES[level] not in self.present[level]]
            expected = None if vpn in self.entries else max(absent, default=0) + 1
            assert expected == missing.get(vpn)


PagewiseModel.TestCase.settings = settings(max_examples=40, stateful_step_count=10)
TestPagewise = PagewiseModel.TestCase


def test_overlapping_entries_are_noticed() -> None:
    """The check sees a run installed over another."""
    wrong = tables(EntryRun(0, 4, 100, PAGE_PRESENT), EntryRun(2, 3, 0, PAGE_PRESENT))

    with pytest.raises(AssertionError):
        wrong._check()


def test_a_missing_table_is_noticed() -> None:
    """The check sees entries whose table was freed under them."""
    wrong = tables(EntryRun(0, 4, 100, PAGE_PRESENT))

    wrong.free_tables(0, TABLE_PAGES[3])

    with pytest.raises(AssertionError):
        wrong._check()


def test_tables_may_be_just_those_with_an_entry() -> None:
    """What was allocated for nothing is left out."""
    tables, loaded = PageTables(), PageTables()
    tables.set(EntryRun(512, 514, 7, 1))
    entries = tables.state()
    tables.allocate(2048, 2049)

    loaded.load(entries[0], ())

    assert entries == loaded.state()
    assert entries != tables.state()
