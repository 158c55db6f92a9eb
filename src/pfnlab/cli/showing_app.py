"""The options of ``explore``, ``draw``, ``report``, ``matrix`` and ``schema``, not what they do."""

# No annotations as strings here: the framework would evaluate each several times before every command.

from pathlib import Path
from typing import Annotated

import typer

from pfnlab.cli.plain import AccelOf, AsJson, JobsOf, LookOf, ProfileOf, ReportFile, ReportForm, ReportTitle


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


def report(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RESULT", help="What a verb printed with --json; the folder of a finding."),
    ],
    output: ReportFile = None,
    form: ReportForm = None,
    title: ReportTitle = None,
) -> int:
    """Make one report of results: a file that needs nothing else, what was found first.

    Results are what run, check, matrix, policies matrix, kernels meet, kernels diff, fuzz, try and replay
    print with --json, and folders of findings. What was found comes first.
    """
    from pfnlab.cli.report import ReportRequest
    from pfnlab.cli.report import report as write_report

    return write_report(ReportRequest(results=tuple(results), output=output, form=form, title=title))


def matrix(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.jsonl", help="Recorded cases.")],
    jobs: JobsOf = None,
    as_json: AsJson = False,
) -> int:
    """Predict recorded behaviour of real kernels and count what the model gets right."""
    from pfnlab.cli.matrix import predict

    return predict(files, as_json=as_json, jobs=jobs)


def schema(
    verb: Annotated[list[str], typer.Argument(metavar="VERB...", help="For instance run, or kernels meet.")],
) -> int:
    """Print the JSON Schema of what a verb prints with --json."""
    from pfnlab.schemas import schema_text

    print(schema_text(" ".join(verb)), end="")
    return 0
