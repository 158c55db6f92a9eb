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


def without_meaning(page: str) -> list[str]:
    """The rows of a page's tables that end with nothing said."""
    return [line for line in page.splitlines() if line.startswith("| `") and line.endswith("| - |")]


@pytest.mark.parametrize("name", ["commands", "observations", "schemas"])
def test_everything_has_its_meaning(name: str) -> None:
    """No option, no field and no key of JSON is without a sentence."""
    assert [] == without_meaning(reference.PAGES[name]())


def test_a_row_without_meaning_is_found() -> None:
    """Others are not."""
    assert ["| `b` | string | - |"] == without_meaning("| `a` | string | A. |\n| `b` | string | - |\n")
