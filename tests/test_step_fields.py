"""Texts of a step are read in ``programs/runs/`` alone: others take values, read from the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "pfnlab"

#: The room that writes the texts and reads them.
HERE = "programs/runs/"

#: The fields of a step that are texts and have values.
FIELDS = frozenset({"entry", "tracked", "direct_map"})

#: Methods that look into a text, and those of a regular expression.
LOOKS = frozenset({"startswith", "endswith", "find", "index", "partition", "rpartition", "split", "rsplit"})
LOOKS |= {"removeprefix", "removesuffix"}
PATTERNS = frozenset({"match", "search", "fullmatch", "findall", "finditer", "sub"})


def fields_in(node: ast.AST) -> bool:
    """Whether an expression has a field of a step."""
    return any(isinstance(part, ast.Attribute) and part.attr in FIELDS for part in ast.walk(node))


def elements(tree: ast.Module) -> set[str]:
    """The names that stand for an element of such a field in a loop."""
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For | ast.comprehension)]
    return {
        loop.target.id for loop in loops if isinstance(loop.target, ast.Name) and fields_in(loop.iter)
    } - {"entry"}


def reading(tree: ast.Module) -> Iterator[int]:
    """The lines of a module that look into a text of a step."""
    own = elements(tree)

    def is_text(node: ast.AST) -> bool:
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        return fields_in(node) or bool(names & own)

    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            asked, of = node.func.attr, node.func.value
            if (asked in LOOKS and is_text(of)) or (asked in PATTERNS and any(map(is_text, node.args))):
                yield node.lineno
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            words = isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
            if words and isinstance(node.comparators[0], ast.Attribute) and is_text(node.comparators[0]):
                yield node.lineno
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute):
            yield from [node.lineno] * (node.value.attr == "entry")


def test_only_one_room_reads_texts_of_a_step() -> None:
    """Five rooms had a parser of their own, and each knew another part of the form."""
    paths = sorted(SOURCE.rglob("*.py"))
    names = [(path.relative_to(SOURCE).as_posix(), path) for path in paths]

    found = [
        f"{name}:{line}"
        for name, path in names
        if not name.startswith(HERE)
        for line in reading(ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert [] == found


@pytest.mark.parametrize(
    "line",
    [
        'run.entry.startswith("L")',
        "level, mode, *words = run.entry.split()",
        "level = int(run.entry[1])",
        '" !P" not in run.entry',
        "any(line.startswith(whole) for line in self.step.tracked or ())",
        "matches = [_COUNTED.fullmatch(line) for line in self.step.tracked or ()]",
        "for line in step.tracked or ():\n    first, *rest = line.split()",
        'place = [line.rpartition(" ") for line in step.direct_map or ()]',
    ],
)
def test_a_reader_of_its_own_is_noticed(line: str) -> None:
    """Each of these was one."""
    assert list(reading(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        "run.table_entry.maps",
        "before.entry != after.entry",
        "[one.refs for one in step.tracked_ranges]",
        'says = f"maps {pte.entry}"',
    ],
)
def test_values_and_printing_are_none(line: str) -> None:
    """Texts may be compared as a whole, and printed."""
    assert not list(reading(ast.parse(line)))
