"""The group of the verbs about kernels, with its option."""

# No annotations as strings here: the framework would evaluate each several times before every command.

import os
from typing import Annotated

import typer

from pfnlab.cli.plain import PLAIN, Verbs, by_default

kernels = Verbs(help="Real kernels that can be booted.", **PLAIN)


@kernels.callback(invoke_without_command=True)
def kernels_default(
    context: typer.Context,
    mirror: Annotated[
        str | None,
        typer.Option(
            "--mirror",
            metavar="URI",
            help="A mirror of Debian's archive for pfnlab alone, not that of PFNLAB_MIRROR or the machine.",
        ),
    ] = None,
) -> int:
    """Real kernels that can be booted; `list` when nothing is said."""
    if mirror is not None:
        # Every helper that is begun from here has it too, in processes of their own.
        from pfnlab.lab.images.sources import MIRROR

        os.environ[MIRROR] = mirror
    return by_default("kernels list", context)


for verb in ("list", "fetch", "tested", "rm", "build", "sizes", "meet", "diff"):
    kernels.verb(f"kernels {verb}")
