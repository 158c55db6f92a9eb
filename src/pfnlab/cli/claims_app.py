"""The group of the verbs of claims; what they do is imported when they run."""

# No annotations as strings here: the framework would evaluate each several times before every command.

import typer

from pfnlab.cli.plain import PLAIN, Verbs, by_default

claims = Verbs(help="The claims of the discussions behind this project, asked again.", **PLAIN)


@claims.callback(invoke_without_command=True)
def claims_default(context: typer.Context) -> int:
    """The claims of the discussions behind this project; `list` when nothing is said."""
    return by_default("claims list", context)


claims.verb("claims list")
claims.verb("claims show")
claims.verb("claims by")
