"""S5.10.8: remap_file_pages, a MAP_FIXED mmap of the same file."""

from __future__ import annotations

import pytest
from for_each import for_each
from series_runs import every_series, last, run

from pfnlab.base.errors import Undecided

MAPPED = "a = mmap bar[0:8] wc shared rw"


@every_series
def test_other_pages_of_the_file(series: str) -> None:
    """The pages show others of the device, which are reserved a second time."""
    steps = run(series, MAPPED, "write a[4] 7", "remap_file_pages a[0:4] bar[4:8] wc", "read a[0]")

    assert ("ok", 7) == (steps[-1].result, steps[-1].value)
    assert ["bar[0:8] wc", "bar[4:8] wc"] == [str(entry) for entry in steps[-1].book]


@every_series
def test_it_is_said_once(series: str) -> None:
    """The call is deprecated, whatever it answers."""
    steps = run(series, "a = mmap bar[0:8] wc private rw", *["remap_file_pages a[0:4] bar[4:8] wc"] * 2)

    assert ["EINVAL", "EINVAL"] == [step.result for step in steps[1:]]
    assert [1, 0] == [len(step.log) for step in steps[1:]]


def test_it_is_said_once_whoever_calls() -> None:
    """The kernel says it once per boot, not once for each task."""
    call = "remap_file_pages a[0:4] bar[4:8] wc"
    *_, parent, child = run("7.2", "a = mmap bar[0:8] wc private rw", "c = fork", call, f"c: {call}")

    assert [1, 0] == [len(parent.log), len(child.log)]


@every_series
def test_past_the_file_leaves_a_hole(series: str) -> None:
    """mmap clears the way before the file refuses."""
    steps = run(series, MAPPED, "remap_file_pages a[0:4] bar[0:4] devmem")

    assert "EINVAL" == steps[-1].result
    assert ["a[4:8]"] == [str(vma.span) for vma in steps[-1].vmas or ()]


@every_series
@for_each(
    ("cut", "result"), [("mprotect a[4:8] r", "EINVAL"), ("munmap a[4:8]", "EINVAL"), ("msync a", "ok")]
)
def test_all_of_it_is_one_kind_of_mapping(series: str, cut: str, result: str) -> None:
    """Neither a hole nor a VMA with other flags may lie in the range."""
    assert result == last(series, MAPPED, cut, "remap_file_pages a bar[0:8] wc")[0]


def test_an_offset_that_depends_on_the_machine_is_undecided() -> None:
    """Pages counted from a BAR's start mean physical pages to /dev/mem."""
    with pytest.raises(Undecided, match="depends on the machine"):
        run("7.2", "a = mmap bar[0:8] devmem shared rw", "remap_file_pages a[0:4] bar[4:8] wc")


@every_series
def test_it_looks_again_with_mmap_lock_for_writing(series: str) -> None:
    """A hole further on is found then only, so it waits for an munmap that has mmap_lock for reading."""
    call = "t: remap_file_pages a[0:4] bar[4:8] wc"

    *_, waits, released = run(
        series, MAPPED, "t = thread", "hold free_pgtables: munmap a[2]", call, "release"
    )

    assert ("waits", "mmap_lock") == (waits.result, waits.value)
    assert "main ok; t EINVAL" == released.value
