"""The programs of ``litmus/``, for tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pfnlab.programs.lang.library_list import library_folder
from pfnlab.programs.lang.load import load_program, program_files
from pfnlab.programs.lang.ops import Program

LITMUS = library_folder()

#: The file of each program by name.
FILES = program_files(LITMUS)

#: The folder whose programs all hold a processor, and the others, for tests of a folder each.
HOLDING = "races"
FOLDERS = sorted({path.parent.name for path in FILES.values()} - {HOLDING})


@cache
def program_of(path: Path) -> Program:
    """The program in a file of :data:`FILES`."""
    return load_program(path)


def without_holds(folder: str) -> list[Path]:
    """The programs of a folder that hold no processor: an operation under way is no value."""
    return [path for path in FILES.values() if path.parent.name == folder and not program_of(path).needs.held]


def is_of_leaves(path: Path) -> bool:
    """Whether a program is about leaves, which only some series fill in a guest."""
    return path.parent.name == "leaves"


def litmus_file(name: str) -> Path:
    """The file of the program called *name*."""
    return FILES[name]
