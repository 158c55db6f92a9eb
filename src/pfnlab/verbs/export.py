"""Write a program in a form that other people run: a reproducer.

c is one file that needs a C compiler and no pfnlab: it finds its device, does the operations, and prints TAP.
For operations of a driver it is a folder: the file, a kernel module that drives, and a Makefile for both.
kselftest is a folder for tools/testing/selftests, with the kernel's own kselftest.h.
syz is a program of syzkaller, where all is system calls of one process. drgn is a script that shows the state
on a live kernel or in a vmcore.
With --on, the reproducer expects what that machine answers; without, what its `expect` lines say is left.

Exit codes: 0 written, 2 misuse, 3 the form cannot say what the program does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import AccelOf, Option, ProfileOf, Request, Say


class ExportRequest(Request, frozen=True, kw_only=True):
    program: Annotated[
        str,
        Option("A name (`pfnlab litmus list`), a file, or - for standard input.", "PROGRAM", positional=True),
    ]
    form: Annotated[str, Option("The form.", "c|kselftest|syz|drgn", ("--format",))] = "c"
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
    from pfnlab.base.files import check_output, write_whole, writing
    from pfnlab.base.path_walk import make_folder
    from pfnlab.export.formats import check_form, export
    from pfnlab.export.subject import Subject
    from pfnlab.programs.lang.library import STDIN, load_found, program_paths
    from pfnlab.programs.runs.look import LookLevel
    from pfnlab.programs.runs.machine import accel_named
    from pfnlab.programs.runs.named_machines import files_named, name_machines, side_by_side

    check_form(request.form)
    accel = accel_named(request.accel)
    paths = program_paths([request.program])
    if len(paths) != 1:
        raise Misuse(f"{request.program} is {len(paths)} programs: name one")
    (path,) = paths
    specs = () if request.on is None else (request.on,)
    machines = name_machines(specs, request.profile)
    program = load_found(path)
    subject = Subject("program" if path == STDIN else path.stem, program)
    # Before anything runs: the form may not be able to say it, or a file may not be written.
    names = list(export(subject, request.form))
    if request.to is None and len(names) > 1:
        raise Misuse(
            f"{subject.name} is {len(names)} files, {', '.join(names)}: name a folder with -o FOLDER"
        )
    targets = _targets(names, request.to)
    for target in targets.values():
        # A folder that is not there yet is made; of a file it has to be there.
        if target == request.to or target.parent.is_dir():
            check_output(target, [path, *map(Path, files_named(specs))])
    if machines:
        ((run,),) = side_by_side(machines, [program], LookLevel.END, accel)
        subject = msgspec.structs.replace(subject, run=run)
    files = export(subject, request.form)
    if request.to is None:
        yield PlainText("".join(files.values()))
        return
    for name, target in targets.items():
        with writing(request.to, "name another place with -o"):
            make_folder(target.parent)
            write_whole(target, files[name])
        yield PlainText.line(str(target))


def _targets(names: list[str], to: Path | None) -> dict[str, Path]:
    """The place of each file: one alone is the file that is named, unless that is a folder."""
    if to is None:
        return {}
    alone = len(names) == 1 and not to.is_dir()
    return {name: to if alone else to / name for name in names}
