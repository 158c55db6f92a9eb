"""The page of all known kernels, and what changed from each to the next."""

from __future__ import annotations

from pathlib import Path

import pytest
from for_each import for_each
from litmus_files import litmus_file

from evidence.pages.__main__ import made
from evidence.pages.kernels_page import kernels_page, total
from pfnlab.kernel.policies.known_kernels import HeldCount, KnownKernel, known_kernels

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "kernels.md").read_text(encoding="utf-8")
LITMUS = {name: litmus_file(name) for name in ("munmap-middle", "vfio-huge")}


def known(version: str, package: str, **held: HeldCount) -> KnownKernel:
    """A kernel that was met; everything not said is made up."""
    return KnownKernel(
        version=version,
        package="p",
        package_version=package,
        release="r",
        sha256="0" * 64,
        suite="s",
        met="2026-11-21",
        held=held or {"litmus": HeldCount(2, 20, undecided=1)},
        titles=("6.12.111: mm: an older one", f"{version}: mm: a title"),
    )


OLD, NEW = known("6.12.113", "6.12.113-1"), known("6.12.115", "6.12.115-1")


@for_each("series", sorted({one.series for one in known_kernels()}))
def test_every_series_is_on_the_page(series: str) -> None:
    """With its kernels, and the programs they ran."""
    some = [one for one in known_kernels() if one.series == series]
    (row,) = [
        line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith(f"| {series} | ")
    ]

    assert str(len(some)) == row[1]
    assert f"{sum(one.held['litmus'].programs for one in some):,}" == row[4]


@pytest.mark.target("pages")
@pytest.mark.timeout(600)
def test_the_page_is_current() -> None:
    """Write it again with ``python -m evidence.pages kernels --write``."""
    assert made("kernels") == PAGE


def test_a_row_is_the_sum_of_its_kernels() -> None:
    """Steps whose order was compared are not counted twice."""
    held = {"litmus": HeldCount(2, 20, undecided=1), "random": HeldCount(300, 2000, differences=3)}
    held["orders"] = HeldCount(0, 1900)

    page = kernels_page([known("6.1.1", "6.1.1-1", **held), known("6.1.2", "6.1.2-1", **held)], LITMUS, ROOT)

    row = "| 6.1 | 2 | 6.1.1 to 6.1.2 | 2026-11-21 | 4 | 0 | 0 | 600 | 0 | 0 | 0 | 4,040 | 2 | 6 |"
    assert row in page.splitlines()


def test_the_page_has_the_totals_of_today() -> None:
    """Whoever meets a kernel makes the page anew."""
    assert total(known_kernels()) in PAGE


def test_totals_are_sums() -> None:
    """Steps whose order was compared are not counted twice."""
    held = {
        "litmus": HeldCount(2, 20),
        "random": HeldCount(300, 2000, differences=3),
        "orders": HeldCount(0, 1900),
    }

    assert (
        "2 kernels of 1 version: 604 programs compared, 4,040 steps (3,800 with the order of calls), "
        "6 differences, 0 unexplained."
    ) == total([known("6.1.1", "6.1.1-1", **held), known("6.1.1", "6.1.1-2", **held)])


def test_a_change_is_said_with_its_source_and_shown_by_programs() -> None:
    """The program is one in which the two models differ."""
    page = kernels_page([OLD, NEW], LITMUS, ROOT)

    assert "### 6.12.113 to 6.12.115\n" in page
    assert "- `huge_faults_ignore_thp=on`: 6.12.115: mm/huge_memory: bypass THP tuneables" in page
    assert "Shown by [vfio-huge](../litmus/vfio/vfio-huge.pfn)." in page


def test_neighbours_with_the_same_rules_are_counted() -> None:
    """Kernels of two series are not neighbours: `policies show` has what they differ in."""
    page = kernels_page([known("6.1.170", "1"), known("6.1.172", "1"), OLD], LITMUS, ROOT)

    assert "Of 1 pair of neighbours 1 have the same rules.\n" in page
    assert "###" not in page


def test_two_builds_of_a_version_are_one_version() -> None:
    """The models of two packages of one version are the same, so nothing changed between them."""
    page = kernels_page([OLD, known("6.12.113", "6.12.113-2")], LITMUS, ROOT)

    assert "###" not in page
    assert "| 6.12 | 2 | 6.12.113 | " in page
