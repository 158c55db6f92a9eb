"""README is read in one go: what it is, how to begin, and where the rest is."""

from __future__ import annotations

import tooling

pages = tooling.markdown_pages()


def test_readme_fits_one_reading() -> None:
    """110 lines."""
    lines = (pages.ROOT / "README.md").read_text(encoding="utf-8").splitlines()

    assert len(lines) <= 110


def test_readme_shows_eight_commands() -> None:
    """The others are behind a link."""
    text = (pages.ROOT / "README.md").read_text(encoding="utf-8")
    lists = [block.text for block in pages.blocks(text) if "synopsis" in block.info]

    assert [8] == [len(one.splitlines()) for one in lists]
