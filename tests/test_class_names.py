"""A class name stands for one thing in the whole source."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "pfnlab"


def twice(texts: Mapping[str, str]) -> dict[str, list[str]]:
    """The class names that more than one module has, with those modules."""
    modules: dict[str, list[str]] = defaultdict(list)
    for module, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                modules[node.name].append(module)
    return {name: where for name, where in modules.items() if len(where) > 1}


def test_a_class_name_stands_for_one_thing() -> None:
    """Private classes too."""
    texts = {str(path.relative_to(SOURCE)): path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py")}

    assert {} == twice(texts)


def test_a_second_class_of_a_name_is_noticed() -> None:
    """In functions as well."""
    texts = {"a.py": "class A: pass", "b.py": "def f():\n    class A: pass\nclass B: pass"}

    assert {"A": ["a.py", "b.py"]} == twice(texts)
