"""Texts read as English: foreign idioms become fewer."""

from functools import cache
from pathlib import Path

import tooling
from for_each import for_each

idioms = tooling.idioms()

#: The hits on each surface: quotations, names, and texts that are still to be rewritten.
LIMITS = {"help": 0, "messages": 28, "docstrings": 93, "docs": 36, "programs": 0, "web": 0}


#: All texts are read once.
counts = cache(idioms.counts)


@for_each(("surface", "limit"), list(LIMITS.items()))
def test_idioms_become_fewer(surface: str, limit: int) -> None:
    """`python tools/idioms.py --list SURFACE` names them, with a plain form for each."""
    assert limit >= counts()[surface]


@for_each(
    ("file", "text", "surface"),
    [
        ("src/pfnlab/verbs/a.py", 'A = "Nobody maps it any more, here"', "help"),
        ("src/pfnlab/base/a.py", 'A = "this is no store of it"', "messages"),
        ("src/pfnlab/base/a.toml", 'says = "what is left stands in the book once more"', "messages"),
        ("evidence/a.py", '"""What is asked."""', "docstrings"),
        ("docs/a.md", "It is given back behind the last one.", "docs"),
        ("litmus/a.pfn", "title What nobody maps", "programs"),
        ("web/source/a.js", "// it goes on beside the others", "web"),
    ],
)
def test_a_foreign_text_is_found(tmp_path: Path, file: str, text: str, surface: str) -> None:
    """On every surface."""
    root = tmp_path / file.replace("/", "-")
    path = root / file
    path.parent.mkdir(parents=True)
    path.write_text(f"{text}\n", encoding="utf-8")

    assert {surface} == {hit.surface for hit in idioms.hits(root)}


def test_a_native_text_is_not(tmp_path: Path) -> None:
    """Names of keys and code are no sentences."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(
        "It is no longer mapped.\n```\nwhat is left\n```\n", encoding="utf-8"
    )

    assert [] == list(idioms.hits(tmp_path))
