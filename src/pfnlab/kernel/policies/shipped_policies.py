"""The policies that come with pfnlab: modules in one folder per seam, each described by its docstring."""

import ast
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple


class Policy(NamedTuple):
    """A policy: a module in its seam's folder, e.g. ``trackers``, described by its docstring."""

    seam: str
    name: str
    says: str
    source: str


def all_policies() -> Iterator[Policy]:
    """Return all policies, by seam and name."""
    for seam in sorted(files("pfnlab.kernel.policies").iterdir(), key=_name):
        if seam.is_dir() and seam.joinpath("__init__.py").is_file():
            for module in sorted(seam.iterdir(), key=_name):
                if module.name.endswith(".py") and module.name != "__init__.py":
                    source = module.read_text(encoding="utf-8")
                    says = ast.get_docstring(ast.parse(source)) or ""
                    yield Policy(seam.name, module.name.removesuffix(".py"), says, source)


def _name(entry: Traversable) -> str:
    return entry.name
