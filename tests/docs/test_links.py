"""Every link of the pages leads somewhere: to a file that git has, and to a heading in it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import tooling
from for_each import for_each

pages = tooling.markdown_pages()
site = tooling.build_site()
ROOT: Path = pages.ROOT

#: The programs of litmus/, by name.
PROGRAMS = {path.stem for path in (ROOT / "litmus").rglob("*.pfn")}


@cache
def kept() -> frozenset[str]:
    """The files that git has or would add and the pages of the reference, and their folders."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    listed += site.PLACES
    return frozenset({*listed, *(str(above) for name in listed for above in Path(name).parents)})


def dead_links(text: str, page: Path) -> Iterator[str]:
    """The links of a page that lead nowhere."""
    for link in pages.links(text):
        written, _, anchor = link.target.partition("#")
        if "://" in written or written.startswith("mailto:"):
            continue
        path = Path(os.path.normpath(page.parent / written)) if written else page
        name = os.path.relpath(path, ROOT)
        if written and name not in kept():
            yield f"{link.line}: {link.target}: git has no such file"
        elif anchor and path.suffix == ".md":
            there = text if path == page else site.page_text(name)
            if anchor not in pages.anchors(there):
                yield f"{link.line}: {link.target}: there is no such heading"


@for_each("name", site.page_names())
def test_links_lead_somewhere(name: str) -> None:
    """Files and headings, of the reference too, which git has not."""
    assert [] == list(dead_links(site.page_text(name), ROOT / name))


@for_each("name", site.page_names())
def test_programs_a_page_runs_are_there(name: str) -> None:
    """By name or by file."""
    text = site.page_text(name)
    named = re.findall(r"pfnlab run ([a-z]\w*(?:-\w+)+)(?=[ `\n])", text)

    assert set() == {*named} - PROGRAMS
    assert set() == {*re.findall(r"\blitmus/[a-z-]+/([a-z\d-]+)\.pfn", text)} - PROGRAMS


@for_each(
    ("target", "dead"),
    [
        ("README.md", False),
        ("README.md#installation", False),
        ("README.md#instalation", True),
        ("docs/reference/commands.md#pfnlab-run", False),
        ("docs/reference/commands.md#pfnlab-runs", True),
        ("docs/reference/command.md", True),
        ("REDME.md", True),
        ("#here-and-there", False),
        ("#nowhere", True),
        ("https://example.com/nowhere", False),
        ("build/news.txt", True),
    ],
)
def test_a_dead_link_is_found(target: str, dead: bool) -> None:
    """A file that is not there, or not in git, and a heading that is not there."""
    text = f"# Page\n\n## Here, and `there`\n\n[a link]({target})\n"

    assert dead == bool(list(dead_links(text, ROOT / "page.md")))


def test_a_second_heading_of_one_name_has_a_number() -> None:
    """As GitHub has it."""
    assert ["a-b", "a-b-1", "c_d"] == pages.anchors("# A b\n\n## A b\n\n## `c_d`!\n")
