"""The group of the verbs of programs that come with pfnlab, and ``new``: each imports what it needs."""

# No annotations as strings here: the framework would evaluate each several times before every command.

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from pfnlab.cli.plain import PLAIN, Verbs, by_default

litmus = Verbs(help="The small programs that come with pfnlab, by name.", **PLAIN)

Names = Annotated[
    list[str], typer.Argument(metavar="NAME", help="A name, a folder of them, or a pattern as 'munmap-*'.")
]
Force = Annotated[bool, typer.Option("--force", help="Write over files that are there.")]


@litmus.callback(invoke_without_command=True)
def litmus_default(context: typer.Context) -> int:
    """The small programs that come with pfnlab, one question each; `list` when nothing is said."""
    return by_default("litmus list", context)


litmus.verb("litmus list")


@litmus.command("show")
def litmus_show(
    names: Names,
    form: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="c|kselftest|syz|drgn",
            help="In a form of `pfnlab export`, as c. Default: its text.",
        ),
    ] = None,
) -> int:
    """Print the text of programs."""
    from pfnlab.programs.lang.library import library_programs
    from pfnlab.programs.lang.load import load_program, read_program_text

    for number, path in enumerate(library_programs(names)):
        if form is None:
            text = read_program_text(path)
        else:
            from pfnlab.reproducers.formats import export, one_text
            from pfnlab.reproducers.subject import Subject

            text = one_text(export(Subject(path.stem, load_program(path)), form))
        print("\n" * bool(number) + text, end="")
    return 0


@litmus.command("copy")
def litmus_copy(
    names: Names,
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to; made where it is missing.")] = Path(),
    force: Force = False,
) -> int:
    """Copy programs to files of your own, to change them."""
    from pfnlab.files import cannot_write
    from pfnlab.path_walk import make_folder
    from pfnlab.programs.lang.library import library_programs
    from pfnlab.programs.lang.load import read_program_text

    instead = "name another folder with --to"
    sources = {to / path.name: path for path in library_programs(names)}
    _check_free(sources, instead, force=force)
    texts = {target: read_program_text(source) for target, source in sources.items()}
    try:
        make_folder(to)
    except OSError as trouble:
        raise cannot_write(to, trouble, instead) from trouble
    for target, text in texts.items():
        _write(target, text)
        print(target)
    return 0


def new(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Write it there. Default: print it.")
    ] = None,
    force: Force = False,
) -> int:
    """Write a program to begin with: it has comments, and runs as it is."""
    from importlib.resources import files

    from pfnlab.inert import shell_path, visible_name

    text = files("pfnlab.programs.lang").joinpath("template.pfn").read_text(encoding="utf-8")
    if file is None:
        print(text, end="")
        return 0
    _check_free([file], "name another file", force=force)
    _write(file, text)
    print(f"{visible_name(file)} written; run it: pfnlab run {shell_path(file)}")
    return 0


def _check_free(targets: Iterable[Path], instead: str, *, force: bool) -> None:
    """Nothing is written where one of the files may not be."""
    from pfnlab.errors import Misuse

    there = [str(path) for path in targets if path.exists() or path.is_symlink()]
    if there and not force:
        are = "is" if len(there) == 1 else "are"
        raise Misuse(f"{', '.join(there)} {are} there already: {instead}, or add --force")


def _write(path: Path, text: str) -> None:
    from pfnlab.files import cannot_write, write_whole

    try:
        write_whole(path, text)
    except OSError as trouble:
        raise cannot_write(path, trouble) from trouble
