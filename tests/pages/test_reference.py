"""docs/reference: every page is what the code says today."""

from __future__ import annotations

import pytest
import tooling

reference = tooling.write_reference()


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_page_is_what_the_code_says(name: str) -> None:
    """``make pages`` writes it."""
    assert reference.PAGES[name]() == (reference.FOLDER / f"{name}.md").read_text(encoding="utf-8")


def test_every_page_of_the_folder_is_made() -> None:
    """None is left of something that is gone."""
    assert sorted(reference.PAGES) == sorted(path.stem for path in reference.FOLDER.glob("*.md"))


def test_every_option_has_its_meaning() -> None:
    """No verb has an option without a sentence."""
    assert [] == [
        line
        for line in reference.commands().splitlines()
        if line.startswith("| `-") and line.endswith("| - |")
    ]
