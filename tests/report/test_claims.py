"""The table of claims is what the model and the checker say."""

from __future__ import annotations

from pathlib import Path

import pytest
from having import made_of_searches

from pfnlab.report.asking import QuestionResult, book, property_is, shows
from pfnlab.report.claims import CLAIMS, claims, verdict

# One worker makes all pages out of searches, many of which are the same.
pytestmark = pytest.mark.xdist_group("searches")

PAGE = Path(__file__).parents[2] / "docs" / "claims.md"


@made_of_searches
@pytest.mark.timeout(600)
def test_the_page_is_current() -> None:
    """Write it anew with ``python -m pfnlab.report.claims > docs/claims.md``."""
    assert claims() == PAGE.read_text(encoding="utf-8")


def test_every_seed_claims_something() -> None:
    """None of the five discussions is left out, and no claim is without a question."""
    assert {"000", "001", "002", "003", "004"} == {claim.seed for claim in CLAIMS}
    assert all(claim.asks for claim in CLAIMS)


def test_some_claims_are_wrong() -> None:
    """A table that agrees with everybody would not be asking."""
    text = PAGE.read_text(encoding="utf-8")

    assert "| right |" in text
    assert "| **wrong** |" in text
    assert "| **wrong** in part |" in text


def test_a_prediction_that_does_not_come_true_is_wrong() -> None:
    """The same program with another prediction."""
    lines = ["a = mmap bar[0:4] wc shared rw", "munmap a"]

    assert shows("7.2", lines, book, "nothing")().right
    assert not shows("7.2", lines, book, "bar[0:4] wc")().right


def test_a_search_that_finds_the_contrary_is_wrong() -> None:
    """A property that is violated does not hold."""
    asked = property_is("6.1", "freed_once", "holds", "small")()

    assert not asked.right
    assert asked.shown.startswith("freed_once violated by `a = mmap")


@pytest.mark.parametrize(
    ("right", "said"),
    [([True, True], "right"), ([False], "**wrong**"), ([True, False], "**wrong** in part")],
)
def test_a_verdict_is_that_of_all_questions(right: list[bool], said: str) -> None:
    """Right only where everything came out as predicted."""
    assert said == verdict([QuestionResult("7.2", "", "", one) for one in right])
