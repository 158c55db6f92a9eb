"""A search put aside: everything needed to go on later, in one file."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path as File
from typing import Any

from ..errors import Misuse
from ..files import check_regular
from .exploration import Exploration
from .model import Model
from .property import Property
from .trail import Trail

_MAGIC = b"pfnlab search 1\n"


@dataclass
class Checkpoint:
    """What a search has so far. States are pickled: read only files that you wrote.

    :param model: what :func:`likeness` says of the model
    :param properties: the names of what was asked
    :param settings: what a search must not change on the way
    """

    model: str
    properties: tuple[str, ...]
    settings: dict[str, Any]
    found: Exploration[Any]
    trail: Trail
    visited: Any
    waiting: list[Any]
    depths: Any
    closed: Any

    def write(self, file: File) -> None:
        """Replace *file*, or leave it as it was."""
        # The properties are functions, and are given again.
        self.found.properties = ()
        part = file.with_name(file.name + ".part")
        with part.open("wb") as out:
            out.write(_MAGIC)
            pickle.dump(self, out, pickle.HIGHEST_PROTOCOL)
        os.replace(part, file)

    def check(self, model: Model[Any], properties: Sequence[Property[Any]], settings: dict[str, Any]) -> None:
        """
        :raises Misuse: the search that goes on is another one
        """
        if self.model != likeness(model):
            raise Misuse("the saved search is of another model or scope: give the same, or begin anew")
        if self.properties != tuple(asked.name for asked in properties):
            raise Misuse(f"the saved search asked {', '.join(self.properties) or 'nothing'}: ask the same")
        for name, value in self.settings.items():
            if settings[name] != value:
                raise Misuse(f"the saved search has {name} {value}, not {settings[name]}: give the same")


def read(file: File) -> Checkpoint:
    """
    :raises Misuse: *file* is not there or holds no search
    """
    check_regular(file, "search")
    try:
        with file.open("rb") as source:
            if source.read(len(_MAGIC)) != _MAGIC:
                raise Misuse(f"{file} holds no saved search")
            saved: Checkpoint = pickle.load(source)
    except OSError as wrong:
        raise Misuse(f"{file}: {wrong.strerror}") from None
    return saved


def likeness(model: Model[Any]) -> str:
    """A digest of the model's first two levels: enough to tell one scope from another."""
    seen = []
    for state in model.initial():
        seen.append(repr(model.key(state)))
        seen.extend(f"{action} {model.key(after)!r}" for action, after in model.successors(state))
    return blake2b("\n".join(seen).encode(), digest_size=16).hexdigest()
