"""The modules that compile, compiled once and stored."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import shared_book
from having import have

from pfnlab.checker.search import core
from pfnlab.checker.search.compiling import compiled
from pfnlab.lab.images.cache import cache_root


def compiled_modules() -> Path:
    """The cache of this machine, with all of them in it.

    Skips where there is no compiler; where ``PFNLAB_LAB=required`` is set, as ``make test`` does, it fails.
    """
    cache = cache_root() / "compiled"
    have(lambda: compiled(Path(core.__file__), cache))
    return cache


def compiled_book(cache: Path) -> ModuleType:
    """The shared specification."""
    return compiled(Path(shared_book.__file__), cache)
