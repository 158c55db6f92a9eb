"""The modules that compile, compiled once and kept."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import pytest
import shared_book

from pfnlab.checker import core
from pfnlab.checker.compiling import compiled
from pfnlab.errors import MissingTool
from pfnlab.lab.cache import cache_root


def compiled_modules() -> Path:
    """The cache of this machine, with all of them in it.

    Skips where there is no compiler; where ``PFNLAB_LAB=required`` is set, as ``make test`` does, it fails.
    """
    cache = cache_root() / "compiled"
    try:
        compiled(Path(core.__file__), cache)
    except MissingTool as missing:
        if os.environ.get("PFNLAB_LAB") == "required":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    return cache


def compiled_book(cache: Path) -> ModuleType:
    """The shared specification."""
    return compiled(Path(shared_book.__file__), cache)
