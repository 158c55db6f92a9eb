"""Words of pages and help that stand for one thing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import tooling

from pfnlab.cli.verbs import verb_pages

pages = tooling.markdown_pages()


def test_a_seed_is_what_random_numbers_begin_with() -> None:
    """The discussions that this project began with have numbers, and another name."""
    texts = {path: path.read_text(encoding="utf-8") for path in pages.page_files()}

    said = [str(path) for path, text in texts.items() if re.search(r"\bseeds? 00\d", text, re.I)]

    assert [] == said


def test_every_seed_of_a_verb_has_the_same_meaning() -> None:
    """In every help."""
    meanings = {
        page.name: option.help for page in verb_pages() for option in page.options if "--seed" in option.names
    }

    assert all(says.startswith("Random seed") for says in meanings.values())


#: Words that had another meaning beside that of the field: comparing, and a default.
FOREIGN = re.compile(r"\b(?i:hold|holds|holding|held)\b[^.|]{0,60}?\bagainst\b|\bWithout it:")

ROOT = Path(__file__).parents[2]


def foreign(texts: Mapping[str, str]) -> dict[str, list[str]]:
    """The texts with such words, and the words."""
    found = {name: FOREIGN.findall(text) for name, text in texts.items()}
    return {name: words for name, words in found.items() if words}


def test_kernels_are_compared_with_models() -> None:
    """In every page but the changelog, in help, messages and comments."""
    files = [path for path in pages.page_files() if path.name != "CHANGELOG.md"]
    files += [Path("Makefile"), Path("pyproject.toml")]
    for folder in ("src", "evidence", "tools"):
        files += [path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py")]

    assert {} == foreign({str(path): (ROOT / path).read_text(encoding="utf-8") for path in files})


@pytest.mark.parametrize("text", ["a kernel,\nheld against its model", "Without it: 3"])
def test_a_foreign_word_is_noticed(text: str) -> None:
    """Also where it goes over a line."""
    assert ["page"] == list(foreign({"page": text, "other": "held by munmap"}))
