"""Every property has one declaration, and whatever names it reads the declaration."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import tooling
from for_each import for_each

from pfnlab.checker.judging.run_properties import PROPERTIES
from pfnlab.checker.scopes import properties
from pfnlab.programs.runs import memory_faults

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "src" / "pfnlab"

write_properties = tooling.write_properties()

#: Names that are words of other vocabularies too: fields, flags, events, parts of results.
_WORDS = {
    *("direct_map", "split", "shared", "copied", "exact", "reached", "flushed", "notified", "counters"),
    "unmapped",
}


def named(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a source that spell the name of a property, except the first word of a declaration."""
    tree = ast.parse(text)
    own = {
        id(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) == "KernelProperty"
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and node.value in PROPERTIES.keys() - _WORDS
            and id(node) not in own
        ):
            yield node.lineno, node.value


def test_the_name_of_a_property_is_spelled_only_where_it_is_declared() -> None:
    """Code about one special property imports its declaration, e.g. ``no_leak.name``."""
    found = {
        str(path.relative_to(SOURCE)): lines
        for path in sorted(SOURCE.rglob("*.py"))
        if (lines := list(named(path.read_text(encoding="utf-8"))))
    }

    assert {} == found


def test_a_second_spelling_is_found() -> None:
    """The first one is that of a declaration."""
    text = 'no_leak = KernelProperty("no_leak", "No leak")\nif name == "no_leak":\n    pass\n'

    assert [(2, "no_leak")] == list(named(text))


def test_every_module_of_judges_is_read() -> None:
    """Its properties would be asked nowhere."""
    imported = {name for name in vars(properties) if name.endswith("_judges")}

    assert {path.stem for path in SOURCE.joinpath("checker", "scopes").glob("*_judges.py")} == imported


def test_a_property_of_memory_is_called_like_its_declaration() -> None:
    """Whoever imports it gets the name."""
    for name in memory_faults.__dict__.keys() & PROPERTIES.keys():
        assert name == getattr(memory_faults, name).name


@for_each("page", list(write_properties.PAGES), ids=lambda page: page.name)
def test_the_tables_of_properties_are_up_to_date(page: Path) -> None:
    """`python tools/write_properties.py --write` writes them."""
    assert write_properties.written(page) == page.read_text(encoding="utf-8")


def test_the_losses_that_rank_bugs_are_those_of_the_declarations() -> None:
    """The same command writes them."""
    assert write_properties.losses() == write_properties.LOSSES.read_text(encoding="utf-8")


def test_every_property_has_a_row_in_the_pages() -> None:
    """Each that can be violated."""
    text = "".join(page.read_text(encoding="utf-8") for page in write_properties.PAGES)
    rows = set(re.findall(r"`(\w+)`", "".join(line for line in text.splitlines() if line.startswith("| `"))))

    assert {one.name for one in PROPERTIES.values() if one.happens} <= rows
