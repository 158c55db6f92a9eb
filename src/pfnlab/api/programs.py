"""`pl.load`: a program by its path, its text or its name."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pfnlab.api.live import LiveMachine
from pfnlab.base.errors import Misuse
from pfnlab.base.files import cannot_write, write_whole
from pfnlab.programs.lang.library import load_found, program_paths
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.validity import check_program

#: What is taken for a program: one, its name, path or text, or a machine on which it was done.
AnyProgram = Program | LiveMachine | str | Path


def load(program: str | Path) -> Program:
    """The program of that name or path, or with that text.

    More than one line is text. A word is a path where there is such a file, or where it looks like one; else
    the name of a program that comes with pfnlab (``pfnlab litmus list``).

    :raises ProgramError: it cannot be read, or is no correct program
    :raises Misuse: it is none of these, or several programs
    """
    if isinstance(program, Path):
        return load_program(program)
    if "\n" in program:
        return load_text(program)
    paths = program_paths([program])
    if len(paths) != 1:
        raise Misuse(f"{program} is {len(paths)} programs: name one of them")
    return load_found(paths[0])


def program_of(given: AnyProgram) -> Program:
    """The program meant by *given*, judged as a whole.

    :raises Misuse: it is none, or not complete
    """
    if isinstance(given, LiveMachine):
        given = given.program
    if isinstance(given, Program):
        check_program(_of_its_types(given))
        return given
    return load(given)


def _of_its_types(program: Program) -> Program:
    """*program*, whose fields were never looked at where somebody has put it together.

    :raises Misuse: one of them is not of its type
    """
    try:
        return msgspec.convert(msgspec.to_builtins(program), Program)
    except (msgspec.ValidationError, TypeError, ValueError) as wrong:
        raise Misuse(f"this is no program: {wrong}: write its text, or do it on a machine") from None


def save(program: AnyProgram, path: str | Path) -> None:
    """Write *program* to the file *path*, in canonical form.

    :raises Misuse: it is none, or the file cannot be written
    """
    text = str(program_of(program))
    try:
        write_whole(Path(path), text)
    except OSError as trouble:
        raise cannot_write(Path(path), trouble) from trouble
    except ValueError as trouble:
        raise Misuse(f"{str(path)!r} is no name of a file: {trouble}") from trouble
