"""docs/reference: every page is what the code says today."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import tooling
from for_each import for_each

reference = tooling.write_reference()
shown = tooling.shown()


def test_the_pages_are_written_to_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that the site has, and none is left of something that is gone."""
    (tmp_path / "docs" / "reference").mkdir(parents=True)
    (tmp_path / "docs" / "reference" / "gone.md").touch()
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(reference, "FOLDER", tmp_path / "docs" / "reference")
    monkeypatch.setattr(reference, "PLACES", {"docs/reference/one.md": lambda: "# One\n"})

    reference.main()

    assert {"one.md": "# One\n"} == {path.name: path.read_text() for path in reference.FOLDER.iterdir()}


def test_git_has_no_made_page() -> None:
    """What is made of the code is in no commit."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "docs/reference"]

    listed = subprocess.run(command, cwd=reference.ROOT, capture_output=True, text=True, check=True).stdout

    assert "" == listed


@for_each("name", reference.PLACES)
def test_every_command_of_a_page_exists(name: str) -> None:
    """Verbs and options."""
    assert [] == shown.unknown_forms(reference.PLACES[name](), name)


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
