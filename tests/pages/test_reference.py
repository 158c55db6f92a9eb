"""docs/reference: every page is what the code says today."""

from __future__ import annotations

import re

import pytest
import tooling
from for_each import for_each

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


@for_each("name", reference.PAGES)
def test_code_has_no_backslash_before_a_sign_of_markdown(name: str) -> None:
    """Code is shown letter by letter."""
    spans = re.findall(r"`([^`\n]+)`", reference.PAGES[name]())

    assert [] == [span for span in spans if re.search(r"\\[<\[*_]", span)]


def test_an_angle_bracket_outside_code_is_no_tag() -> None:
    """In code it stands as it is."""
    assert r"`L<n>` and \<n>" == reference._plain("``L<n>`` and <n>")


def test_a_scope_without_a_depth_says_so() -> None:
    """One with a depth has its number."""
    rows = [line for line in reference.properties().splitlines() if line.startswith("| `ends_areas` |")]

    assert ["sequences of any length"] == [row.split(" | ")[-1].removesuffix(" |") for row in rows]


def test_no_sentence_ends_before_a_semicolon() -> None:
    """Errors of one exit code are a list."""
    assert ".;" not in reference.exit_codes()
