"""S5.11.1a: a fork that leaves the entries of vfio to the child's faults."""

from __future__ import annotations

from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st
from series_runs import every_series, run, run_to_end

from pfnlab.programs.runs.observation import Step

VFIO = ("a = mmap bar[0:8] vfio shared rw", "write a[0] 3", "c = fork")

#: Mappings whose entries no fault brings back, or of whose handler nobody says that it does.
OTHERS = (
    *("wc shared rw", "uc shared rw", "proc-wc shared rw", "devmem shared rw", "wc private rw"),
    *("driver remap shared rw", "driver fault shared rw", "driver apply shared rw"),
)

#: What a family may do with a mapping of eight pages; none of it looks at entries themselves.
DEEDS = (
    *("write a[1] 7", "read a[0]", "read a[5]", "write a[4] 9"),
    *("memory_disable bar", "memory_enable bar", "d3 bar", "d0 bar", "vfio_reset bar", "vfio_close bar"),
    *("munmap a[0:2]", "munmap a[3:5]", "mprotect a[0:4] r", "madvise a dontneed"),
)
BOTH = st.sampled_from(DEEDS)
IN_TASK = st.tuples(st.sampled_from(["", "c: "]), BOTH).map("".join)


def off(series: str) -> str:
    """A kernel with the patch."""
    return f"{series},fork_copies_vfio=off"


def entries_of(step: Step, task: str) -> list[tuple[str, str]]:
    """The entries of a task."""
    return [(str(seen.span), seen.entry) for seen in step.ptes or () if seen.target and seen.task == task]


def seen_by_programs(step: Step) -> tuple[object, ...]:
    """The answers of a step, and what the kernel keeps and says; neither entries nor how it came to them."""
    return step.result, step.value, step.book, step.log, step.vmas


@every_series
def test_the_child_has_no_entries(series: str) -> None:
    """The parent keeps its own."""
    *_, written, forked = run(off(series), *VFIO)

    assert [] == entries_of(forked, "c")
    assert entries_of(written, "main") == entries_of(forked, "main") != []


@every_series
def test_its_first_access_is_a_fault(series: str) -> None:
    """It reads what its parent wrote, through an entry of the same frame and mode."""
    *_, read = run(off(series), *VFIO, "c: read a[0]")

    mine, theirs = (dict(entries_of(read, task)) for task in ("main", "c"))
    assert ("ok", 3) == (read.result, read.value)
    assert "fault a[0]" in (read.events or ())
    assert {entry.replace(" D", "") for entry in mine.values()} == {
        entry.replace(" D", "") for entry in theirs.values()
    }


@for_each("mapping", OTHERS)
def test_others_are_copied(mapping: str) -> None:
    """Of every other mapping fork copies the entries as without the patch."""
    ops = (f"a = mmap bar[0:4] {mapping}", "write a[1] 7", "c = fork", "c: read a[1]")

    assert run("7.2", *ops) == run(off("7.2"), *ops)
    assert entries_of(run(off("7.2"), *ops)[2], "c")


def test_no_page_table_is_needed() -> None:
    """A fork for which there is no page table fails later, in the process's own memory: nothing is copied."""
    ops = (*VFIO[:2], "fail __pte_alloc 1: c = fork")

    copied, left = (run(series, *ops)[-1].events or () for series in ("7.2", off("7.2")))

    assert "flush a[0:1]" in copied
    assert "flush a[0:1]" not in left


@given(
    kind=st.sampled_from(["vfio", "wc", "driver remap"]),
    before=st.lists(BOTH, max_size=4),
    after=st.lists(IN_TASK, max_size=6),
)
def test_programs_see_no_difference(kind: str, before: list[str], after: list[str]) -> None:
    """On 7.2 a family gets the same answers, words, log and book with the patch and without."""
    ops = (f"a = mmap bar[0:8] {kind} shared rw", *before, "c = fork", *after, "c: read a[7]")

    copied, left = (run_to_end(series, *ops) for series in ("7.2", off("7.2")))

    assert [seen_by_programs(step) for step in copied] == [seen_by_programs(step) for step in left]


@for_each(("series", "in_memory"), [("7.2", False), ("7.3", True)])
def test_mincore_of_the_child(series: str, in_memory: bool) -> None:
    """From 7.3 on mincore looks at entries, so it tells the child of the patch."""
    copied, left = (run(asked, *VFIO, "c: mincore a")[-1].value for asked in (series, off(series)))

    assert in_memory == (copied != left)
