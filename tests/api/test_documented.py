"""The examples of docs/api.md and of the README, run as they stand."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def failures(text: str) -> tuple[int, int]:
    """How many examples of *text* fail, and how many there are."""
    examples = doctest.DocTestParser().get_doctest(text.replace("\n```\n", "\n\n"), {}, "page", None, 0)
    ran = doctest.DocTestRunner().run(examples)
    return ran.failed, ran.attempted


# Data frames are made in one of them.
@pytest.mark.parametrize(
    "page", [pytest.param("docs/api.md", marks=pytest.mark.target("notebooks")), "README.md"]
)
def test_every_example_is_true(page: str) -> None:
    """It prints what the page says."""
    failed, attempted = failures((ROOT / page).read_text(encoding="utf-8"))

    assert 0 == failed
    assert attempted > 3


def test_a_wrong_example_is_noticed() -> None:
    """Another output than the page's fails."""
    assert (1, 2) == failures("```python\n>>> import pfnlab as pl\n>>> pl.machine().name\n'model:6.1'\n```\n")
