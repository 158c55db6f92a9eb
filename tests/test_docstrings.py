"""Every test states its fact, and every summary begins with its subject."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(Path(__file__).parent.rglob("test_*.py"))

#: No summary begins with one of these: a noun says more than a relative clause.
FOREIGN = ("What", "Who", "Whether", "Whatever", "Whoever", "None")


def without_docstring(text: str) -> list[str]:
    """The names of the tests of a file that have none, also in classes."""
    tests = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    return [test.name for test in tests if test.name.startswith("test_") and not ast.get_docstring(test)]


def foreign_summaries(text: str, *, whole: bool = True) -> list[str]:
    """The names in a file whose summary begins with a relative clause; ``module`` for the file itself.

    :param whole: of all names, not of the file itself alone
    """
    module = ast.parse(text)
    named: list[tuple[str, ast.AsyncFunctionDef | ast.FunctionDef | ast.ClassDef | ast.Module]]
    named = [("module", module)]
    if whole:
        definitions = (ast.AsyncFunctionDef, ast.FunctionDef, ast.ClassDef)
        named += [(node.name, node) for node in ast.walk(module) if isinstance(node, definitions)]
    return [
        name
        for name, node in named
        if "".join((ast.get_docstring(node) or "").split()[:1]).rstrip(".,:;") in FOREIGN
    ]


def summaries_to_hold() -> Iterator[tuple[str, list[str]]]:
    """Each file with the names of its foreign summaries."""
    for folder in ("evidence", "src", "tests", "tools"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            found = foreign_summaries(path.read_text(encoding="utf-8"), whole=folder != "tests")
            yield str(path.relative_to(ROOT)), found


def test_every_test_states_its_fact() -> None:
    """In its docstring, so that a failure says what is wrong."""
    lacking = {path.name: without_docstring(path.read_text(encoding="utf-8")) for path in FILES}

    assert {} == {name: tests for name, tests in lacking.items() if tests}


def test_a_test_without_its_fact_is_noticed() -> None:
    """In a class too."""
    text = 'def test_a():\n    "It is."\n\nclass TestB:\n    def test_c(self):\n        pass\n'

    assert ["test_c"] == without_docstring(text)


def test_every_summary_begins_with_its_subject() -> None:
    """Of every name of the sources, and of every file of the tests."""
    found = {name: foreign for name, foreign in summaries_to_hold() if foreign}

    assert {} == found


@pytest.mark.parametrize("word", FOREIGN)
def test_a_relative_clause_is_noticed(word: str) -> None:
    """Of a file, a class, a method and a function that waits."""
    says = f'"""{word} it is."""'
    text = f"{says}\nclass A:\n    {says}\n    def b(self):\n        {says}\nasync def c():\n    {says}\n"

    assert ["module", "A", "c", "b"] == foreign_summaries(text)


def test_a_word_that_only_begins_like_one_is_none() -> None:
    """Nonetheless, a noun of its own stays."""
    assert [] == foreign_summaries('"""Whole files, nothing else."""\n')
