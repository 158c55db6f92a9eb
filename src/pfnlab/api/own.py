"""Policies of the caller's own: what is given to a function of the interface may name their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pfnlab.policies.own import is_path

#: Policies for models: files as `--policy` takes them, or names by their seam (``{"tracker": "vm_pat"}``).
Policies = Annotated[
    Mapping[str, str | Path] | Sequence[str | Path] | str | Path,
    'a file, "mine.py", a list of files, or names by seam, {"tracker": "exact"}',
]


def names_own(*given: Any) -> bool:
    """True where machines and policies in what was *given* are made of files of the caller's."""
    return any(is_path(word) for one in given for name in _names(one) for word in name.split(","))


def _names(given: Any) -> Iterator[str]:
    if isinstance(given, str | Path):
        yield str(given)
    elif isinstance(given, Mapping | Sequence):
        for one in given.values() if isinstance(given, Mapping) else given:
            yield from _names(one)
