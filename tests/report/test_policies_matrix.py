"""The page of policies is what the checker says."""

from __future__ import annotations

from pathlib import Path

import pytest
from having import made_of_searches

from pfnlab.policies.flushes import FLUSHES
from pfnlab.policies.trackers import TRACKERS
from pfnlab.policies.walkers import WALKERS
from pfnlab.report.policies_matrix import WORKLOADS, policies_matrix

# One worker makes all pages out of searches, many of which are the same.
pytestmark = pytest.mark.xdist_group("searches")

PAGE = Path(__file__).parents[2] / "docs" / "policies-matrix.md"


@pytest.fixture(scope="module")
def text() -> str:
    """The page as it is kept."""
    return PAGE.read_text(encoding="utf-8")


@made_of_searches
@pytest.mark.timeout(600)
def test_the_page_is_current(text: str) -> None:
    """Write it anew with ``python -m pfnlab.report.policies_matrix > docs/policies-matrix.md``."""
    assert policies_matrix() == text


def test_every_policy_has_a_row(text: str) -> None:
    """Twelve trackers, seven flush placements, three walkers."""
    rows = {line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if line.startswith("| ")}

    assert (12, 7, 3) == (len(TRACKERS), len(FLUSHES), len(WALKERS))
    assert {*TRACKERS, *FLUSHES, *WALKERS} <= rows


def test_every_row_has_a_verdict_a_column(text: str) -> None:
    """Nothing is left empty."""
    for line in text.splitlines():
        if line.startswith("|"):
            assert all(cell.strip() for cell in line.strip("|").split("|")), line


def test_every_workload_costs_somebody_something(text: str) -> None:
    """A workload that no policy does anything in measures nothing."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| track_ctx | 8")]

    assert len(WORKLOADS) == len(rows[0][3:])
    assert all(int(cell) for cell in rows[0][3:])
