"""S5.7.7, S6.2.7: the driver's own pages, which faults give to the kernel, and first writes ask for."""

from __future__ import annotations

from for_each import for_each
from series_runs import every_series, run, run_to_end

from pfnlab.programs.runs.observation import Step

SHARED = "a = mmap bar[0:4] driver page_mkwrite shared rw"
PRIVATE = "a = mmap bar[0:4] driver page_mkwrite private rw"


def faults(step: Step) -> list[str]:
    """The kinds of a step's faults, in order."""
    words = [event.split()[0] for event in step.events or ()]
    return [word for word in words if word in ("fault", "wp_fault")]


@every_series
def test_nothing_is_mapped_at_first(series: str) -> None:
    """The VMA is mixed, and faults fill it."""
    (step,) = run(series, SHARED)

    (vma,) = step.vmas or ()
    assert (True, 0) == ("mm" in vma.flags.split(), vma.rss)


@for_each(("series", "tries"), [("6.1", 1), ("6.12", 2), ("7.3", 2)])
def test_a_first_write_asks_the_driver(series: str, tries: int) -> None:
    """Where the VMA's own lock is tried first, it suffices neither for the handler nor for page_mkwrite."""
    _, read, first, second = run(series, SHARED, "read a[0]", "write a[0] 7", "write a[0] 8")

    assert ["fault"] * tries == faults(read)
    assert ["fault", "wp_fault"] * tries == faults(first)
    assert [] == faults(second)


@for_each(("series", "tries"), [("6.1", 1), ("6.12", 2), ("7.3", 2)])
@for_each("mapping", [SHARED, PRIVATE])
def test_a_write_where_nothing_is_needs_no_second_fault(mapping: str, series: str, tries: int) -> None:
    """The page is writable at once, or a copy of it."""
    _, write = run(series, mapping, "write a[0] 7")

    assert ["fault"] * tries == faults(write)


@every_series
def test_a_private_write_leaves_the_page(series: str) -> None:
    """The driver's page keeps its content, and the mapping has an anonymous one."""
    frames = "b = mmap bar[0:4] driver ram shared rw"
    *_, write, read = run(series, PRIVATE, frames, "write a[0] 7", "read b[0]")

    assert [(4, 4), (0, 0)] == [(vma.rss, vma.anonymous) for vma in write.vmas or ()]
    assert 0 == read.value


@every_series
def test_a_page_that_was_written_stays_writable_through_mprotect(series: str) -> None:
    """An entry that is dirty owes no call, a clean one does."""
    steps = run(
        series,
        SHARED,
        "read a[0]",
        "write a[1] 7",
        "mprotect a r",
        "mprotect a rw",
        "write a[0] 7",
        "write a[1] 8",
    )

    assert [True, False] == ["wp_fault" in faults(step) for step in steps[-2:]]


def test_behind_the_last_page_is_nothing() -> None:
    """The handler has no page to give."""
    *_, step = run("7.2", SHARED, "b = mremap a 20 pages maymove fixed", "read b[16]")

    assert "SIGBUS code=2" == step.value


def test_there_are_sixteen() -> None:
    """A larger mapping is refused."""
    steps = run_to_end("7.2", "a = mmap bar[0:17] driver page_mkwrite shared rw", pages=32)

    assert "EINVAL" == steps[0].result
