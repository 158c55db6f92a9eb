"""The policies that come with pfnlab: modules in a folder of each seam, whose docstrings describe them."""

import ast
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple


class Policy(NamedTuple):
    """A policy: a module in a folder named after its seam, e.g. ``trackers``; its docstring describes it."""

    seam: str
    name: str
    says: str
    source: str


def all_policies() -> Iterator[Policy]:
    """Return every policy, by seam and name."""
    for seam in sorted(files("pfnlab.kernel.policies").iterdir(), key=_name):
        if seam.is_dir() and seam.joinpath("__init__.py").is_file():
            for module in sorted(seam.iterdir(), key=_name):
                if module.name.endswith(".py") and module.name != "__init__.py":
                    source = module.read_text(encoding="utf-8")
                    says = ast.get_docstring(ast.parse(source)) or ""
                    yield Policy(seam.name, module.name.removesuffix(".py"), says, source)


def _name(entry: Traversable) -> str:
    return entry.name
