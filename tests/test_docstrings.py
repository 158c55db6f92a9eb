"""Every test states its fact."""

from __future__ import annotations

import ast
from pathlib import Path

FILES = sorted(Path(__file__).parent.rglob("test_*.py"))


def without_docstring(text: str) -> list[str]:
    """The names of the tests of a file that have none, also in classes."""
    tests = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    return [test.name for test in tests if test.name.startswith("test_") and not ast.get_docstring(test)]


def test_every_test_states_its_fact() -> None:
    """In its docstring, so that a failure says what is wrong."""
    lacking = {path.name: without_docstring(path.read_text(encoding="utf-8")) for path in FILES}

    assert {} == {name: tests for name, tests in lacking.items() if tests}


def test_a_test_without_its_fact_is_noticed() -> None:
    """In a class too."""
    text = 'def test_a():\n    "It is."\n\nclass TestB:\n    def test_c(self):\n        pass\n'

    assert ["test_c"] == without_docstring(text)
