"""``pfnlab policies`` and its verbs; what they do is imported when they run."""

# No annotations as strings here: the framework would evaluate each several times before every command.

from typing import Annotated

import typer

from pfnlab.cli.plain import PLAIN, Verbs

policies = Verbs(help="The competing ideas the model can run.", **PLAIN)


@policies.callback(invoke_without_command=True)
def policies_default(context: typer.Context) -> int:
    """The competing ideas the model can run; `list` when nothing is said."""
    return policies_list() if context.invoked_subcommand is None else 0


@policies.command("list")
def policies_list() -> int:
    """Every policy by seam, and the kernel profiles."""
    from pfnlab.cli.policies import list_policies

    return list_policies()


policies.verb("policies matrix")


@policies.command("show")
def policies_show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A policy, or a kernel: 7.2, 6.12.94.")],
    other: Annotated[
        str | None, typer.Argument(metavar="OTHER", help="Another kernel: what differs, side by side.")
    ] = None,
) -> int:
    """The source of one policy, the switches of a kernel, or those in which two kernels differ.

    A kernel is a series, an exact version, or what a distribution calls it: 6.1.176-1.
    """
    from pfnlab.cli.policies import show_kernels, show_policy

    return show_policy(name) if other is None else show_kernels(name, other)
