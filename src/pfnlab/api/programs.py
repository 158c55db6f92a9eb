"""`pl.load`: a program by its path, its text or its name."""

from __future__ import annotations

from pathlib import Path

from pfnlab.api.live import LiveMachine
from pfnlab.errors import Misuse
from pfnlab.files import cannot_write
from pfnlab.programs.lang.checks import check_program
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.lang.ops import Program

#: What is taken for a program: one, its name, path or text, or a machine on which it was done.
AnyProgram = Program | LiveMachine | str | Path


def load(program: str | Path) -> Program:
    """The program of that name or path, or with that text.

    More than one line is text; what exists, has a folder in its name or ends in ``.pfn`` or ``.json`` is a
    path.

    :raises ProgramError: it cannot be read, or is no correct program
    :raises Misuse: it is none of these
    """
    if isinstance(program, Path):
        return load_program(program)
    if not isinstance(program, str):
        raise Misuse(f"{program!r} is no program: give its name, its path or its text")
    if "\n" in program:
        return load_text(program)
    if "/" in program or program.endswith((".pfn", ".json")) or _is_file(program):
        return load_program(program)
    raise Misuse(f"there is no program {program!r}: give a path, as litmus/split/munmap-middle.pfn, or text")


def program_of(given: AnyProgram) -> Program:
    """The program meant by *given*, judged as a whole.

    :raises Misuse: it is none, or not complete
    """
    if isinstance(given, LiveMachine):
        given = given.program
    if isinstance(given, Program):
        check_program(given)
        return given
    return load(given)


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def save(program: AnyProgram, path: str | Path) -> None:
    """Write *program* to the file *path*, in canonical form.

    :raises Misuse: it is none, or the file cannot be written
    """
    text = str(program_of(program))
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as trouble:
        raise cannot_write(Path(path), trouble) from trouble
