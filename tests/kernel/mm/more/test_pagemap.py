"""S7.5: readers of a page map."""

from __future__ import annotations

from for_each import for_each
from series_runs import every_series, last, run

MAPPED = ("a = mmap bar[0:4] wc shared rw", "write a[0] 7")
COPIED = ("a = mmap bar[0:4] wc private rw", "write a[0] 7")
ORDINARY = ("a = mmap anon[0:4] private rw", "write a[0] 7")
LOCKED = (*ORDINARY, "b = mmap bar[0:4] wc shared rw", "t = thread")
BEHIND = ("a = mmap anon[0:4] private rw", "write a[1] 7", "mmap bar[0:1] wc shared rw over a[0]")


@every_series
@for_each("mapped", [MAPPED, COPIED])
def test_a_scan_finds_nothing_in_a_pfn_mapping(series: str, mapped: tuple[str, ...]) -> None:
    """Not even the mark that pagemap shows; 6.1 has no scan (S7.5.12)."""
    result = "ENOTTY" if series == "6.1" else "ok"

    assert (result, None) == last(series, *mapped, "pagemap_scan a")


@for_each(
    ("series", "told"),
    [
        *(("7.0", "a[0:1] present+written; a[2:3] present+written+pfnzero"),),
        *(("7.1", "a[0:1] present+written; a[1:2] written; a[2:3] present+written+pfnzero; a[3:4] written"),),
        *(("7.3", "a[0:1] present; a[2:3] present+pfnzero"),),
    ],
)
def test_what_a_scan_calls_written(series: str, told: str) -> None:
    """All, also empty entries, or nothing where no userfaultfd protects pages (S7.5.13)."""
    touched = ("a = mmap anon[0:4] private rw", "write a[0] 7", "read a[2]", "clear_refs soft_dirty")

    assert ("ok", told) == last(series, *touched, "pagemap_scan a")


def test_a_page_without_a_table_is_not_written() -> None:
    """Only what is in a table can be an empty entry (S7.5.13)."""
    mapped = "a = mmap anon[0:4] private rw"

    assert ("ok", "a[0:4] soft-dirty") == last("7.2", mapped, "pagemap_scan a")


@every_series
def test_a_scan_joins_equal_neighbours_of_two_vmas(series: str) -> None:
    """S7.5.12: a region is of pages, and not of a VMA."""
    calls = ("a = mmap anon[0:4] private rw", "mprotect a[2:4] r", "pagemap_scan a[1:4]")
    expected = ("ENOTTY", None) if series == "6.1" else ("ok", "a[1:4] soft-dirty")

    assert expected == last(series, *calls)


@every_series
def test_a_scan_waits_behind_a_writer(series: str) -> None:
    """It has one mmap_lock (S7.5.12); a kernel without it says so at once."""
    held = ("u = thread", "hold flush_tlb_mm_range: munmap b", "t: munmap a[2:4]", "u: pagemap_scan a")
    step = run(series, *LOCKED, *held, "release")[-2]

    assert (step.result, step.value) == (("ENOTTY", None) if series == "6.1" else ("waits", "mmap_lock"))


@for_each(
    ("changes", "told"),
    [
        ("", "soft-dirty present+exclusive+soft-dirty"),
        (",skipped_are_holes=off", "present+exclusive+soft-dirty soft-dirty"),
        (
            ",skipped_are_holes=off,walker=special_bits",
            "present+soft-dirty present+exclusive+soft-dirty",
        ),
    ],
)
def test_pagemap_tells_of_others_where_nothing_stands_for_a_mapping(changes: str, told: str) -> None:
    """walk_page_test() calls pte_hole since 4.0; a walk that skips nothing needs no such call (S7.5.4)."""
    assert ("ok", told) == last(f"6.12{changes}", *BEHIND, "pagemap a[0:2]")
