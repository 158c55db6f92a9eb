"""Draw a program and its effect on machines as SVG.

From top to bottom: the VMAs of each task, its page tables, physical memory, the book (the memtype list) with
owners and references, each processor's cached translations, and the log. Changes made by a step are marked;
differences between machines are highlighted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import AccelOf, LookOf, Option, OutputFile, ProfileOf, ProgramWord, Request, Say


class DrawRequest(Request, frozen=True, kw_only=True):
    program: ProgramWord
    on: Annotated[
        tuple[str, ...],
        Option(
            "As in run; several machines are drawn next to each other. Default: the newest model.", "MACHINE"
        ),
    ] = ()
    step: Annotated[
        int | None,
        Option("Draw only the state after step N, counted from 1.", "N", excludes="all_steps race"),
    ] = None
    all_steps: Annotated[
        bool, Option("Draw all steps in full, also those in which machines agree.", names=("--all",))
    ] = False
    race: Annotated[
        bool, Option("Draw processor lanes: which are held, which wait, and what each has cached.")
    ] = False
    narrow: Annotated[bool, Option("Draw for narrow screens: 400 pixels wide.")] = False
    theme: Annotated[str, Option("Colours; auto follows the viewer's system setting.", "auto|light|dark")] = (
        "auto"
    )
    output: OutputFile = None
    profile: ProfileOf = None
    accel: AccelOf = "tcg"
    look: LookOf = None


def perform(request: DrawRequest, say: Say) -> Iterator[PlainText]:
    """Run the program and draw it; Misuse if the program, step, theme or output is wrong."""
    from pfnlab.base.files import check_output
    from pfnlab.base.inert import shell_path
    from pfnlab.present.picture import draw_race, draw_state, draw_story
    from pfnlab.present.picture.axis import NARROW
    from pfnlab.present.picture.palette import Theme
    from pfnlab.programs.lang.library import load_found, only_path
    from pfnlab.programs.runs.look import LookLevel
    from pfnlab.programs.runs.machine import Accel
    from pfnlab.programs.runs.named_machines import files_named, name_machines, newest_series, side_by_side

    themes: dict[str, Theme] = {"auto": "auto", "light": "light", "dark": "dark"}
    step = request.step
    accel, look = Accel(request.accel), LookLevel(request.look) if request.look else None
    path = only_path(request.program)
    specs = request.on or (f"model:{newest_series()}",)
    check_output(request.output, [path, *map(Path, files_named(specs))])
    if request.output is not None and request.output.suffix not in ("", ".svg"):
        drawn = shell_path(request.output.with_suffix(".svg"))
        raise Misuse(f"{request.output}: pictures are SVG: write -o {drawn}")
    program = load_found(path)
    steps = len(program.ops) + 1
    if step is not None and not 1 <= step <= steps:
        raise Misuse(f"--step {step}: the program has steps 1 to {steps}; the last is its end")
    (runs,) = side_by_side(name_machines(specs, request.profile), [program], look, accel)
    width, theme = (NARROW if request.narrow else None), themes[request.theme]
    if request.race:
        svg = draw_race(program, runs, width=width, theme=theme)
    elif step is None:
        svg = draw_story(program, runs, full=request.all_steps, width=width, theme=theme)
    else:
        svg = draw_state(program, runs, step - 1, width=width, theme=theme)
    yield PlainText(svg)
