"""The changelog: written by hand, and each release in one reading."""

from __future__ import annotations

import re

import tooling

from pfnlab.base.version import VERSION

TEXT = (tooling.markdown_pages().ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

#: The parts by their heading; the first release was made of fragments, and is longer.
HELD = TEXT.partition("\n## 0.1.0 (")[0]
PARTS = dict(re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", HELD, re.MULTILINE | re.DOTALL))


def test_next_comes_first() -> None:
    """So a change has a place for its line."""
    assert "Next" == next(iter(PARTS))


def test_this_version_has_a_part() -> None:
    """What `pfnlab --version` says is the newest release."""
    newest = next(name for name in PARTS if name != "Next")

    assert VERSION == newest.partition(" (")[0]


def test_a_release_fits_one_reading() -> None:
    """Sixty lines."""
    assert [] == [name for name, text in PARTS.items() if name != "Next" and len(text.splitlines()) > 60]


def test_a_change_is_a_line() -> None:
    """One sentence, which begins with a dash and ends with a full stop."""
    every = [line for text in PARTS.values() for line in text.splitlines()]
    lines = [line for line in every if line and not line.startswith("### ")]

    assert [] == [line for line in lines if not re.fullmatch(r"- .*\.", line)]
