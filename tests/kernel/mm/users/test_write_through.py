"""S1.5.5: a driver whose vm_page_prot is write-through."""

from __future__ import annotations

from for_each import for_each
from series_runs import every_series, run

from pfnlab.programs.lang.device_ops import INSERTED
from pfnlab.programs.runs.observation import Step


def modes(step: Step) -> dict[str, str]:
    """The cache mode of each run of entries that are there."""
    return {str(seen.span): seen.entry.split()[1] for seen in step.ptes or () if seen.target}


@every_series
def test_it_is_booked_and_adopted(series: str) -> None:
    """By a mapping that asks for write-combining."""
    *_, step = run(series, "a = mmap bar[0:4] driver remap wt shared rw", "b = mmap bar[0:4] wc shared rw")

    assert {"a[0:4]": "WT", "b[0:4]": "WT"} == modes(step)
    assert ["bar[0:4] wt"] * 2 == [str(entry) for entry in step.book][:2]


@every_series
def test_write_combining_will_not_do(series: str) -> None:
    """Frames that have it cannot be mapped write-through."""
    *_, step = run(series, "b = mmap bar[0:4] wc shared rw", "a = mmap bar[0:4] driver remap wt shared rw")

    assert "EINVAL" == step.result


@every_series
def test_memory_as_frames_keeps_its_mode(series: str) -> None:
    """The kernel says that it was asked for another."""
    (step,) = run(series, "a = mmap bar[0:4] driver ram wt shared rw")

    assert {"a[0:4]": "WB"} == modes(step)
    assert ["write-through" in line for line in step.log] == [True]


@for_each("how", INSERTED)
def test_memory_as_pages_is_write_through(how: str) -> None:
    """Nobody is asked, and a copy has the mode too."""
    *_, step = run("7.2", f"a = mmap bar[0:2] driver {how} wt private rw", "write a[0] 7")

    assert {"WT"} == set(modes(step).values())
