"""Rows of files together: large entries, and MTRRs of two types over one range."""

from __future__ import annotations

from pfnlab.diagnosis.messages.file_notes import large_entries, overlaps
from pfnlab.diagnosis.messages.message_event import EventRow
from pfnlab.kernel.hw.cachemode import CacheMode

GIB = 1 << 30


def row(start: int, size: int, mode: CacheMode) -> EventRow:
    """A range."""
    return EventRow(start, start + size, mode)


def test_uncached_wins_over_every_other_type() -> None:
    """And what it covers as a whole has no effect."""
    decided, undefined = overlaps([row(0, 2 * GIB, CacheMode.UC), row(GIB, GIB, CacheMode.WC)])

    assert [] == undefined
    assert [
        "0x40000000 up to 0x80000000 (1 GiB) is uc: the MTRR wc of exactly this range has no effect."
    ] == decided


def test_a_hole_in_a_larger_range_takes_nothing_else_away() -> None:
    """The larger one stays where it is not covered."""
    decided, _ = overlaps([row(0, 4 * GIB, CacheMode.WB), row(3 * GIB, GIB, CacheMode.UC)])

    assert ["0xc0000000 up to 0x100000000 (1 GiB) is uc."] == decided


def test_write_through_wins_over_write_back_alone() -> None:
    """Any other pair has no winner."""
    through = overlaps([row(0, GIB, CacheMode.WB), row(0, GIB, CacheMode.WT)])
    combining = overlaps([row(0, GIB, CacheMode.WB), row(0, GIB, CacheMode.WC)])

    assert [(1, 0), (0, 1)] == [(len(decided), len(undefined)) for decided, undefined in (through, combining)]


def test_ranges_that_touch_do_not_overlap() -> None:
    """Nor do two of one type."""
    apart = overlaps([row(0, GIB, CacheMode.WB), row(GIB, GIB, CacheMode.UC)])
    alike = overlaps([row(0, GIB, CacheMode.UC), row(0, GIB, CacheMode.UC)])

    assert [([], []), ([], [])] == [apart, alike]


def test_only_large_entries_above_4_gib_are_named() -> None:
    """ECAM lies below, and registers are small."""
    rows = [
        row(0xE000_0000, 256 << 20, CacheMode.UC_MINUS),
        row(8 * GIB, 64 << 20, CacheMode.UC_MINUS),
        row(16 * GIB, 128 << 20, CacheMode.UC_MINUS),
        row(32 * GIB, GIB, CacheMode.WC),
    ]

    found = large_entries(rows)

    assert ["128 MiB at 0x400000000", "1 GiB at 0x800000000"] == [one.partition(" in")[0] for one in found]
