"""docs/decisions: a page for each decision, with its reason, and an index of all."""

from __future__ import annotations

import tooling

pages = tooling.markdown_pages()
INDEX = pages.ROOT / "docs" / "decisions.md"
PAGES = sorted((pages.ROOT / "docs" / "decisions").glob("*.md"))


def test_the_index_has_every_decision() -> None:
    """In order, by number and title, without a gap."""
    titles = [pages.title(page.read_text(encoding="utf-8")).partition(" ") for page in PAGES]

    expected = [
        f"- [{number:03}](decisions/{page.name}) {title}"
        for number, (page, (_, _, title)) in enumerate(zip(PAGES, titles, strict=True), 1)
    ]

    assert expected == [
        line for line in INDEX.read_text(encoding="utf-8").splitlines() if line.startswith("- ")
    ]
    assert [page.name[:3] for page in PAGES] == [number for number, _, _ in titles]


def test_every_decision_has_a_reason() -> None:
    """After the decision itself, and before what was considered."""
    headings = [
        [line for line in page.read_text(encoding="utf-8").splitlines() if line[:1] == "#"] for page in PAGES
    ]

    assert [] == [
        every[0] for every in headings if every[1:] not in (["## Why"], ["## Why", "## Considered"])
    ]
