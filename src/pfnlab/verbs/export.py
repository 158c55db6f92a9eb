"""Export a program as a reproducer that runs without pfnlab.

c is one C file that needs only a compiler: it finds its device, runs the operations, and prints TAP. If the
program has driver operations, it is a folder: the C file, a kernel module with the driver, and a Makefile for
both. kselftest is a folder for tools/testing/selftests, with the kernel's own kselftest.h. drgn is a script
that shows the state of a live kernel or a vmcore. The reproducer expects the results of the machine given by
--on, or, without it, what a kernel without a fault leaves reserved.

Exit codes: 0 written, 2 misuse, 3 the program cannot be written in this format.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import AccelOf, Option, ProfileOf, ProgramWord, Request, Say


class ExportRequest(Request, frozen=True, kw_only=True):
    program: ProgramWord
    form: Annotated[str, Option("Output format.", "c|kselftest|drgn", ("--format",))] = "c"
    on: Annotated[
        str | None, Option("As in run: the reproducer expects the results of this machine.", "MACHINE")
    ] = None
    to: Annotated[
        Path | None,
        Option(
            "Where to write the output: a file, or a folder if there are several files.",
            "FILE|FOLDER",
            ("-o", "--output"),
        ),
    ] = None
    profile: ProfileOf = None
    accel: AccelOf = "tcg"


def perform(request: ExportRequest, say: Say) -> Iterator[PlainText]:
    """Write the program in another format.

    :raises Misuse: if it is not a single program, the format does not exist, or the output cannot be written
    :raises Undecided: if the format lacks an operation of the program, or the machine gave no answer
    """
    from pfnlab.base.files import check_output, write_whole, writing
    from pfnlab.base.path_walk import make_folder
    from pfnlab.export.formats import export
    from pfnlab.export.subject import Subject
    from pfnlab.programs.lang.library import STDIN, load_found, only_path
    from pfnlab.programs.runs.look import LookLevel
    from pfnlab.programs.runs.machine import Accel
    from pfnlab.programs.runs.named_machines import files_named, name_machines, side_by_side

    accel = Accel(request.accel)
    path = only_path(request.program)
    specs = () if request.on is None else (request.on,)
    machines = name_machines(specs, request.profile)
    program = load_found(path)
    name = "program" if path == STDIN else path.stem
    subject = Subject(name, program) if machines else Subject.judged(name, program)
    # Check this before anything runs: the format may not fit, or a file may not be writable.
    names = list(export(subject, request.form))
    if request.to is None and len(names) > 1:
        raise Misuse(
            f"{subject.name} is {len(names)} files, {', '.join(names)}: name a folder with -o FOLDER"
        )
    targets = _targets(names, request.to)
    for target in targets.values():
        # A missing folder is created, but the parent folder of a file must exist.
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
    """Return the path of each file: a single file takes the given name, unless that is a folder."""
    if to is None:
        return {}
    alone = len(names) == 1 and not to.is_dir()
    return {name: to if alone else to / name for name in names}
