"""Page tables made by hand, read as runs."""

from __future__ import annotations

import itertools
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.kernel.hw.bits import PAGE_PAT_LARGE, PAGE_PCD, PAGE_PRESENT, PAGE_PSE, PAGE_PWT, PAGE_RW
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pat import FULL_PAT
from pfnlab.lab.lens import LensError, page_runs
from pfnlab.lab.lens.page_runs import PageRun, RunReader
from pfnlab.lab.lens.view import KernelView

ROOT = 0x1000
PAGE = 4096


class Tables:
    """Page tables that grow as entries are put in, behind the interface of a view."""

    def __init__(self) -> None:
        self.entries: dict[tuple[int, int], int] = {}
        self._next = ROOT + PAGE
        self.levels = 4

    def table(self, entry: int, first: int, count: int) -> tuple[int, ...]:
        """Entries of a table."""
        return tuple(self.entries.get((entry & ~0xFFF, first + at), 0) for at in range(count))

    def error(self, message: str) -> LensError:
        """An error of this kernel."""
        return LensError(message)

    def put(self, page: int, entry: int, level: int = 1) -> None:
        """Map a page, by a leaf of this level."""
        table = ROOT
        for upper in range(4, level, -1):
            key = table, page >> 9 * (upper - 1) & 511
            if key not in self.entries:
                self.entries[key] = self._next | PAGE_PRESENT
                self._next += PAGE
            table = self.entries[key] & ~0xFFF
        self.entries[table, page >> 9 * (level - 1) & 511] = entry

    def runs(self, start: int, end: int) -> list[PageRun]:
        """What is read between two pages."""
        tables = RunReader(cast(KernelView, cast(Any, self)), FULL_PAT)
        return list(tables.runs(ROOT, start * PAGE, end * PAGE))


@given(
    st.dictionaries(
        st.integers(0, 1200),
        st.tuples(st.integers(0, 1 << 20), st.sampled_from([0, PAGE_PWT, PAGE_PCD]), st.booleans()),
        max_size=30,
    ),
    st.integers(0, 1200),
    st.integers(1, 1200),
)
def test_runs_are_the_entries(pages: dict[int, tuple[int, int, bool]], start: int, length: int) -> None:
    """
    Page by page they say what the tables have, and no two of them could be one.
    """
    tables = Tables()
    for page, (frame, bits, writable) in pages.items():
        tables.put(page, frame * PAGE | bits | PAGE_RW * writable | PAGE_PRESENT)

    runs = tables.runs(start, start + length)

    modes = {0: CacheMode.WB, PAGE_PWT: CacheMode.WC, PAGE_PCD: CacheMode.UC_MINUS}
    expected = {
        page: (frame * PAGE, modes[bits], writable)
        for page, (frame, bits, writable) in pages.items()
        if start <= page < start + length
    }
    seen = {
        (run.virtual + at) // PAGE: (run.start + at, run.mode, run.writable)
        for run in runs
        for at in range(0, run.end - run.start, PAGE)
    }
    assert expected == seen
    for run, following in itertools.pairwise(runs):
        behind = run.virtual + run.end - run.start
        joined = run._replace(virtual=behind, start=run.end, end=following.end)
        assert joined != following


def test_a_part_of_a_large_entry_has_its_own_frames() -> None:
    """
    Its PAT bit is another one, and it runs on into single pages behind it.
    """
    tables = Tables()
    frame = 0x40000
    tables.put(512, frame * PAGE | PAGE_PSE | PAGE_PAT_LARGE | PAGE_PRESENT, level=2)
    tables.put(1024, (frame + 512) * PAGE | 0x80 | PAGE_PRESENT)

    runs = tables.runs(520, 1025)

    start = (frame + 8) * PAGE
    mode = FULL_PAT.slots[4]
    assert [PageRun(520 * PAGE, start, start + 505 * PAGE, mode, False)] == runs


def test_tables_without_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A table that is its own lower one has more of them than any kernel.
    """
    monkeypatch.setattr(page_runs, "MAX_TABLES", 1000)
    tables = Tables()
    tables.entries = {(ROOT, index): ROOT | PAGE_PRESENT for index in range(512)}

    with pytest.raises(LensError, match="more than 1,000 page tables"):
        tables.runs(0, 1 << 36)
