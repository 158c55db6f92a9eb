"""The page of policies is what the checker says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from evidence.pages.policies_page import policies_page
from pfnlab.checker.scopes.properties import Seam
from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.kernel.policies.patched import patched_kernels
from pfnlab.kernel.policies.reports import REPORTS
from pfnlab.kernel.policies.seams import VM_PAT_ERAS
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.kernel.policies.walkers import WALKERS
from pfnlab.present.report.policies_matrix import WORKLOADS, kernels_with

# One worker makes all pages out of searches, many of which are the same.
pytestmark = pytest.mark.xdist_group("searches")

PAGE = Path(__file__).parents[3] / "docs" / "policies-matrix.md"


@pytest.fixture(scope="module")
def text() -> str:
    """The page as it is kept."""
    return PAGE.read_text(encoding="utf-8")


@pytest.mark.target("pages")
@pytest.mark.timeout(600)
def test_the_page_is_current(text: str) -> None:
    """Write it anew with ``python -m evidence.pages policies-matrix --write``."""
    assert policies_page() == text


@pytest.mark.parametrize(
    ("part", "seam"),
    [("## Trackers\n", "tracker"), ("## Flush placements\n", "flush"), ("## Walkers\n", "walker")],
)
def test_the_page_names_the_kernels_that_are_recorded_now(text: str, part: str, seam: Seam) -> None:
    """They come from a file, and are compared wherever no search is made anew."""
    found = {name: cells[-1] for name, cells in rows(text, part).items()}

    assert {name: kernels_with(seam, name, patched_kernels().values()) for name in found} == found


def test_every_policy_has_a_row(text: str) -> None:
    """Sixteen trackers, sixteen flush placements, three walkers, three reports."""
    rows = {line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if line.startswith("| ")}

    assert (16, 16, 3, 3) == (len(TRACKERS), len(FLUSHES), len(WALKERS), len(REPORTS))
    assert {*TRACKERS, *FLUSHES, *WALKERS, *REPORTS} <= rows


def test_every_row_has_a_verdict_a_column(text: str) -> None:
    """Nothing is left empty."""
    for line in text.splitlines():
        if line.startswith("|"):
            assert all(cell.strip() for cell in line.strip("|").split("|")), line


def rows(text: str, after: str) -> dict[str, list[str]]:
    """The cells of the first table behind the text *after*, by policy."""
    lines = text.split(after)[1].splitlines()
    is_row = [line.startswith("| ") for line in lines]
    start = is_row.index(True)
    end = is_row.index(False, start) if False in is_row[start:] else len(lines)
    cells = [line.strip("| ").split(" | ") for line in lines[start + 2 : end]]
    return {row[0]: row[1:] for row in cells}


@pytest.mark.parametrize(
    ("part", "policies"),
    [
        ("## Trackers\n", (*TRACKERS, *VM_PAT_ERAS)),
        ("## Flush placements\n", FLUSHES),
        ("## Walkers\n", WALKERS),
    ],
)
def test_every_policy_is_asked_about_leaves(text: str, part: str, policies: Iterable[str]) -> None:
    """As often as it is asked in the scope before."""
    leaves = text.split(part)[1]

    assert set(policies) == set(rows(leaves, "In the scope `leaves`:\n"))


@pytest.mark.parametrize("scope", ["vfio", "vfio_memory"])
def test_every_tracker_is_asked_about_vfio_on_three_kernels(text: str, scope: str) -> None:
    """Also those no kernel ever had, and the eras."""
    asked = rows(text, f"In the scope `{scope}`")

    assert {*TRACKERS, *VM_PAT_ERAS} == set(asked)
    assert {3} == {len(cells) for cells in asked.values()}


def test_who_books_twice_when_memory_goes_off_and_on(text: str) -> None:
    """On 6.1 those that a zap does not untrack; 6.1 as it is, and later kernels, do not."""
    asked = rows(text, "In the scope `vfio_memory`")

    leaking = {name for name, cells in asked.items() if "no_leak" in cells[0]}
    assert {"base_pfn", "driver_hook", "unmap_only", "vm_pgoff"} == leaking
    assert "**memory_off in 4**" == asked["vm_pat"][0]
    assert {"holds"} == {cell for cells in asked.values() for cell in cells[1:]}


def test_who_cannot_read_again_on_6_1(text: str) -> None:
    """Trackers that have a context in the VMA, which is still there when a fault remaps."""
    read = rows(text, "and reads again. In")

    assert {"ctx_adjust", "no_cow", "per_vma", "split_ctx", "track_ctx", "whole_leaf"} == {
        name for name, cells in read.items() if cells[0] != "ok"
    }


def test_every_workload_costs_somebody_something(text: str) -> None:
    """A workload that no policy does anything in measures nothing."""
    costs = rows(text, "| whole_leaf | 8 | 24 |\n")

    assert len(WORKLOADS) == len(costs["track_ctx"])
    assert all(map(int, costs["track_ctx"]))
