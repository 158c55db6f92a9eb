"""The drawing in ARCHITECTURE.md, and the sentence at the door of each room."""

from __future__ import annotations

import re
from pathlib import Path

import tooling
from for_each import for_each

draw_rooms = tooling.draw_rooms()


def test_the_drawing_is_current() -> None:
    """`python tools/draw_rooms.py --write` makes it."""
    page = draw_rooms.PAGE.read_text(encoding="utf-8")

    assert draw_rooms.drawn(page) == page


def test_every_package_and_room_is_drawn() -> None:
    """A line each."""
    here = [path.parent.name for path in draw_rooms.SOURCE.glob("*/**/__init__.py")]

    drawn = [line.split("/")[0].strip() for line in draw_rooms.drawing().splitlines()[1:-1] if line]

    assert sorted(here) == sorted(drawn)


@for_each("part", draw_rooms.RANK)
def test_a_part_in_the_order_of_imports_is_there(part: str) -> None:
    """A package, or a module."""
    path = draw_rooms.SOURCE / part.replace(".", "/")

    assert path.is_dir() or path.with_suffix(".py").is_file()


def test_a_changed_page_is_noticed() -> None:
    """A line more in the drawing is no longer current."""
    page = draw_rooms.PAGE.read_text(encoding="utf-8").replace(
        "```text\n", "```text\nelsewhere/  1  A room.\n", 1
    )

    assert draw_rooms.drawn(page) != page


@for_each("folder", [path.parent for path in sorted(draw_rooms.SOURCE.rglob("__init__.py"))])
def test_a_room_says_what_it_is_for(folder: Path) -> None:
    """In one sentence at its door that fits a line of the drawing."""
    assert 10 < len(draw_rooms.door(folder)) <= 110


#: Files that a page names, with a slash or without.
_FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|json|md|c|pxd))`")


def absent(text: str) -> list[str]:
    """The files in a text that are nowhere in the source or the repository."""
    every = {path.name for path in draw_rooms.SOURCE.rglob("*.*")}
    return [
        name
        for name in _FILE.findall(text)
        if not any((root / name).exists() for root in (draw_rooms.SOURCE, draw_rooms.ROOT))
        and ("/" in name or name not in every)
    ]


#: The pages that say where things are.
_NAMING = ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/decisions/*.md"]


@for_each("page", [path for names in _NAMING for path in sorted(draw_rooms.ROOT.glob(names))])
def test_the_files_a_page_names_are_there(page: Path) -> None:
    """A file that moved takes its mention along."""
    assert [] == absent(page.read_text(encoding="utf-8"))


def test_a_file_that_is_gone_is_noticed() -> None:
    """With its folder, and without."""
    assert ["kernel/mm/nothing.py", "nothing.py"] == absent(
        "`kernel/mm/nothing.py`, `nothing.py`, `kernel/mm/unmap.py`, `unmap.py`"
    )
