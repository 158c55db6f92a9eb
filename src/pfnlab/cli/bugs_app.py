"""The group of the verbs of bugs; what they do is imported when they run."""

# No annotations as strings here: the framework would evaluate each several times before every command.

import typer

from pfnlab.cli.plain import PLAIN, Verbs, by_default

bugs = Verbs(help="The known bugs, which kernels have them, and programs that show them.", **PLAIN)


@bugs.callback(invoke_without_command=True)
def bugs_default(context: typer.Context) -> int:
    """The known bugs, which kernels have them, and programs that show them; `list` when nothing is said."""
    return by_default("bugs list", context)


bugs.verb("bugs list")
bugs.verb("bugs show")
bugs.verb("bugs affects")
bugs.verb("bugs run")
