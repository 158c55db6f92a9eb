"""The drawing of packages and rooms in ``ARCHITECTURE.md``: ``draw_rooms.py [--write]``.

One line a package or room, in the order of imports: how many modules it has, and the first sentence of its
docstring.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "pfnlab"
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- rooms: `python tools/draw_rooms.py --write` -->\n", "<!-- end of rooms -->\n"

#: Packages in the order of imports, each with its rooms in theirs; what lies beside rooms comes after them.
ORDER = {
    "store": (),
    "hw": (),
    "mm": ("users",),
    "policies": ("reports", "walkers", "flushes", "trackers"),
    "bugs": (),
    "programs": ("lang", "runs", "model"),
    "reproducers": (),
    "checker": ("search", "kernel", "races"),
    "judging": (),
    "lens": (),
    "messages": (),
    "inspector": ("parsing", "sources", "finding"),
    "lab": ("images", "vm", "building", "steering", "running"),
    "report": (),
    "claims": (),
    "picture": (),
    "fuzz": (),
    "sweep": (),
    "meeting": (),
    "cluster": (),
    "document": (),
    "verbs": (),
    "campaign": (),
    "explorer": (),
    "api": (),
    "cli": (),
}


def drawing() -> str:
    """The drawing, a block of text."""
    rows = [row for package, rooms in ORDER.items() for row in _rows(package, rooms)]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"{name:<{widths[0]}}  {count:>{widths[1]}}  {door}" for name, count, door in rows]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def _rows(package: str, rooms: tuple[str, ...]) -> list[tuple[str, str, str]]:
    found = [(f"{package}/", _count(SOURCE / package), door(SOURCE / package))]
    return [
        *found,
        *((f"  {room}/", _count(SOURCE / package / room), door(SOURCE / package / room)) for room in rooms),
    ]


def _count(folder: Path) -> str:
    return str(sum(path.name != "__init__.py" for path in folder.glob("*.py")))


def door(folder: Path) -> str:
    """The first sentence of a package's docstring; every room has one."""
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert text, f"{folder} has no docstring"
    first = text.split("\n\n")[0].replace("\n", " ")
    return first.split(". ")[0].removesuffix(".") + "."


def drawn(page: str) -> str:
    """*page* with the drawing anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + drawing() + END + after


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(drawing(), end="")
