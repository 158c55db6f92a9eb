"""S8.1, S6.2: shared anonymous memory, as far as it has rules."""

from __future__ import annotations

import pytest
from for_each import for_each
from series_runs import every_series, last, run

from pfnlab.errors import Undecided

MAPPED = "b = mmap anon[0:4] shared rw"


@every_series
def test_a_child_shares_the_pages(series: str) -> None:
    """What it writes its parent reads."""
    assert ("ok", 3) == last(series, MAPPED, "write b[1] 2", "c = fork", "c: write b[1] 3", "read b[1]")


@every_series
def test_a_read_maps_the_neighbours_along(series: str) -> None:
    """Those that the file has already."""
    written = [f"write b[{page}] 1" for page in range(4)]
    assert ("ok", "1111") == last(series, MAPPED, *written, "mincore b")

    steps = run(series, MAPPED, "write b[1] 2", "c = fork", "c: read b[0]", "c: pagemap b")

    pages = ("present+file+exclusive+soft-dirty", "present+file+soft-dirty", "soft-dirty", "soft-dirty")
    assert " ".join(pages) == steps[-1].value


@every_series
def test_dirty_pages_are_flushed_before_the_next_vma(series: str) -> None:
    """Nobody may write to a page of a file once the file knows what is in it."""
    steps = run(series, MAPPED, "write b[1] 2", "munmap b")

    order = [event for event in steps[-1].events or () if event.startswith(("clear", "flush", "free_pg"))]
    assert ["clear b[0]", "flush b[1:2]", "free_pgtables"] == order[:3]


@every_series
def test_clean_pages_wait_for_the_end(series: str) -> None:
    """As ordinary memory does."""
    steps = run(series, MAPPED, "read b[1]", "munmap b")

    order = [event for event in steps[-1].events or () if event.startswith(("clear", "flush", "free_pg"))]
    assert ["clear b[0]", "free_pgtables", "flush b[0:2]"] == order


@for_each("series", ["6.12", "6.16"])
def test_an_entry_of_a_dirty_page_is_dirty_from_6_16_on(series: str) -> None:
    """Before it is written through."""
    steps = run(series, MAPPED, "write b[1] 2", "c = fork", "c: read b[1]")

    entries = [seen.entry for seen in steps[-1].ptes or () if seen.task == "c" and "L1 WB" in seen.entry]
    assert ["L1 WB P RW US A" + " D" * (series == "6.16")] == entries


@every_series
def test_it_counts_as_resident_and_not_as_anonymous(series: str) -> None:
    """smaps tells pages of a file from others."""
    asked = run(series, MAPPED, "write b[1] 2", "smaps b")[-1]

    (vma,) = asked.vmas or ()
    assert (4, 0, None, "anon") == (vma.rss, vma.anonymous, vma.offset, vma.file)
    assert f"{vma.span} Rss=4" == asked.value


@for_each(
    "call",
    [
        *("mprotect b r", "madvise b dontneed", "mlock b", "mlockall", "mremap b 2 pages", "numa_maps b"),
        *("msync b", "mseal b", "remap_file_pages b bar[0:4] wc", "c = mmap anon[0:2] shared rw populate"),
    ],
)
def test_what_has_no_rule_is_undecided(call: str) -> None:
    """It is not guessed."""
    with pytest.raises(Undecided, match="shared anonymous memory"):
        run("7.2", MAPPED, call)
