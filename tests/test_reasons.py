"""Reasons are values: nothing decides by the words of a message, read from the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "pfnlab"

#: Where an error says that the model has no answer.
MODEL = ("kernel/hw", "kernel/mm", "kernel/policies", "programs/model")

#: Names of what has a reason in words: of runs, of searches, of errors.
REASONS = frozenset({"lost", "undecided", "unfinished", "reason", "reasons", "verdict", "cut"})

#: Methods that look into a text, where they are called with what they look for.
LOOKS = frozenset({"startswith", "endswith", "find", "index", "partition", "rpartition", "split"})
LOOKS |= {"removeprefix", "removesuffix"}

#: Methods of a regular expression.
PATTERNS = frozenset({"match", "search", "fullmatch", "findall", "finditer", "sub"})

#: Files whose texts are no messages of ours, or which decide nothing by them.
FOREIGN = {
    "base/toml_text.py": "msgspec has no other way to say which key or value is wrong",
    "mcp/verb_tools.py": "msgspec has no other way to say which argument is wrong",
    "base/extras.py": "Python itself has no other way to say which library is missing",
    "hunt/fuzz/value_shape.py": "the title of a crash, without numbers, tells one finding from another",
    "lab/images/archive.py": "apt has no other way to say why it failed",
}


def named(node: ast.AST) -> set[str]:
    """The names and attributes in an expression."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} | {
        part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)
    }


def has_reason(node: ast.AST, caught: frozenset[str]) -> bool:
    """Whether an expression has the words of a reason, or of an error among *caught*."""
    of_error = any(
        isinstance(part, ast.Call)
        and isinstance(part.func, ast.Name)
        and part.func.id == "str"
        and named(part) & caught
        for part in ast.walk(node)
    )
    return bool(named(node) & REASONS) or of_error


def decides(node: ast.AST, caught: frozenset[str] = frozenset()) -> bool:
    """Whether *node* looks into the words of a reason."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        asked = node.func.attr
        if asked in PATTERNS and any(has_reason(argument, caught) for argument in node.args):
            return True
        return asked in LOOKS and bool(node.args) and has_reason(node.func.value, caught)
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        words = isinstance(node.left, ast.JoinedStr) or (
            isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
        )
        return words and has_reason(node.comparators[0], caught)
    return False


def deciding(tree: ast.Module) -> Iterator[int]:
    """The lines of a module that look into the words of a reason."""
    caught = {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name}
    for node in ast.walk(tree):
        if decides(node, frozenset(caught)):
            yield node.lineno


def trees(*under: str) -> Iterator[tuple[str, ast.Module]]:
    """The modules of the package or of parts of it, by path."""
    for folder in under or ("",):
        for path in sorted((SOURCE / folder).rglob("*.py")):
            yield path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def test_every_error_of_the_model_names_its_kind() -> None:
    """The kind of its class says that something is missing, which is true of nothing in the model."""
    without = [
        f"{path}:{node.lineno}"
        for path, tree in trees(*MODEL)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Undecided"
        and len(node.args) < 2
    ]

    assert [] == without


def test_nothing_decides_by_the_words_of_a_reason() -> None:
    """Neither by how they begin, nor by what is in them, nor by what matches them."""
    found = [f"{path}:{line}" for path, tree in trees() if path not in FOREIGN for line in deciding(tree)]

    assert [] == found


def test_every_exception_is_one() -> None:
    """A file that looks into no words any more is taken off the list."""
    assert [] == [path for path, tree in trees() if path in FOREIGN and not list(deciding(tree))]


@pytest.mark.parametrize(
    "line",
    [
        'not (run.undecided or "").startswith(UNCOMPARABLE)',
        "any(not reason.startswith(MODELS_OWN) for reason in state.reasons)",
        'word, _, why = run.unfinished.partition(": ")',
        '"no rule" in run.undecided',
        '"no rule" in run.undecided.says',
        "_STOPPED.search(run.lost)",
        'verdict.startswith(("lost: ", "undecided: "))',
        'cut = found.cut[0].partition(":")[0]',
        '[reason for reason in found.cut if not reason.startswith("depth:")]',
        'try: run()\nexcept Undecided as error: lost = "BUG" in str(error)',
    ],
)
def test_a_look_into_words_is_noticed(line: str) -> None:
    """Each of these was a decision."""
    assert list(deciding(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        "run.undecided is not None and run.undecided.kind in UNCOMPARABLE",
        "reason in state.reasons",
        '" ".join(str(reason).split())',
        'say(f"lost: {run.lost}")',
    ],
)
def test_what_decides_nothing_is_none(line: str) -> None:
    """Values may be compared, and words may be printed."""
    assert not list(deciding(ast.parse(line)))
