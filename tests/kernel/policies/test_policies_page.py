"""docs/policies.md: every policy has a row, with the costs it states."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.kernel.policies.reports import REPORTS
from pfnlab.kernel.policies.seams import VM_PAT_ERAS
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.kernel.policies.walkers import WALKERS

PAGE = (Path(__file__).parents[3] / "docs" / "policies.md").read_text(encoding="utf-8")


def rows(heading: str) -> dict[str, list[str]]:
    """The cells of a table's rows by the policy in their first."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip(" `"): row[1:] for row in cells}


@pytest.mark.parametrize(
    ("heading", "policies"),
    [("Trackers", TRACKERS), ("Flushes", FLUSHES), ("Walkers", WALKERS), ("Reports", REPORTS)],
)
def test_every_policy_has_a_row(heading: str, policies: dict[str, object]) -> None:
    """One each, and no other."""
    assert set(policies) == set(rows(heading))


@pytest.mark.parametrize("name", TRACKERS)
def test_a_trackers_costs_are_those_it_states(name: str) -> None:
    """Bytes in every VMA, and beside the book."""
    tracker = TRACKERS[name]

    assert [str(tracker.BYTES_PER_VMA), str(tracker.BYTES_PER_CONTEXT)] == rows("Trackers")[name][1:3]


@pytest.mark.parametrize("heading", ["Trackers", "Flushes", "Walkers", "Reports"])
def test_two_sentences_each(heading: str) -> None:
    """An idea, and what becomes of it."""
    assert {name: 2 for name in rows(heading)} == {
        name: len(re.findall(r"[.](?= |$)", cells[-1].strip())) for name, cells in rows(heading).items()
    }


@pytest.mark.parametrize("era", VM_PAT_ERAS)
def test_every_era_is_named(era: str) -> None:
    """As a machine's name says it."""
    assert f"`{era}`" in PAGE
