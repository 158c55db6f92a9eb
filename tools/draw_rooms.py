"""The order of imports, and its drawing in ``ARCHITECTURE.md``: ``draw_rooms.py [--write]``.

One line a package or room, in the order of imports: how many modules it has, and the first sentence of its
docstring.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "pfnlab"
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- rooms: `python tools/draw_rooms.py --write` -->\n", "<!-- end of rooms -->\n"

#: The wings, each with its parts in the order of imports: a part imports itself and parts of the lines above,
#: never its equals. A part is a package, a room of one or a module; what lies in a package beside such rooms
#: and modules comes where the package stands. Verbs about campaigns and of the explorer have lines of their
#: own, for shards and the page perform the other verbs. tests/test_layers.py and tests/test_wings.py hold it.
WINGS: dict[str, tuple[tuple[str, ...], ...]] = {
    "base": (
        ("units", "version"),
        ("errors", "trace", "inert"),
        ("path_walk",),
        ("whole_file",),
        ("files", "endings"),
        ("own_code", "branches", "progress", "made", "extras", "schema_files", "toml_text", "json_text"),
        ("worker", "result", "wildcards"),
        ("processes", "supervised"),
    ),
    "kernel": (("hw",), ("mm.flags",), ("mm",), ("policies",), ("design",), ("bugs",)),
    "programs": (
        ("programs.lang",),
        ("programs.runs",),
        ("report.step_json", "report.cells"),
        ("report.golden",),
        ("programs.model",),
        ("programs",),
    ),
    "checker": (("checker.search",), ("checker.kernel",), ("checker.races",), ("checker",), ("judging",)),
    "lab": (
        ("lens",),
        ("lab.images",),
        ("lab.vm",),
        ("lab.building",),
        ("lab.steering",),
        ("lab.running",),
        ("report.kernel_sizes",),
        ("report.growth",),
        ("lab",),
    ),
    "discussions": (("claims",), ("meeting.changed_claims",)),
    "hunt": (("fuzz",), ("sweep",), ("meeting",)),
    "export": (("reproducers",),),
    "diagnosis": (("messages",), ("inspector",)),
    "campaign": (("store",), ("cluster",), ("report.campaigns",), ("campaign",)),
    "present": (("report",), ("picture",), ("document",)),
    "faces": (
        ("verbs",),
        ("verbs.campaign_new", "verbs.campaign_check", "verbs.campaign_stop"),
        ("verbs.campaign_run", "verbs.campaign_status", "verbs.campaign_report", "verbs.results"),
        ("verbs.campaign_resume", "verbs.campaign_results"),
        ("explorer",),
        ("verbs.explore",),
        ("api",),
        ("cli",),
        ("__main__",),
    ),
}

#: Parts that know nothing of what comes before them but these.
ALONE: dict[str, tuple[str, ...]] = {
    "checker.search": (
        *("units", "version", "errors", "inert", "path_walk", "whole_file", "files"),
        *("own_code", "worker", "processes", "extras"),
    ),
    "lens": ("units", "errors", "inert", "whole_file", "path_walk", "files", "extras", "hw", "mm.flags"),
    "store": ("units", "errors", "inert", "path_walk", "whole_file", "files", "extras"),
}

#: The place of each part in the order of imports.
RANK = {
    part: rank
    for rank, parts in enumerate(line for lines in WINGS.values() for line in lines)
    for part in parts
}

#: The wing of each part.
WING_OF = {part: wing for wing, lines in WINGS.items() for line in lines for part in line}


def part_of(module: str) -> str | None:
    """The part that a module belongs to, the narrowest; None where it is in none.

    :param module: its dotted name behind ``pfnlab.``, which may go on to what the module has
    """
    words = module.split(".")
    names = (".".join(words[:count]) for count in range(len(words), 0, -1))
    return next((name for name in names if name in RANK), None)


def drawing() -> str:
    """The drawing, a block of text."""
    rows = list(_rows(SOURCE, ()))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"{name:<{widths[0]}}  {count:>{widths[1]}}  {door}" for name, count, door in rows]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def _rows(folder: Path, within: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """A row for each package in *folder*, followed by those of its rooms."""
    names = [path.parent.name for path in folder.glob("*/__init__.py")]
    for name in sorted(names, key=lambda name: (_place(".".join((*within, name))), name)):
        room = folder / name
        yield f"{'  ' * len(within)}{name}/", _count(room), door(room)
        yield from _rows(room, (*within, name))


def _place(package: str) -> int:
    """Where a package is drawn: at its own line, else at the first of its rooms that has one."""
    within = (rank for part, rank in RANK.items() if part.startswith(f"{package}."))
    return RANK.get(package, min(within, default=len(RANK)))


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
