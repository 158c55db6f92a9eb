"""S5.15: advice about the memory of any process."""

from __future__ import annotations

import pytest
from for_each import for_each
from series_runs import entries, every_series, last, run

from pfnlab.base.errors import Undecided

DEVICE = ("a = mmap bar[0:4] wc shared rw", "write a[1] 7", "c = fork")
COPIED = ("a = mmap bar[0:4] wc private rw", "c = fork", "c: write a[1] 7")
ORDINARY = ("a = mmap anon[0:4] private rw", "c = fork", "c: write a[0] 7")

#: Series in which a task may give only some advice about its own memory too.
OLD = ("6.1", "6.12")


@every_series
@for_each(
    ("advice", "result"),
    [("willneed", "ok"), ("cold", "EINVAL"), ("pageout", "EINVAL"), ("collapse", "EINVAL")],
)
@for_each("mapped", [DEVICE, COPIED])
def test_a_pfn_mapping_of_another_process_takes_willneed_alone(
    series: str, mapped: tuple[str, ...], advice: str, result: str
) -> None:
    """Copied pages are not reached (S5.15.3)."""
    assert (result, None) == last(series, *mapped, f"process_madvise a {advice} c")


@every_series
@for_each("advice", ["dontneed", "random", "dontfork", "populate_read", "guard_install"])
@for_each("mapped", [DEVICE, ORDINARY, (*ORDINARY, "c: munmap a")])
def test_other_advice_is_the_process_own_affair(series: str, mapped: tuple[str, ...], advice: str) -> None:
    """Before anybody looks at the range (S5.15.1)."""
    assert ("EINVAL", None) == last(series, *mapped, f"process_madvise a {advice} c")


@every_series
def test_the_pages_of_the_other_process_are_aged(series: str) -> None:
    """As its own madvise does (S5.15.3)."""
    step = run(series, *ORDINARY, "process_madvise a cold c")[-1]

    assert [("a[0:1]", "L1 WB P RW US D")] == entries(step)


@every_series
def test_a_fork_that_failed_has_left_no_process(series: str) -> None:
    """Nobody is there whose memory could be meant (S5.15.1)."""
    failed = ("a = mmap bar[0:4] wc shared rw", "c = fork set_tid", "process_madvise a willneed c")

    assert ("ESRCH", None) == last(series, *failed)


@every_series
@for_each("target", ["main", "t"])
def test_own_memory_takes_any_advice_since_613(series: str, target: str) -> None:
    """A thread has the same memory (S5.15.1, S5.15.2)."""
    calls = (*DEVICE, "t = thread", f"process_madvise a[0:2] dontfork {target}")

    assert ("EINVAL" if series in OLD else "ok", None) == last(series, *calls)


@every_series
def test_a_hole_is_told_at_the_end(series: str) -> None:
    """What was mapped before it is advised (S5.15.3)."""
    step = run(series, *ORDINARY, "c: munmap a[2]", "process_madvise a cold c")[-1]

    assert ("ENOMEM", [("a[0:1]", "L1 WB P RW US D")]) == (step.result, entries(step))


@every_series
@for_each(("target", "result"), [("main", "waits"), ("c", "ok")])
def test_the_lock_is_that_of_the_other_process(series: str, target: str, result: str) -> None:
    """The caller's own is not asked for (S5.15.4)."""
    mapped = ("b = mmap bar[0:4] wc shared rw", "a = mmap anon[0:4] private rw", "c = fork", "t = thread")
    held = ("hold flush_tlb_mm_range: munmap b", "t: munmap a[2:4]", f"c: process_madvise a cold {target}")
    step = run(series, *mapped, *held, "release")[-2]

    assert result == step.result


@every_series
@for_each("ages", ["process_madvise b cold c", "process_madvise b[0] cold c"])
def test_a_page_in_the_batch_of_another_processor_is_undecided(series: str, ages: str) -> None:
    """Where tasks have processors of their own; the one that has made it ages it (S5.9.10)."""
    mapped = (
        "b = mmap anon[0:2] private rw",
        "a = mmap bar[0:4] wc shared rw",
        "c = fork",
        "c: write b[1] 7",
    )
    held = ("hold unmap_vmas: munmap a", "release")
    *_, aged = run(series, *mapped, *held, "c: process_madvise b cold c")

    assert [False] == [" A" in entry for span, entry in entries(aged) if span == "b[1:2]"]
    if ages.endswith("b cold c"):
        with pytest.raises(Undecided, match="the batch of another processor"):
            run(series, *mapped, *held, ages)
    else:
        assert ("ok", None) == last(series, *mapped, *held, ages)
