"""A packed model of one's own: a file with a class ``Model``, compiled if a ``.pxd`` is beside it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path as File
from typing import Any, TypeVar

from pfnlab.checker.search.compiling import fastest
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.packed import PackedModel, explore_packed
from pfnlab.errors import Defect, Misuse, PfnlabError, PolicyError
from pfnlab.files import MOST_WRITTEN, check_regular
from pfnlab.inert import visible_name
from pfnlab.limit import TooLong, too_long
from pfnlab.own_code import may_be_interrupted, own_code

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
    types = path.with_suffix(".pxd")
    if path.suffix != ".py":
        raise Misuse(
            f"{visible_name(path)} is no Python file: write the name of one, FILE.py, which has a class Model"
        )
    check_regular(path, "model", MOST_WRITTEN)
    if types.exists():
        check_regular(types, "model", MOST_WRITTEN)

    def load() -> PackedModel:
        module = fastest(path, cache if types.exists() else None, say, partial(own_code, str(path)))
        with own_code(str(path)):
            return _made(path, module)

    return _guarded(path, load)


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
    limits |= {"inside": partial(own_code, str(path))}
    return _guarded(path, lambda: explore_packed(model, **limits, cache=cache, say=say, progress=progress))


def _made(path: File, module: Any) -> PackedModel:
    if not callable(getattr(module, "Model", None)):
        raise Misuse(f"{path} has no class Model: see docs/check.md, section Packed models")
    model = module.Model()
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


def _guarded(path: File, act: Callable[[], T]) -> T:
    # What the file does wrong is one line, with the place in it.
    try:
        return act()
    except Defect as trouble:
        # It does not compile, or its symmetry is wrong.
        raise Misuse(f"{path}: {_error_line(str(trouble))}: mend the file") from trouble
    except PfnlabError:
        raise
    except TooLong:
        raise PolicyError(str(path), None, too_long()) from None
    except BaseException as trouble:
        if isinstance(trouble, KeyboardInterrupt) and may_be_interrupted():
            raise
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(trouble.__traceback__)
            if File(frame.filename).name == path.name
        ]
        place = f"{path}, line {lines[-1]}" if lines else str(path)
        said = f"{type(trouble).__name__}: {' '.join(str(trouble).split())}".rstrip(": ")
        raise Misuse(f"{place}: {said}: {_advice(trouble)}") from trouble


def _error_line(text: str) -> str:
    """The line of what a compiler says that tells most."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if "rror" in line), lines[-1])


def _advice(trouble: BaseException) -> str:
    if isinstance(trouble, IndexError):
        return "`most` is the most successors a state has"
    if isinstance(trouble, OverflowError):
        return "states, what `successors` returns and what `broken` returns are numbers from 0 to 2^64 - 1"
    return "mend the file"
