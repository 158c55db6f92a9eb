"""docs/bugs.md: every identifier of a bug or a change that is cited is there, and there once."""

from __future__ import annotations

import re
from pathlib import Path

from for_each import for_each

ROOT = Path(__file__).parents[1]

_IDENTIFIER = r"(?:[A-DF-H]\d\d|E(?:0[1-9]|1[0-3])|N\d\d)"
_ROW = re.compile(rf"^\| ({_IDENTIFIER}) \|", re.M)
_CITED = re.compile(rf"(?<![\w/.-]){_IDENTIFIER}(?![\w-])")

TEXT = (ROOT / "docs" / "bugs.md").read_text(encoding="utf-8")
ROWS = _ROW.findall(TEXT)

#: Where identifiers are cited.
CITING = [
    *(path for path in (ROOT / "src").rglob("*.py")),
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "litmus/README.md")),
    *(ROOT / "evidence" / name for name in ("README.md", "history/README.md")),
    *(path for path in (ROOT / "docs").rglob("*.md") if path.name != "bugs.md"),
]


@for_each("path", CITING, ids=lambda path: str(path.relative_to(ROOT)))
def test_identifiers_lead_to_the_page(path: Path) -> None:
    """None leads nowhere."""
    assert set() == set(_CITED.findall(path.read_text(encoding="utf-8"))) - set(ROWS)


def test_an_identifier_stands_once() -> None:
    """And in the order of letters and numbers, N last."""
    assert sorted(ROWS, key=lambda row: (row[0] == "N", row)) == ROWS
    assert len(ROWS) == len(set(ROWS))


def test_an_identifier_is_noticed() -> None:
    """In the middle of a sentence, with others."""
    assert ["A03", "N09"] == _CITED.findall("as A03, and N09; not in 0xA03, B0x1 or SHA-C01-x")
