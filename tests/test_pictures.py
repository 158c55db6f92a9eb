"""The pictures of README and docs are those that the commands beside them make."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pfnlab.cli import main

ROOT = Path(__file__).parents[1]

_COMMENT = re.compile(
    r"<!-- picture: pfnlab (?P<words>.*) -o (?P<file>\S+) -->\n!\[[^\]]+\]\((?P<link>[^)]+)\)"
)

MADE = [
    (page, found)
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    for found in _COMMENT.finditer(page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("page", "found"), MADE, ids=[found["file"] for _, found in MADE])
def test_a_picture_is_current(page: Path, found: re.Match[str], tmp_path: Path) -> None:
    """Run the command of its comment where this fails, and look at the picture."""
    with pytest.raises(SystemExit) as ended:
        main([*shlex.split(found["words"]), "-o", str(tmp_path / "made.svg")])

    assert 0 == ended.value.code
    assert (tmp_path / "made.svg").read_text() == (ROOT / found["file"]).read_text()
    assert ROOT / found["file"] == (page.parent / found["link"]).resolve()


def test_every_picture_says_how_it_was_made() -> None:
    """No drawing of docs/pictures is without a command."""
    drawn = {f"docs/pictures/{path.name}" for path in (ROOT / "docs" / "pictures").glob("*.svg")}

    assert drawn == {found["file"] for _, found in MADE}
