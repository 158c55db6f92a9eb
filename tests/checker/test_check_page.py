"""docs/check.md: every scope has its row."""

from __future__ import annotations

from pathlib import Path

from pfnlab.checker.scopes.scope import scope_names

PAGE = (Path(__file__).parents[2] / "docs" / "check.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading."""
    table = PAGE.split(f"## {heading}\n")[1].split("\n| --- |")[1].split("\n\n")[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines()[1:]]


def test_every_scope_has_a_row() -> None:
    """Each that has a name."""
    assert scope_names() == sorted(row[0].strip("`") for row in rows("Scopes"))
