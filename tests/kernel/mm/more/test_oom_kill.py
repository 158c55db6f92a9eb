"""S8.4: process_mrelease of processes that die, and of others."""

from __future__ import annotations

import pytest
from for_each import for_each
from series_runs import SHARED, entries, every_series, last, run

from pfnlab.base.errors import Undecided
from pfnlab.kernel.policies.profiles import SERIES

WAITS = (
    *(SHARED, "c = fork", "k = fork", "c: b = mmap anon[0:4] private rw", "c: write b[1] 7"),
    *("c: p = mmap bar[8:16] wc private rw", "c: write p[1] 7"),
    *("hold rmap_del: munmap a[4:8]", "c: munmap a"),
)
HELD = (
    *(SHARED, "c = fork", "c: b = mmap anon[0:4] private rw", "c: write b[1] 7"),
    "hold free_pgtables: c: munmap a[4:8]",
)


@every_series
def test_a_process_that_does_not_die_is_refused(series: str) -> None:
    """Whatever it does (S8.4.1)."""
    assert ("EINVAL", None) == last(series, SHARED, "c = fork", "process_mrelease c")
    assert "EINVAL" == run(series, *WAITS, "k: process_mrelease c", "release")[-2].result


@every_series
@for_each("end", ["exit", "kill"])
def test_a_process_that_is_gone_is_not_found(series: str, end: str) -> None:
    """It has no memory (S8.4.1)."""
    assert ("ESRCH", None) == last(series, SHARED, "c = fork", f"c: {end}", "process_mrelease c")


@every_series
def test_a_process_whose_end_waits_is_not_found(series: str) -> None:
    """It has given up its memory (S8.4.1)."""
    calls = (
        SHARED,
        "c = fork",
        "k = fork",
        "hold rmap_del: munmap a[4:8]",
        "c: kill",
        "k: process_mrelease c",
    )

    assert "ESRCH" == run(series, *calls, "release")[-2].result


@every_series
def test_private_memory_goes_and_pfn_mappings_stay(series: str) -> None:
    """With their copied pages (S8.4.2)."""
    before, after, _ = run(series, *WAITS, "k: process_mrelease c killed", "release")[-3:]

    assert "ok" == after.result
    kept = [entry for entry in entries(before) if not entry[0].startswith("b")]
    assert len(kept) < len(entries(before))
    assert kept == entries(after)


@every_series
def test_it_may_be_repeated(series: str) -> None:
    """While the process dies (S8.4.6)."""
    calls = ("k: process_mrelease c killed", "k: process_mrelease c", "release")

    assert "ok" == run(series, *WAITS, *calls)[-2].result


@every_series
def test_it_waits_for_the_processor_of_a_held_process(series: str) -> None:
    """At its first flush, which from 6.18 on is one for the program itself (S8.4.3, S8.4.4)."""
    step, release = run(series, *HELD, "process_mrelease c killed", "release")[-2:]

    assert ("waits", "IPI") == (step.result, step.value)
    backwards = SERIES.index(series) >= SERIES.index("6.18")
    assert backwards == any(span.startswith("b") for span, _ in entries(step))
    assert "c killed; main ok" == release.value


@every_series
def test_it_waits_for_mmap_lock(series: str) -> None:
    """Of the process (S8.4.2)."""
    calls = (SHARED, "c = fork", "hold rmap_add: c: d = mmap bar[8:12] wc shared rw")
    step = run(series, *calls, "process_mrelease c killed", "release")[-2]

    assert ("waits", "mmap_lock") == (step.result, step.value)


@every_series
@for_each("place", ["rmap_add", "flush_tlb_mm_range"])
def test_a_killed_process_has_no_child(series: str, place: str) -> None:
    """Also where all was copied (S8.4.5)."""
    calls = (SHARED, "c = fork", f"hold {place}: c: d = fork", "process_mrelease c killed", "release")

    assert ["a[0:8]"] == [str(vma.span) for vma in run(series, *calls)[-1].vmas or ()]


@for_each(
    "calls",
    [
        ("c = fork", "hold unmap_vmas: munmap a", "k: process_mrelease c killed"),
        ("c = fork", "t = thread", "hold unmap_vmas: munmap a", "k: process_mrelease main killed"),
    ],
)
def test_timing_and_threads_are_undecided(calls: tuple[str, ...]) -> None:
    """S8.4.1."""
    with pytest.raises(Undecided, match="process that"):
        run(SERIES[-1], SHARED, "k = fork", *calls, "release")
