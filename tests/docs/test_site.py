"""The site: every page is in its navigation once, links follow their pages, files become pages."""

from __future__ import annotations

from pathlib import Path

import pytest
import tooling

site = tooling.build_site()
tables = tooling.site_tables()
pages = tooling.markdown_pages()

NAMES = site.page_names()


def test_every_page_is_in_the_navigation() -> None:
    """Once."""
    assert [] == site.orphans(site.contents(), NAMES)


def test_a_page_in_no_part_is_found() -> None:
    """And an entry that is no page, and a page in two parts."""
    parts = [site.Part("One", ("a.md", "b.md"), {"b.md": ("a.md",)})]

    assert ["c.md", "a.md"] == site.orphans(parts, ["docs/index.md", "a.md", "b.md", "c.md"])


def test_the_sidebar_is_short() -> None:
    """The pages below another one are shown once that is open."""
    assert 30 >= sum(len(part.pages) for part in site.contents())


def test_a_table_needs_its_longest_words() -> None:
    """In each column, head included, with the white space of the cell."""
    rows = [["a", "kernel"], ["one two", "6.16,without"]]

    assert len("one") + 3 + len("6.16,without") + 3 == tables.needed(rows)


def test_a_page_with_a_table_that_does_not_fit_is_found() -> None:
    """The kernels by series have more columns than there is room for."""
    text = site.page_text("docs/kernels.md")
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]

    assert tables.needed([row for row in cells if len(row) == len(cells[0])]) > tables.WIDTH


def test_links_follow_the_pages_of_docs_to_the_top() -> None:
    """Anchors stay; other sites and code are left alone."""
    text = "[a](../README.md#uses) [b](check.md) [c](https://a.b) `d`\n\n    [e](../README.md)\n"
    moved, files = site.followed(text, "docs/fuzz.md")

    assert "[a](README.md#uses) [b](check.md) [c](https://a.b) `d`\n\n    [e](../README.md)\n" == moved
    assert [] == files


def test_a_link_to_a_program_makes_a_page() -> None:
    """With its title, its text and how to run it."""
    moved, files = site.followed("[a](../litmus/unmapping/munmap-middle.pfn)", "docs/fuzz.md")

    assert "[a](litmus/unmapping/munmap-middle.pfn.md)" == moved
    assert ["litmus/unmapping/munmap-middle.pfn"] == files
    assert "# Unmapping the middle first\n" in site.file_page(files[0])
    assert "````pfn\npfnlab program 1\n" in site.file_page(files[0])


def test_a_notebook_is_its_words_code_and_outputs() -> None:
    """Not the text of its file."""
    page = site.file_page("examples/tour.ipynb")

    assert "\n# A tour of pfnlab\n" in page
    assert "```python\nimport pfnlab as pl\n" in page
    assert "```text\nbar[0:8] wc  LEAKED\n```" in page
    assert "cell_type" not in page


@pytest.mark.parametrize(
    ("link", "dead"),
    [
        ("b.html", False),
        ("b.html#here", False),
        ("b.html#there", True),
        ("c.html", True),
        ("#top", False),
        ("https://example.com/nowhere", False),
    ],
)
def test_a_dead_link_of_the_site_is_found(link: str, dead: bool, tmp_path: Path) -> None:
    """Anchors too; other sites are not asked."""
    (tmp_path / "a.html").write_text(f'<p id="top"><a href="{link}">a link</a></p>')
    (tmp_path / "b.html").write_text('<p id="here">a paragraph</p>')

    assert ([f"a.html: {link}: leads nowhere"] if dead else []) == site.dead_targets(tmp_path)
