"""The catalogue as searches find it."""

from __future__ import annotations

from pathlib import Path

import pytest

from evidence.pages import catalogue as module
from evidence.pages.__main__ import made
from evidence.pages.catalogue import ENTRIES, Entry, search
from pfnlab.checker.review.review import plan

# One worker makes all pages out of searches, many of which are the same.
pytestmark = pytest.mark.xdist_group("searches")

PAGE = Path(__file__).parents[3] / "docs" / "evidence" / "catalogue.md"


# Forty searches: too long for every run, and what they find changes only with a rule.
@pytest.mark.timeout(900)
@pytest.mark.target("pages")
def test_the_page_is_current() -> None:
    """Write it anew with ``python -m evidence.pages evidence/catalogue --write``."""
    assert made("evidence/catalogue") == PAGE.read_text(encoding="utf-8")


def test_every_entry_has_a_row() -> None:
    """In order."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][2:]

    assert [entry.commit for entry in ENTRIES] == [row.split(" | ")[1] for row in rows]


def test_a_repair_changes_a_verdict() -> None:
    """The failing fork that lost its reservation, before dc84bc2aba85 and after."""
    ((without, with_it),) = search(Entry("A04", "dc84bc2aba85", "6.15"), depth=2).changed

    assert ("fork_whole", 2) == without
    assert ("fork_whole", None) == with_it


def test_machines_no_property_tells_apart_part_in_a_review(monkeypatch: pytest.MonkeyPatch) -> None:
    """B03: a flush that nothing needs, which breaks nothing; seen where a mapping stands alone."""
    monkeypatch.setattr(module, "plan", lambda: [piece for piece in plan() if piece.stage == 0])

    found = search(Entry("B03", "bfe125f1b187", "6.16", "small"), depth=2)

    assert () == found.changed
    assert found.part is not None
    assert "needless" == found.part[1]


def test_what_a_scope_does_not_reach_is_not_found() -> None:
    """No schedule there has two ranges side by side, and a scope of races is not reviewed."""
    assert ((), None) == search(Entry("C02", "91298f1a302d", "6.1", "race"), depth=2)
