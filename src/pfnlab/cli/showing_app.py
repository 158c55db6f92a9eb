"""The options of ``explore`` and ``schema``, not what they do."""

# No annotations as strings here: the framework would evaluate each several times before every command.

from typing import Annotated

import typer


def explore(
    program: Annotated[
        str | None,
        typer.Argument(metavar="PROGRAM", help="A program of the library by its name, or a file."),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(metavar="MACHINE", help="What the page begins with; two are compared."),
    ] = None,
    browser: Annotated[
        bool, typer.Option(help="Open the page in the browser; else only print its address.")
    ] = True,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="The port. Default: one that is free.")
    ] = 0,
) -> int:
    """Write, run and walk through programs in the browser, with a picture of every step.

    The page is served to this machine alone, to who has its address. It ends with Ctrl-C.
    """
    from pfnlab.cli.explore import explore as explore_in_browser

    return explore_in_browser(program, on or [], browser=browser, port=port)


def schema(
    verb: Annotated[list[str], typer.Argument(metavar="VERB...", help="For instance run, or kernels meet.")],
) -> int:
    """Print the JSON Schema of what a verb prints with --json."""
    from pfnlab.schema_files import schema_text

    print(schema_text(" ".join(verb)), end="")
    return 0
