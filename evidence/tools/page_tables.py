"""Tables in the repository's pages, each between marks that name the command that generates it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from evidence.pages.markdown import code, table

__all__ = ["code", "put", "table"]


def put(page: Path, marks: tuple[str, str], text: str) -> None:
    """Replace the text between a page's marks with *text*.

    :raises SystemExit: if the marks are missing
    """
    first, last = marks
    before, begin, rest = page.read_text(encoding="utf-8").partition(first)
    _, end, behind = rest.partition(last)
    if not begin or not end:
        raise SystemExit(f"{page} has no place for the table: put {first.strip()} and {last.strip()} there")
    page.write_text(f"{before}{begin}\n{text}\n{end}{behind}", encoding="utf-8")
