"""``docs/editors.md``."""

from __future__ import annotations

import re
from pathlib import Path

from pfnlab.cli.verbs import options_of
from pfnlab.programs.lang.tokens import KINDS_OF_TOKEN

PAGE = (Path(__file__).parents[2] / "docs" / "editors.md").read_text(encoding="utf-8")


def first_cells(heading: str) -> list[str]:
    """The names in the first column of the table whose first heading is *heading*."""
    rows = PAGE[PAGE.index(f"| {heading} |") :].partition("\n\n")[0].splitlines()[2:]
    return [name for row in rows for name in re.findall("`([^`]+)`", row.split("|")[1])]


def test_every_token_is_explained() -> None:
    """A new one is explained too."""
    assert sorted(first_cells("token")) == sorted(KINDS_OF_TOKEN)


def test_every_format_is_explained() -> None:
    """In the order of help."""
    assert first_cells("`--format`") == [word for one in options_of("fmt") for word in one.choices]
