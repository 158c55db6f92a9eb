"""The options of ``check``, ``fuzz`` and ``replay``; what these verbs do is imported when they run."""

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


def check(
    on: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help="model:SERIES[,SEAM=POLICY...]; may be given several times."),
    ] = None,
    scope: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="What is tried: small, standard, race, wide, or a file.")
    ] = "standard",
    property_: Annotated[
        list[str] | None,
        typer.Option(
            "--property",
            metavar="NAME",
            help="This property, or those of a seam (tracker, flush, walker); may be given several times.",
        ),
    ] = None,
    depth: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Operations in a row; 0: of any number.")
    ] = None,
    states: Annotated[int | None, typer.Option(metavar="N", min=1, help="Stop after so many states.")] = None,
    seconds: Annotated[
        float | None, typer.Option(metavar="S", min=0.0, help="Stop after so many seconds.")
    ] = None,
    memory: Annotated[
        int | None,
        typer.Option(metavar="MIB", min=1, help="Memory for visited states; what is more goes to disk."),
    ] = None,
    random: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Walk at random N times instead of trying everything."),
    ] = None,
    guided: Annotated[
        bool, typer.Option("--guided", help="Walks prefer states and pairs of operations not met before.")
    ] = False,
    swarm: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="For scopes that do not end: N searches into the depth, each in an order of its own and "
            "without some operations, of at most --states states (10,000 without it).",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="What random numbers begin with: another N, other walks of --random and another --swarm.",
        ),
    ] = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep a search that is cut there, and go on from it."),
    ] = None,
    every_order: Annotated[
        bool,
        typer.Option("--every-order", help="Races: look also at orders of turns that cannot matter."),
    ] = False,
    untaken: Annotated[
        bool, typer.Option("--untaken", help="List branches of the policies that were never taken.")
    ] = False,
    confirm: Annotated[
        list[str] | None,
        typer.Option(metavar="MACHINE", help="Run every counterexample there too, as qemu:6.1."),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep every counterexample as a program.")
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE.py", help="A policy of your own, in place of that of every model."),
    ] = None,
    differ: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B",
            help="Tell two policies apart, as trackers/vm_pat trackers/track_ctx: the shortest program.",
        ),
    ] = None,
    packed: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.py",
            help="Search a model of your own instead: a class Model whose states are numbers.",
        ),
    ] = None,
    jobs: JobsOf = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Search on the workers of a dask scheduler, as tcp://HOST:8786."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a model.")] = False,
    accel: AccelOf = "tcg",
    profile: ProfileOf = None,
) -> int:
    """Try every sequence of a scope's operations on models and hold properties against what they reach.

    Exit codes: 0 all hold, 1 one is violated, 2 misuse, 3 the search was cut off.
    """
    if packed is not None:
        from pfnlab.cli.packed import PackedRequest, check_packed

        given = {
            **{"--on": on, "--scope": scope != "standard", "--memory": memory, "--random": random},
            **{"--seed": seed, "--checkpoint": checkpoint, "--every-order": every_order},
            **{"--untaken": untaken, "--confirm": confirm, "--save": save, "--policy": policy},
            **{
                "--differ": differ,
                "--jobs": jobs,
                "--swarm": swarm,
                "--guided": guided,
                "--accel": accel != "tcg",
                "--profile": profile,
            },
        }
        return check_packed(
            PackedRequest(
                file=packed,
                properties=property_ or [],
                depth=depth,
                states=states,
                seconds=seconds,
                as_json=as_json,
                refused=[option for option, value in given.items() if value],
            )
        )
    from pfnlab.checker.limits import CheckLimits, Exhaustive, Swarm, Walks
    from pfnlab.cli.check import CheckRequest, check_machines
    from pfnlab.errors import Misuse
    from pfnlab.lab.vm.accel import accel_named

    if guided and random is None:
        raise Misuse("--guided is for walks: say how many with --random N")
    limits: CheckLimits
    if swarm is not None:
        if (memory, checkpoint, random) != (None, None, None):
            raise Misuse(
                "--swarm goes without --memory, --checkpoint and --random: --states limits each search"
            )
        limits = Swarm(searches=swarm, states=states, seed=seed, depth=depth, seconds=seconds)
    elif random is not None:
        limits = Walks(count=random, seed=seed, guided=guided, depth=depth, seconds=seconds)
    else:
        limits = Exhaustive(
            depth=depth,
            states=states,
            seconds=seconds,
            memory=memory and memory << 20,
            checkpoint=checkpoint,
            every_order=every_order,
        )
    request = CheckRequest(
        on=on or [],
        scope=scope,
        properties=property_ or [],
        limits=limits,
        confirm=confirm or [],
        save=save,
        as_json=as_json,
        differ=differ,
        policies=tuple(policy or ()),
        watch=untaken,
        accel=accel_named(accel),
        profile=profile,
        jobs=jobs,
        cluster=cluster,
    )
    return check_machines(request)


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
