"""README is read in one go: what it is, how to begin, and where the rest is."""

from __future__ import annotations

import re

import pytest
import tooling

pages = tooling.markdown_pages()

#: Pages that have one sentence a line.
LINED = ("README.md", "docs/commands.md", "docs/evidence.md", "docs/installation.md")


def sentences_in_line(text: str) -> list[str]:
    """The lines of a page that have more than one sentence, or less than one; tables and blocks apart."""
    fenced = {line for one in pages.blocks(text) for line in range(one.line - 1, one.end - 1)}
    lines = [
        line
        for number, line in enumerate(text.split("\n"))
        if number not in fenced and line and not line.startswith(("|", "#", "<", "!"))
    ]
    return [line for line in lines if re.search(r"[.?!] [A-Z`[]", line) or line[-1] not in ".:?!"]


def test_readme_fits_one_reading() -> None:
    """110 lines."""
    lines = (pages.ROOT / "README.md").read_text(encoding="utf-8").splitlines()

    assert len(lines) <= 110


def test_readme_shows_eight_commands() -> None:
    """The others are behind a link."""
    text = (pages.ROOT / "README.md").read_text(encoding="utf-8")
    lists = [block.text for block in pages.blocks(text) if "synopsis" in block.info]

    assert [8] == [len(one.splitlines()) for one in lists]


@pytest.mark.parametrize("name", LINED)
def test_a_line_has_one_sentence(name: str) -> None:
    """A change of a sentence is a change of its line."""
    assert [] == sentences_in_line((pages.ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", ["One. Two.\n", "Half a\nsentence.\n"])
def test_a_line_with_more_or_less_is_found(text: str) -> None:
    """Two sentences, or a part of one."""
    assert 1 == len(sentences_in_line(text))
