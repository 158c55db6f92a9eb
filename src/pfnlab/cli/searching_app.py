"""The options of ``replay``; what these verbs do is imported when they run."""

# No annotations as strings here: the framework would evaluate each several times before every command.

from typing import Annotated

import typer

from pfnlab.cli.plain import AccelOf, AsJson, ProfileOf


def replay(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|PATH",
            help="What check --save or check --json wrote, the folder of a finding, "
            "or the words of a path as check prints it.",
        ),
    ],
    on: Annotated[
        list[str] | None,
        typer.Option(metavar="MACHINE", help="Instead of the machine it was found on; several are possible."),
    ] = None,
    as_json: AsJson = False,
    accel: AccelOf = "tcg",
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Run policies (FILE.py) that only the file names: read them first."),
    ] = False,
    profile: ProfileOf = None,
) -> int:
    """Go through a counterexample or a finding again, step by step.

    Exit codes: 0 it shows the same as recorded, 1 something else, 2 misuse, 3 a guest was lost.
    """
    from pfnlab.cli.replay import ReplayRequest
    from pfnlab.cli.replay import replay as replay_all
    from pfnlab.lab.vm.accel import accel_named

    return replay_all(
        ReplayRequest(
            what=what,
            on=on or [],
            as_json=as_json,
            accel=accel_named(accel),
            trust=trust,
            profile=profile,
        )
    )
