"""The policies that come with pfnlab: modules in one folder per seam, each described by its docstring.

A module defines one policy, the last class it defines; a module that defines none imports its policy.
"""

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

_FOLDER = Path(__file__).parent


class Policy(NamedTuple):
    """A policy: a module in its seam's folder, e.g. ``trackers``, described by its docstring."""

    seam: str
    name: str
    says: str
    source: str


def policies_in(folder: str) -> dict[str, Any]:
    """The classes of the policies in a seam's folder, e.g. ``trackers``, by name."""
    modules = {path.stem: import_module(f"{__package__}.{folder}.{path.stem}") for path in _modules(folder)}
    return {name: _policy_of(module) for name, module in modules.items()}


def _policy_of(module: ModuleType) -> type:
    classes = [thing for thing in vars(module).values() if inspect.isclass(thing)]
    own = [cls for cls in classes if cls.__module__ == module.__name__]
    return (own or classes)[-1]


def all_policies() -> Iterator[Policy]:
    """Return all policies, by seam and name."""
    for seam in sorted(path.parent.name for path in _FOLDER.glob("*/__init__.py")):
        for path in _modules(seam):
            source = path.read_text(encoding="utf-8")
            yield Policy(seam, path.stem, ast.get_docstring(ast.parse(source)) or "", source)


def _modules(folder: str) -> list[Path]:
    return sorted((_FOLDER / folder).glob("[!_]*.py"))
