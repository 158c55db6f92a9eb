"""The import order, and its drawing in ``ARCHITECTURE.md``: ``draw_rooms.py [--write]``.

One line per package or room, in import order, with its number of modules and the first sentence of its
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

#: The wings, each with its parts in the order of imports: a part imports itself and parts of earlier lines,
#: never its equals. A part is a package, a room of one or a module; the rest of a package with such rooms and
#: modules comes at the package's line. Verbs about campaigns and those that serve have separate lines,
#: because shards and clients perform the other verbs. tests/test_layers.py and tests/test_wings.py enforce
#: it.
WINGS: dict[str, tuple[tuple[str, ...], ...]] = {
    "base": (
        ("base.units", "base.version", "base.spelling", "base.part_times"),
        ("base.errors", "base.trace", "base.inert", "base.memory_limit"),
        ("base.path_walk",),
        ("base.whole_file",),
        ("base.files", "base.endings"),
        (
            *("base.own_code", "base.progress", "base.made", "base.extras"),
            *("base.schema_files", "base.toml_text", "base.json_text", "base.terminal_text"),
        ),
        ("base.worker", "base.result", "base.wildcards"),
        ("base.processes", "base.supervised", "base.answerer"),
    ),
    "kernel": (
        ("kernel.hw",),
        ("kernel.mm.flags",),
        ("kernel.mm",),
        ("kernel.policies",),
        ("design",),
        ("kernel.bugs",),
        ("kernel.functions",),
    ),
    "programs": (
        ("programs.runs.kernel_property",),
        ("programs.runs.memory_faults",),
        ("programs.lang",),
        ("programs.cases",),
        ("programs.runs",),
        ("programs.model",),
        ("programs",),
    ),
    "checker": (
        ("checker.search",),
        ("checker.scopes",),
        ("checker.races",),
        ("checker.review",),
        ("checker.judging",),
        ("checker",),
    ),
    "lab": (
        ("lab.lens",),
        ("lab.images",),
        ("lab.vm",),
        ("lab.building",),
        ("lab.steering",),
        ("lab.running",),
        ("lab.sizes",),
        ("lab",),
    ),
    "discussions": (("discussions",),),
    "hunt": (("hunt.sweep",), ("hunt.fuzz",), ("hunt.meeting",)),
    "export": (("export",),),
    "diagnosis": (("diagnosis.messages",), ("diagnosis.inspector",), ("diagnosis",)),
    "campaign": (("campaign.store",), ("campaign.cluster",), ("campaign",)),
    "present": (("present.report",), ("present.picture",), ("present.document",)),
    "faces": (
        ("verbs",),
        ("verbs.campaign_results",),
        ("verbs.campaign",),
        ("explorer",),
        ("verbs.explore",),
        ("api",),
        ("cli",),
        ("mcp",),
        ("verbs.mcp",),
        ("__main__",),
    ),
}

#: Parts that may import only some of the parts before them, as listed.
ALONE: dict[str, tuple[str, ...]] = {
    "checker.search": (
        *("base.units", "base.version", "base.errors", "base.inert", "base.path_walk", "base.whole_file"),
        *("base.files", "base.own_code", "base.worker", "base.processes", "base.extras"),
    ),
    "lab.lens": (
        *("base.units", "base.errors", "base.inert", "base.whole_file", "base.path_walk", "base.files"),
        *("base.extras", "kernel.hw", "kernel.mm.flags", "programs.runs.memory_faults"),
    ),
    "campaign.store": (
        *("base.units", "base.errors", "base.inert", "base.path_walk", "base.whole_file"),
        # What is stored is what is printed, so it says which keys are always printed.
        *("base.files", "base.extras", "base.result"),
    ),
}

#: The position of each part in import order.
RANK = {
    part: rank
    for rank, parts in enumerate(line for lines in WINGS.values() for line in lines)
    for part in parts
}

#: The wing of each part.
WING_OF = {part: wing for wing, lines in WINGS.items() for line in lines for part in line}


def part_of(module: str) -> str | None:
    """Return the narrowest part that a module belongs to; None if it belongs to none.

    :param module: its dotted name after ``pfnlab.``; may include a name in the module
    """
    words = module.split(".")
    names = (".".join(words[:count]) for count in range(len(words), 0, -1))
    return next((name for name in names if name in RANK), None)


def drawing() -> str:
    """Return the drawing, a text block with a plate for each wing."""
    rows = list(_rows(SOURCE, ()))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    plates: dict[str, list[str]] = {wing: [] for wing in WINGS}
    wing = ""
    for name, count, sentence in rows:
        if not name.startswith(" "):
            package = name.rstrip("/")
            wing = package if package in WINGS else WING_OF[package]
        plates[wing].append(f"{name:<{widths[0]}}  {count:>{widths[1]}}  {sentence}")
    return "```text\n" + "\n\n".join("\n".join(lines) for lines in plates.values()) + "\n```\n"


def _rows(folder: Path, within: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """Yield a row for each package in *folder*, followed by the rows for its rooms."""
    names = [path.parent.name for path in folder.glob("*/__init__.py")]
    for name in sorted(names, key=lambda name: (_place(".".join((*within, name))), name)):
        room = folder / name
        yield f"{'  ' * len(within)}{name}/", _count(room), door(room)
        yield from _rows(room, (*within, name))


def _place(package: str) -> int:
    """Return a package's position in the drawing: its own line, or that of its first room that has one."""
    within = (rank for part, rank in RANK.items() if part.startswith(f"{package}."))
    return RANK.get(package, min(within, default=len(RANK)))


def _count(folder: Path) -> str:
    return str(sum(path.name != "__init__.py" for path in folder.glob("*.py")))


def door(folder: Path) -> str:
    """Return the first sentence of a package's docstring; every room has one."""
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert text, f"{folder} has no docstring"
    first = text.split("\n\n")[0].replace("\n", " ")
    return first.split(". ")[0].removesuffix(".") + "."


def drawn(page: str) -> str:
    """Return *page* with the drawing regenerated."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + drawing() + END + after


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(drawing(), end="")
