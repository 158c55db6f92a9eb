"""Tables of generated pages."""

from __future__ import annotations

from for_each import for_each

from evidence.pages.markdown import row


@for_each(("cell", "shown"), [("a|b", "a/b"), ("`a\\|b`", "`a\\|b`"), ("a b", "a b")])
def test_a_bar_ends_no_cell(cell: str, shown: str) -> None:
    """It becomes a slash, unless whoever wrote it escaped it."""
    assert f"| {shown} | c |\n" == row((cell, "c"))
