"""Write a program in a form that other people run: a reproducer.

c is one file that needs a C compiler and no pfnlab: it finds its device, does the operations, and prints TAP.
With --on, the reproducer expects what that machine answers; without, it only says what it sees.

Exit codes: 0 written, 2 misuse, 3 the form cannot say what the program does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from pfnlab.errors import Misuse
from pfnlab.result import PlainText
from pfnlab.verbs.option import AccelOf, Option, ProfileOf, Say

EXAMPLES = (
    ("pfnlab export munmap-middle", "The program as C that only says what it sees"),
    (
        "pfnlab export munmap-middle --on model:6.1 -o repro.c",
        "C that expects what 6.1 does, and tells where another kernel does something else",
    ),
)


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of a reproducer: a program, its form, and the machine whose answers are expected."""

    program: Annotated[
        str,
        Option("A name (`pfnlab litmus list`), a file, or - for standard input.", "PROGRAM", positional=True),
    ]
    form: Annotated[str, Option("The form.", "c", ("--format",))] = "c"
    on: Annotated[
        str | None, Option("As for run: the reproducer expects what this machine answers.", "MACHINE")
    ] = None
    to: Annotated[
        Path | None,
        Option("Write it there: a file, or a folder of its files.", "FILE|FOLDER", ("-o", "--output")),
    ] = None
    profile: ProfileOf = None
    accel: AccelOf = "tcg"


def perform(request: ExportRequest, say: Say) -> Iterator[PlainText]:
    """Write the program in another form.

    :raises Misuse: there is not one program, or no such form, or the output cannot be written
    :raises Undecided: the form cannot say an operation of the program, or the machine cannot answer
    """
    from pfnlab.files import check_output
    from pfnlab.lab.running.named_machines import files_named, name_machines, side_by_side
    from pfnlab.programs.lang.library import STDIN, load_found, program_paths
    from pfnlab.programs.runs.look import LookLevel
    from pfnlab.programs.runs.machine import accel_named
    from pfnlab.reproducers.formats import FORMATS, export
    from pfnlab.reproducers.subject import Subject

    if request.form not in FORMATS:
        raise Misuse(f"there is no format {request.form!r}: write --format {'|'.join(FORMATS)}")
    accel = accel_named(request.accel)
    paths = program_paths([request.program])
    if len(paths) != 1:
        raise Misuse(f"{request.program} is {len(paths)} programs: name one")
    (path,) = paths
    specs = () if request.on is None else (request.on,)
    machines = name_machines(specs, request.profile)
    folder = request.to is not None and request.to.is_dir()
    if not folder:
        check_output(request.to, [path, *map(Path, files_named(specs))])
    program = load_found(path)
    run = None
    if machines:
        ((run,),) = side_by_side(machines, [program], LookLevel.PROC, accel)
    name = "program" if path == STDIN else path.stem
    files = export(Subject(name, program, run), request.form)
    if request.to is None and len(files) > 1:
        raise Misuse(f"{name} is {len(files)} files, {', '.join(files)}: name a folder with -o FOLDER")
    yield PlainText("".join(_written(files, request.to, path)))


def _written(files: dict[str, str], to: Path | None, source: Path) -> Iterator[str]:
    """Write the files; a line for each, or the one there is where it has no place."""
    from pfnlab.files import cannot_write, check_output, write_whole

    if to is None:
        yield from files.values()
        return
    alone = len(files) == 1 and not to.is_dir()
    targets = {to if alone else to / name: text for name, text in files.items()}
    try:
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
            check_output(target, [source])
        for target, text in targets.items():
            write_whole(target, text)
            yield f"{target}\n"
    except OSError as trouble:
        raise cannot_write(to, trouble, "name another place with -o") from trouble
