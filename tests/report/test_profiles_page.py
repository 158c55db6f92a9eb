"""The page of profiles is what the tables say."""

from __future__ import annotations

from pathlib import Path

from pfnlab.policies.profiles import RELEASES
from pfnlab.policies.switch_table import SWITCHES
from pfnlab.report.profiles_page import profile_lines, profiles_page

PAGE = Path(__file__).parent.parent.parent / "docs" / "profiles.md"


def test_the_page_is_current() -> None:
    """Write it anew with ``python -m pfnlab.report.profiles_page > docs/profiles.md``."""
    assert profiles_page() == PAGE.read_text(encoding="utf-8")


def test_rows_have_a_cell_a_release() -> None:
    """Every switch is said of every release."""
    rows = [line for line in profiles_page().splitlines() if line.startswith("| saved_dirty |")]

    assert len(RELEASES) + 3 == len(rows[-1].split("|"))


def test_every_switch_is_listed() -> None:
    """A header, the two seams, then all switches."""
    lines = profile_lines("6.8")

    assert 5 + len(SWITCHES) == len(lines)
    assert lines[0].startswith("profile 6.8, not confirmed on a kernel")
