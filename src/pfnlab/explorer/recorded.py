"""Recorded runs of real kernels for a program of the library, found by the program and not by its name.

So a program stays recorded when its comments change, and an edited one is not taken for it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from pfnlab.programs.lang.library import library_paths
from pfnlab.report.golden import Golden, golden_path, read_golden

#: How a golden begins: with the hash of its program.
_HASH = re.compile(rb'"program": "(?P<hash>[^"]+)"')
_BEGINNING = 200


def golden_of(program_hash: str) -> Golden | None:
    """The golden of the program with that hash; None where no kernel was recorded."""
    path = _by_hash().get(program_hash)
    return read_golden(path) if path is not None else None


@cache
def _by_hash() -> dict[str, Path]:
    found = {}
    for program in library_paths():
        path = golden_path(program)
        if path.is_file():
            with path.open("rb") as file:
                match = _HASH.search(file.read(_BEGINNING))
            if match:
                found[match["hash"].decode()] = path
    return found
