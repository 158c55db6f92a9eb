"""The programs of ``litmus/``, for tests."""

from __future__ import annotations

from pathlib import Path

from pfnlab.programs.lang.load import program_files
from pfnlab.programs.library import library_folder

LITMUS = library_folder()

#: The file of each program by name.
FILES = program_files(LITMUS)


def is_of_leaves(path: Path) -> bool:
    """Whether a program is about leaves, which only some series fill in a guest."""
    return path.parent.name == "leaves"


def litmus_file(name: str) -> Path:
    """The file of the program called *name*."""
    return FILES[name]
