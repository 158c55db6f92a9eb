"""S7.7: marks that clear_refs takes away, and when they come again."""

from __future__ import annotations

import pytest
from for_each import for_each
from series_runs import entries, every_series, last, run

from pfnlab.base.errors import Undecided
from pfnlab.kernel.policies.profiles import SERIES
from pfnlab.programs.runs.observation import Step

ORDINARY = ("a = mmap anon[0:4] private rw", "write a[0] 7")
DEVICE = ("a = mmap bar[0:4] wc shared rw", "write a[1] 7")
COPIED = ("a = mmap bar[0:4] wc private rw", "write a[1] 7")


def marked(step: Step) -> list[bool]:
    """Which VMAs have the mark."""
    return ["sd" in vma.flags.split() for vma in step.vmas or ()]


@every_series
@for_each("mapped", [ORDINARY, DEVICE, COPIED])
def test_every_vma_loses_its_mark(series: str, mapped: tuple[str, ...]) -> None:
    """PFN mappings too, which the walk skips (S7.7.4)."""
    assert [True] == marked(run(series, *mapped)[-1])
    assert [False] == marked(run(series, *mapped, "clear_refs soft_dirty")[-1])


@every_series
@for_each("kind", ["all", "anon", "mapped", "soft_dirty", "peak"])
@for_each("mapped", [DEVICE, COPIED])
def test_entries_of_a_pfn_mapping_stay(series: str, mapped: tuple[str, ...], kind: str) -> None:
    """Device pages and copied ones (S7.7.2)."""
    *_, before, after = run(series, *mapped, f"clear_refs {kind}")

    assert before.ptes == after.ptes


@every_series
@for_each(
    ("kind", "left"),
    [("all", "RW US D"), ("anon", "RW US D"), ("mapped", "RW US A D"), ("peak", "RW US A D")],
)
def test_ordinary_pages_seem_unused(series: str, kind: str, left: str) -> None:
    """Without a flush; by the kind of memory that is asked for (S7.7.2, S7.7.3)."""
    step = run(series, *ORDINARY, f"clear_refs {kind}")[-1]

    assert [("a[0:1]", f"L1 WB P {left}")] == entries(step)
    assert 0 == step.flushes


@every_series
def test_the_next_access_marks_the_entry(series: str) -> None:
    """The processor has forgotten it with the switch to another task (S7.7.3)."""
    assert [("a[0:1]", "L1 WB P RW US A D")] == entries(
        run(series, *ORDINARY, "clear_refs all", "read a[0]")[-1]
    )


def test_what_a_processor_remembers_is_the_machines() -> None:
    """Nobody switches where every task has a processor of its own (S7.7.3)."""
    held = ("c = fork", "write a[0] 8", "hold unmap_vmas: c: munmap a", "clear_refs all")

    cleared = entries(run(SERIES[-1], *ORDINARY, *held, "release")[-2])
    assert ("a[0:1]", "L1 WB P RW US D") in cleared
    with pytest.raises(Undecided, match="marks an entry as accessed"):
        run(SERIES[-1], *ORDINARY, *held, "read a[0]", "release")


@every_series
def test_entries_become_read_only_under_one_flush(series: str) -> None:
    """And pagemap tells what is written from then on (S7.7.4, S7.7.5)."""
    cleared = (*ORDINARY, "read a[1]", "clear_refs soft_dirty")
    step = run(series, *cleared)[-1]

    assert 1 == step.flushes
    assert ["RO", "RO"] == [entry.split()[3] for _, entry in entries(step)]
    assert ("ok", "present+exclusive present - -") == last(series, *cleared, "pagemap a")
    written = "present+exclusive+soft-dirty present+exclusive+soft-dirty - -"
    assert ("ok", written) == last(series, *cleared, "write a[0] 8", "write a[1] 8", "pagemap a")


@every_series
def test_nothing_tells_of_writes_to_a_device(series: str) -> None:
    """Neither its VMA nor its entries (S7.7.5)."""
    assert ("ok", "- - - -") == last(series, *DEVICE, "clear_refs soft_dirty", "write a[1] 8", "pagemap a")


@every_series
def test_mprotect_spares_the_fault_of_a_soft_dirty_entry_only(series: str) -> None:
    """Of a file that wants to hear of first writes (S7.7.6)."""
    again = ("mprotect a r", "mprotect a rw")
    cleared = (*DEVICE, "clear_refs soft_dirty")

    assert not any(" RW " in entry for _, entry in entries(run(series, *cleared, *again)[-1]))
    written = run(series, *cleared, *again, "write a[1] 8", *again)[-1]
    assert ["a[1:2]"] == [span for span, entry in entries(written) if " RW " in entry]


@every_series
def test_entries_that_move_count_as_written(series: str) -> None:
    """Their mapping does not (S7.7.5, S7.7.7)."""
    moved = (*ORDINARY, "clear_refs soft_dirty", "b = mremap a 4 pages maymove fixed")

    assert [False] == marked(run(series, *moved)[-1])
    assert ("ok", "present+exclusive+soft-dirty - - -") == last(series, *moved, "pagemap b")


@every_series
def test_what_merges_with_a_new_mapping_is_marked(series: str) -> None:
    """All of it (S7.7.7)."""
    calls = (*ORDINARY, "clear_refs soft_dirty", "munmap a[2:4]", "mmap anon[0:2] private rw over a[2:4]")

    assert [True] == marked(run(series, *calls)[-1])


@every_series
@for_each("kind", ["all", "soft_dirty", "peak"])
def test_it_waits_behind_a_reader(series: str, kind: str) -> None:
    """munmap only reads when it flushes, and each kind wants to write (S7.7.1)."""
    held = ("b = mmap bar[0:4] wc shared rw", "t = thread", "hold flush_tlb_mm_range: munmap b")
    step = run(series, *held, f"t: clear_refs {kind}", "release")[-2]

    assert ("waits", "mmap_lock") == (step.result, step.value)
