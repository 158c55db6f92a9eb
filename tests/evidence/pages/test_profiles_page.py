"""The page of profiles is what the tables say."""

from __future__ import annotations

from pathlib import Path

from evidence.pages.__main__ import made
from evidence.pages.profiles_page import profiles_page
from pfnlab.kernel.policies.releases import RELEASES

PAGE = Path(__file__).parents[3] / "docs" / "profiles.md"


def test_the_page_is_current() -> None:
    """Write it anew with ``python -m evidence.pages profiles --write``."""
    assert made("profiles") == PAGE.read_text(encoding="utf-8")


def test_rows_have_a_cell_a_release() -> None:
    """Every switch is said of every release."""
    rows = [line for line in profiles_page().splitlines() if line.startswith("| saved_dirty |")]

    assert len(RELEASES) + 3 == len(rows[-1].split("|"))
