"""Words of pages and help that stand for one thing."""

from __future__ import annotations

import re

import tooling

from pfnlab.cli.verbs import verb_pages

pages = tooling.markdown_pages()


def test_a_seed_is_what_random_numbers_begin_with() -> None:
    """The discussions that this project began with have numbers, and another name."""
    texts = {path: path.read_text(encoding="utf-8") for path in pages.page_files()}

    said = [str(path) for path, text in texts.items() if re.search(r"\bseeds? 00\d", text, re.I)]

    assert [] == said


def test_every_seed_of_a_verb_has_the_same_meaning() -> None:
    """What another number changes follows it."""
    meanings = {
        page.name: option.says for page in verb_pages() for option in page.options if "--seed" in option.names
    }

    assert {"What random numbers begin with"} == {says.partition(":")[0] for says in meanings.values()}
