"""Tables that tools put into pages."""

from __future__ import annotations

from pathlib import Path

import pytest
import tooling

TOOL = tooling.page_tables()

MARKS = "<!-- some: `a command` -->\n", "<!-- end of some -->\n"


def test_a_table_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """Around the marks all stays."""
    page = tmp_path / "README.md"
    begin, end = MARKS
    page.write_text(f"before\n{begin}old\n{end}behind\n")

    TOOL.put(page, MARKS, TOOL.table(["a", "b"], [["1", "2"]]))

    assert f"before\n{begin}\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n{end}behind\n" == page.read_text()


@pytest.mark.parametrize("text", ["no marks\n", MARKS[0]], ids=["none", "no end"])
def test_a_page_without_marks_is_not_written(tmp_path: Path, text: str) -> None:
    """The error names the page and the marks."""
    page = tmp_path / "README.md"
    page.write_text(text)

    with pytest.raises(SystemExit, match=r"README\.md has no place for the table: put <!-- some"):
        TOOL.put(page, MARKS, "")

    assert text == page.read_text()
