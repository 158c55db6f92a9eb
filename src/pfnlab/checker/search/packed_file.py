"""A packed model of one's own: a file with a class ``Model``, compiled if a ``.pxd`` is beside it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path as File
from typing import Any, TypeVar

from pfnlab.checker.search.compiling import fastest
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.packed import PackedModel, explore_packed
from pfnlab.errors import Misuse, PfnlabError

T = TypeVar("T")

_METHODS = ("initial", "successors", "canonical", "broken", "action")
_WORDS = "most, symmetric and properties"


def load_packed(path: File, cache: File | None, say: Callable[[str], None]) -> PackedModel:
    """
    The model in a file: its class ``Model``, made without arguments.

    :param cache: the folder for compiled modules; None does not compile
    :param say: called with one line where it could not be compiled
    :raises Misuse: the file is none, fails, or its model lacks something
    """
    if not path.is_file():
        raise Misuse(f"{path} is no file: write the name of one with a class Model in it")
    compiles = path.with_suffix(".pxd").is_file()
    model = _guarded(path, lambda: _made(path, fastest(path, cache if compiles else None, say)))
    missing = [name for name in _METHODS if not callable(getattr(model, name, None))]
    if missing:
        raise Misuse(
            f"{path}: class Model has no method {missing[0]}: see docs/check.md, section Packed models"
        )
    names = getattr(model, "properties", None)
    fits = isinstance(getattr(model, "most", None), int) and hasattr(model, "symmetric")
    if not fits or isinstance(names, str) or not all(isinstance(name, str) for name in names or ()):
        raise Misuse(
            f"{path}: class Model lacks one of {_WORDS}: a number, a truth value and a list of names"
        )
    if not names:
        raise Misuse(f"{path}: class Model has no properties: write the names of what must always hold")
    found: PackedModel = model
    return found


def search_file(
    path: File,
    model: PackedModel,
    *,
    depth: int | None = None,
    states: int | None = None,
    seconds: float | None = None,
    cache: File | None = None,
    say: Callable[[str], None],
    progress: Callable[[Exploration[int]], None] | None = None,
) -> Exploration[int]:
    """
    Search the model of a file breadth first.

    :param depth: steps in a row, None for all
    :raises Misuse: the model fails on the way
    """
    limits: dict[str, Any] = {"depth": depth, "states": states, "seconds": seconds}
    return _guarded(path, lambda: explore_packed(model, **limits, cache=cache, say=say, progress=progress))


def _made(path: File, module: Any) -> Any:
    if not callable(getattr(module, "Model", None)):
        raise Misuse(f"{path} has no class Model: see docs/check.md, section Packed models")
    return module.Model()


def _guarded(path: File, act: Callable[[], T]) -> T:
    # What the file does wrong is one line, with the place in it.
    try:
        return act()
    except PfnlabError:
        raise
    except Exception as trouble:
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(trouble.__traceback__)
            if File(frame.filename).name == path.name
        ]
        place = f"{path}, line {lines[-1]}" if lines else str(path)
        raise Misuse(f"{place}: {type(trouble).__name__}: {trouble}: {_advice(trouble)}") from trouble


def _advice(trouble: Exception) -> str:
    if isinstance(trouble, IndexError):
        return "`most` is the most successors a state has"
    if isinstance(trouble, OverflowError):
        return "a state is a number from 0 to 2^64 - 1"
    return "mend the file"
