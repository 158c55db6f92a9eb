"""S8.3.9a: the own locks of VMAs, had for reading by faults, advice and smaps."""

from __future__ import annotations

from for_each import for_each
from series_runs import run_to_end as run

#: A page of *a* is copied under the lock of its VMA; *b* is another.
COPIED = (
    *("a = mmap bar[0:8] wc private rw", "b = mmap anon[0:4] private rw", "write a[1] 1"),
    *("t = thread", "hold flush_tlb_mm_range: write a[0] 0"),
)
WRITERS = (
    *("munmap a[4:8]", "mprotect a[4:8] r", "b = mremap a[4:8] 4 pages maymove fixed", "mseal a[4:8]"),
    *("mmap anon[0:2] private rw over a[4:6]", "mbind a[4:8] bind", "clear_refs soft_dirty"),
    *("madvise a[4:8] dontfork",),
)


@for_each(("series", "need"), [("6.1", "mmap_lock"), ("6.12", "vm_lock"), ("7.3", "vm_lock")])
@for_each("line", WRITERS)
def test_a_writer_waits_for_the_fault(line: str, series: str, need: str) -> None:
    """Up to 6.6 the fault has mmap_lock, and from 6.12 on the lock of its VMA."""
    if series == "6.1" and line.startswith("mseal"):
        return
    mapped = [text for text in COPIED if "b " not in text and "b[" not in text] if "b = " in line else COPIED

    step = run(series, *mapped, f"t: {line}", "release")[-3]

    assert ("waits", need) == (step.result, step.value)


@for_each("series", ["6.12", "7.3"])
def test_another_vma_has_another_lock(series: str) -> None:
    """mprotect of one that no fault is in goes on."""
    assert "ok" == run(series, *COPIED, "t: mprotect b r", "release")[-3].result


@for_each("series", ["6.12", "7.3"])
def test_nobody_gets_the_lock_behind_a_writer(series: str) -> None:
    """A fault waits for mmap_lock while a writer waits for the fault before."""
    *_, step, _, _ = run(series, "s = thread", *COPIED, "t: munmap a[4:8]", "s: write a[2] 1", "release")

    assert ("waits", "mmap_lock") == (step.result, step.value)


@for_each(("series", "need"), [("6.12", "mmap_lock"), ("6.16", "mmap_lock"), ("6.17", "IPI"), ("7.3", "IPI")])
def test_advice_that_clears_entries_releases_it_before_the_flush(series: str, need: str) -> None:
    """A writer waits only for the held processor to take its flush; mmap_lock is kept (S5.9.9)."""
    held = ("t = thread", "hold flush_tlb_mm_range: madvise b[0:2] dontneed")

    step = run(
        series, "b = mmap anon[0:4] private rw", "write b[0] 1", *held, "t: mprotect b[2:4] r", "release"
    )[-3]

    assert ("waits", need) == (step.result, step.value)


@for_each(("series", "result"), [("6.16", "waits"), ("6.17", "ok"), ("7.3", "ok")])
def test_advice_that_clears_entries_begins_its_gather_before_it_has_the_lock(
    series: str, result: str
) -> None:
    """mmap_lock is taken first (S5.9.9)."""
    held = ("t = thread", "hold tlb_gather_mmu: madvise b[0:2] dontneed")

    step = run(series, "b = mmap anon[0:4] private rw", *held, "t: mprotect b[2:4] r", "release")[-3]

    assert result == step.result


_BESIDE_FORK = (
    *("t = thread", "q = mmap bar[0:8] wc shared rw", "p = mmap bar[8:16] wc shared rw"),
    "hold copy_page_range: d = fork",
)


@for_each("series, answer", [("6.18", ("waits", "mmap_lock")), ("6.19", ("EINVAL", None))])
@for_each("advice", ["guard_install", "guard_remove"])
def test_guards_need_the_lock_of_their_vma_alone_from_6_19_on(
    series: str, answer: tuple[str, str | None], advice: str
) -> None:
    """Which a fork takes when it comes to the VMA (S5.9.9)."""
    step = run(series, *_BESIDE_FORK, f"t: madvise p[2:4] {advice}", "release")[-3]

    assert answer == (step.result, step.value)


@for_each("where", ["q[2:4]", "q", "p[0:8] cold"])
def test_guards_wait_for_mmap_lock_where_the_vma_is_being_changed(where: str) -> None:
    """So does other advice for any VMA."""
    advised = where if " " in where else f"{where} guard_install"

    step = run("7.3", *_BESIDE_FORK, f"t: madvise {advised}", "release")[-3]

    assert ("waits", "mmap_lock") == (step.result, step.value)


def test_guards_over_two_vmas_wait_for_mmap_lock() -> None:
    """The lock of one VMA is not enough."""
    cut = (*_BESIDE_FORK[:3], "mprotect p[0:4] r", *_BESIDE_FORK[3:])

    step = run("7.3", *cut, "t: madvise p guard_install", "release")[-3]

    assert ("waits", "mmap_lock") == (step.result, step.value)
