"""Truncation of a driver's file: unmap_mapping_range without a length (S6.7.5)."""

from __future__ import annotations

from series_runs import entries, every_series

from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step


def run(series: str, *ops: str) -> tuple[Step, ...]:
    """The steps of a program on two devices that lie one behind the other."""
    header = ("pfnlab program 1", "device bar: pci, 16 pages", "device next: pci, 16 pages")
    return ModelMachine(series).run_one(load_text("\n".join((*header, *ops, ""))), check=True).steps[:-1]


def mapped(step: Step) -> list[str]:
    """The pages that have an entry."""
    return [span for span, _ in entries(step)]


@every_series
def test_a_truncation_goes_on_to_the_end_of_the_file(series: str) -> None:
    """What lies behind the device goes as well."""
    *_, step = run(
        series,
        "a = mmap bar[0:8] driver remap wc shared rw",
        "b = mmap next[0:4] driver remap wc shared rw",
        "unmap_mapping_range bar[4:]",
    )

    assert ["a[0:4]"] == mapped(step)


@every_series
def test_all_pages_of_a_device_are_no_truncation(series: str) -> None:
    """A length that reaches to the device's end is one."""
    *_, step = run(
        series,
        "a = mmap bar[0:8] driver remap wc shared rw",
        "b = mmap next[0:4] driver remap wc shared rw",
        "unmap_mapping_range bar",
    )

    assert ["b[0:4]"] == mapped(step)


@every_series
def test_a_truncation_takes_copied_pages(series: str) -> None:
    """even_cows: private pages are no exception."""
    *_, step = run(
        series,
        "a = mmap bar[0:4] driver remap wc private rw",
        "write a[1] 7",
        "unmap_mapping_range bar[0:]",
    )

    assert [] == mapped(step)


@every_series
def test_an_invalidation_to_the_end_keeps_copied_pages(series: str) -> None:
    """Without even_cows they stay."""
    *_, step = run(
        series,
        "a = mmap bar[0:4] driver remap wc private rw",
        "write a[1] 7",
        "unmap_mapping_range bar[0:] keep_cows",
    )

    assert ["a[1:2]"] == mapped(step)
