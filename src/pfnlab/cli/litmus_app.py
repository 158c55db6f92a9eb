"""The verbs about programs that come with pfnlab, and ``new``; what a verb does is imported when it runs."""

# No annotations as strings here: the framework would evaluate each several times before every command.

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
def litmus_show(names: Names) -> int:
    """Print the text of programs."""
    from pfnlab.cli.litmus import show_litmus

    return show_litmus(names)


@litmus.command("copy")
def litmus_copy(
    names: Names,
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to; made where it is missing.")] = Path(),
    force: Force = False,
) -> int:
    """Copy programs to files of your own, to change them."""
    from pfnlab.cli.litmus import copy_litmus

    return copy_litmus(names, to, force=force)


def new(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Write it there. Default: print it.")
    ] = None,
    force: Force = False,
) -> int:
    """Write a program to begin with: it has comments, and runs as it is."""
    from pfnlab.cli.litmus import new_program

    return new_program(file, force=force)
