"""The verbs and their options. What a verb does is imported when it runs, so that help is quick."""

# No annotations as strings here: the framework would evaluate each several times before every command.

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pfnlab.cli.kernels_app import cache, kernels
from pfnlab.cli.litmus_app import litmus, new
from pfnlab.cli.plain import PLAIN, AccelOf, AsJson, LookOf, ProfileOf, Verbs
from pfnlab.cli.trying_app import try_

#: The framework's exception for a wrong option or argument, in any of its versions.
UsageError: Any = next(cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException")

app = Verbs(no_args_is_help=True, **PLAIN)
policies = Verbs(help="The competing ideas the model can run.", **PLAIN)
app.add_typer(kernels, name="kernels")
app.add_typer(cache, name="cache")
app.add_typer(policies, name="policies")
app.add_typer(litmus, name="litmus")
app.command("new")(new)
app.command("try")(try_)

Programs = Annotated[
    list[str],
    typer.Argument(
        metavar="PROGRAM",
        help="A name (`pfnlab litmus list`), a file, a folder, a pattern, or - for standard input.",
    ),
]


def _version(show: bool) -> None:
    if show:
        from pfnlab import __version__

        print(f"pfnlab {__version__}")
        raise typer.Exit()


@app.callback()
def pfnlab(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The rules of Linux PFN mappings as a program: run them, and hold them against real kernels.

    Exit codes: 0 as expected, 1 a discovery (machines differ, an expectation fails, a kernel crashes),
    2 misuse, 3 undecided (missing tool, lost guest), 4 a defect of pfnlab.

    LEAKED: still reserved although no process and no driver has it. Other words are in docs/glossary.md.
    """


@app.command()
def run(
    programs: Programs,
    on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MACHINE",
            help="model:SERIES[,SEAM=POLICY...], qemu:SERIES or qemu:BZIMAGE; may be given several times. "
            "Without it: the model of the newest kernel.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; with several programs, one a line.")
    ] = False,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="text|json|junit|tap|md|html", help="The form of the output."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write it there, completely or not at all."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="The tables of several programs, not one line each.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print only what is wrong.")] = False,
    steps: Annotated[
        bool, typer.Option("--steps", help="Show VMAs, what is tracked, page-table entries and flushes too.")
    ] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Show the order of kernel calls as well.")] = False,
    profile: ProfileOf = None,
    promote: Annotated[
        bool, typer.Option("--promote", help="Keep what real kernels did as NAME.expected.json.")
    ] = False,
    policy: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE.py", help="A policy of your own, in place of that of every model."),
    ] = None,
    accel: AccelOf = "tcg",
    look: LookOf = None,
) -> int:
    """Run programs on machines and print the machines side by side, differences marked.

    Of several programs, a line each: what differs first.

    A row that ends in < (a lit cell, where there are colours) is not as on the first machine. An entry of
    the book is LEAKED when it is reserved and nobody maps it any more.
    """
    from pfnlab.cli.run import RunRequest, run_programs
    from pfnlab.cli.run_output import OutputFormat, RunOutput, format_named
    from pfnlab.errors import Misuse
    from pfnlab.lab.vm.accel import accel_named
    from pfnlab.programs.runs.look import look_named

    if as_json and format_ not in (None, OutputFormat.JSON):
        raise Misuse(f"--json is --format json: leave it or --format {format_} out")
    chosen = OutputFormat.JSON if as_json else format_named(format_ or OutputFormat.TEXT)
    accelerator, policies = accel_named(accel), tuple(policy or ())
    request = RunRequest(
        programs=programs,
        on=on or [],
        output=RunOutput(format=chosen, steps=steps, trace=trace, full=full, quiet=quiet, file=output),
        profile=profile,
        promote=promote,
        policies=policies,
        accel=accelerator,
        look=look_named(look) if look is not None else None,
    )
    return run_programs(request)


@app.command()
def fmt(
    programs: Annotated[
        list[str],
        typer.Argument(metavar="PROGRAM", help="Files, folders, patterns; - is standard input."),
    ],
    check: Annotated[
        bool,
        typer.Option("--check", help="Change nothing; print what is wrong as FILE:LINE:COLUMN: MESSAGE."),
    ] = False,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="text|json|github", help="How --check prints it; text without it."),
    ] = None,
) -> int:
    """Rewrite program files in their canonical form.

    Exit codes: 0 written, or nothing to check; 1 a file would be rewritten, 2 a file is no program.
    """
    from pfnlab.cli.fmt import format_programs

    return format_programs(programs, check=check, form=form)


@app.command()
def fuzz(
    on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MACHINE",
            help="As for run; at least two. Without it: model and kernel of the newest series.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Which programs; 0 without it.")] = None,
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
        )
    )


@app.command()
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
    seed: Annotated[int, typer.Option(metavar="N", help="Which random walks.")] = 0,
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
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Processes at a time; as many as processors without it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a model.")] = False,
    accel: AccelOf = "tcg",
    profile: ProfileOf = None,
) -> int:
    """Try every sequence of a scope's operations on models and hold properties against what they reach.

    Exit codes: 0 all hold, 1 one is violated, 2 misuse, 3 the search was cut off.
    """
    from pfnlab.checker.check import CheckLimits
    from pfnlab.cli.check import CheckRequest, check_machines
    from pfnlab.lab.vm.accel import accel_named

    limits = CheckLimits(
        depth=depth,
        states=states,
        seconds=seconds,
        memory=memory and memory << 20,
        checkpoint=checkpoint,
        walks=random,
        seed=seed,
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
    )
    return check_machines(request)


@app.command()
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
        int, typer.Option(metavar="N", min=0, max=65535, help="The port; without it, one that is free.")
    ] = 0,
) -> int:
    """Write, run and walk through programs in the browser, with a picture of every step.

    The page is served to this machine alone, to who has its address. It ends with Ctrl-C.
    """
    from pfnlab.cli.explore import explore as explore_in_browser

    return explore_in_browser(program, on or [], browser=browser, port=port)


@app.command()
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


@app.command()
def draw(
    program: Annotated[
        str,
        typer.Argument(
            metavar="PROGRAM", help="A name (`pfnlab litmus list`), a file, or - for standard input."
        ),
    ],
    on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MACHINE",
            help="As for run; several machines are drawn side by side. Without it: the newest model.",
        ),
    ] = None,
    step: Annotated[
        int | None, typer.Option("--step", metavar="N", help="The state after step N alone, counted from 1.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="All steps, which is so without --step too.")] = False,
    race: Annotated[
        bool, typer.Option("--race", help="Lanes of processors: who is held, who waits, what each remembers.")
    ] = False,
    narrow: Annotated[bool, typer.Option("--narrow", help="For a narrow screen: 400 pixels wide.")] = False,
    theme: Annotated[
        str,
        typer.Option(
            "--theme", metavar="auto|light|dark", help="Its colours; auto follows the reader's system."
        ),
    ] = "auto",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the picture there.")
    ] = None,
    profile: ProfileOf = None,
    accel: AccelOf = "tcg",
    look: LookOf = None,
) -> int:
    """Draw a program and what machines did with it, as SVG.

    From top to bottom: the VMAs of each task, its page tables, physical memory, the book with owners and
    references, what processors remember, and the log. What changed in a step has a mark; of several machines,
    what differs is lit.
    """
    from pfnlab.cli.draw import DrawRequest
    from pfnlab.cli.draw import draw as draw_program
    from pfnlab.errors import Misuse
    from pfnlab.lab.vm.accel import accel_named
    from pfnlab.programs.runs.look import look_named

    if all_ and step is not None:
        raise Misuse("--all draws all steps, and --step one: give one of them")
    return draw_program(
        DrawRequest(
            program=program,
            on=tuple(on or ()),
            step=step,
            race=race,
            narrow=narrow,
            theme=theme,
            output=output,
            profile=profile,
            accel=accel_named(accel),
            look=look_named(look) if look is not None else None,
        )
    )


@app.command()
def report(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RESULT", help="What a verb printed with --json; the folder of a finding."),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the report there.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="html|md",
            help="A file for a browser, or Markdown for a mail. Without it: what the name of FILE ends in.",
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="The title of the report.")] = None,
) -> int:
    """Make one report of results: a file that needs nothing else, what was found first.

    Results are what run, check, matrix, policies matrix, kernels meet, kernels diff, fuzz, try and replay
    print with --json, and folders of findings. What was found comes first.
    """
    from pfnlab.cli.report import ReportRequest
    from pfnlab.cli.report import report as write_report

    return write_report(ReportRequest(results=tuple(results), output=output, form=form, title=title))


@app.command()
def matrix(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.jsonl", help="Recorded cases.")],
    as_json: AsJson = False,
) -> int:
    """Predict recorded behaviour of real kernels and count what the model gets right."""
    from pfnlab.cli.matrix import predict

    return predict(files, as_json=as_json)


@app.command()
def schema(
    verb: Annotated[list[str], typer.Argument(metavar="VERB...", help="For instance run, or kernels meet.")],
) -> int:
    """Print the JSON Schema of what a verb prints with --json."""
    from pfnlab.schemas import schema_text

    print(schema_text(" ".join(verb)), end="")
    return 0


@app.command()
def completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> int:
    """Print what makes a shell complete machines, versions, scopes, properties, policies and programs."""
    from pfnlab.cli.completing import script

    print(script(shell), end="")
    return 0


@policies.callback(invoke_without_command=True)
def policies_default(context: typer.Context) -> int:
    """The competing ideas the model can run; `list` when nothing is said."""
    return policies_list() if context.invoked_subcommand is None else 0


@policies.command("list")
def policies_list() -> int:
    """Every policy by seam, and the kernel profiles."""
    from pfnlab.cli.policies import list_policies

    return list_policies()


@policies.command("matrix")
def policies_matrix(
    depth: Annotated[int, typer.Option(metavar="N", min=1, help="Operations in a row.")] = 3,
    as_json: AsJson = False,
) -> int:
    """Every policy against every property of its seam, and what it costs; takes two minutes."""
    from pfnlab.progress import working
    from pfnlab.report.policies_matrix import policies_matrix, policies_object

    with working("every policy against every property"):
        text = (
            json.dumps(policies_object(depth), ensure_ascii=False) + "\n"
            if as_json
            else policies_matrix(depth)
        )
    print(text, end="")
    return 0


@policies.command("show")
def policies_show(name: Annotated[str, typer.Argument(metavar="NAME", help="A policy or profile.")]) -> int:
    """What one policy says."""
    from pfnlab.cli.policies import show_policy

    return show_policy(name)
