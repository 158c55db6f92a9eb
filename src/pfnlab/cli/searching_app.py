"""The options of ``fuzz`` and ``replay``; what these verbs do is imported when they run."""

# No annotations as strings here: the framework would evaluate each several times before every command.

from pathlib import Path
from typing import Annotated

import typer

from pfnlab.cli.plain import AccelOf, AsJson, JobsOf, ProfileOf


def fuzz(
    on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MACHINE",
            help="As for run; at least two. Without it: model and kernel of the newest series.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="What random numbers begin with: another N, other programs. 0 without it."
        ),
    ] = None,
    programs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many in all; 500 without --seconds.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(metavar="S", min=0, help="Begin nothing new after so many seconds.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep the state in FILE, and go on from what is there."),
    ] = None,
    findings: Annotated[Path, typer.Option(metavar="DIR", help="Where findings are filed.")] = Path(
        "findings"
    ),
    known: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="Findings that are known: counted only; may be given several times."
        ),
    ] = None,
    driver: Annotated[bool, typer.Option("--driver", help="With operations of the guest driver.")] = False,
    schedules: Annotated[
        bool, typer.Option("--schedules", help="With threads, and processors that are held.")
    ] = False,
    vfio: Annotated[bool, typer.Option("--vfio", help="With devices opened through vfio-pci.")] = False,
    slots: Annotated[bool, typer.Option("--slots", help="With devices that come and go.")] = False,
    fixed: Annotated[
        bool, typer.Option("--fixed", help="Only programs with an isa or a top device.")
    ] = False,
    leaves: Annotated[
        bool, typer.Option("--leaves", help="Only programs with leaves of 2 MiB and 1 GiB.")
    ] = False,
    coverage: Annotated[bool, typer.Option(help="Watch which branches of the model are reached.")] = True,
    stop_after: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="End when so many findings were met.")
    ] = None,
    jobs: JobsOf = None,
    as_json: AsJson = False,
    accel: AccelOf = "tcg",
    look: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL",
            help="memory, proc or end for all programs; memory,proc for each program under both, which must "
            "agree; without it each program has one of the three, mostly memory.",
        ),
    ] = None,
    profile: ProfileOf = None,
) -> int:
    """Run random programs on several machines; shrink and file what they differ in."""
    from pfnlab.cli.fuzz import FuzzRequest, fuzz
    from pfnlab.lab.vm.accel import accel_named

    return fuzz(
        FuzzRequest(
            on=on or [],
            seed=seed,
            programs=programs,
            seconds=seconds,
            resume=resume,
            findings=findings,
            known=tuple(known or ()),
            driver=driver,
            schedules=schedules,
            vfio=vfio,
            slots=slots,
            leaves=leaves,
            fixed=fixed,
            coverage=coverage,
            stop_after=stop_after,
            as_json=as_json,
            accel=accel_named(accel),
            look=look,
            profile=profile,
            jobs=jobs,
        )
    )


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
