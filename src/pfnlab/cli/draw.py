"""``pfnlab draw``: programs on machines as pictures."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pfnlab.errors import Misuse
from pfnlab.files import check_output, write_output
from pfnlab.lab.machines import files_named, name_machines, newest_series, side_by_side
from pfnlab.lab.vm.accel import Accel
from pfnlab.picture import draw_compare, draw_race, draw_state, draw_story
from pfnlab.picture.dimensions import NARROW
from pfnlab.picture.palette import Theme
from pfnlab.programs.library import load_found, program_paths
from pfnlab.programs.runs.look import LookLevel

#: The looks of a picture, by their names on the command line.
THEMES: dict[str, Theme] = {"auto": "auto", "light": "light", "dark": "dark"}


class DrawRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of the command line.

    :param program: a file or a name, of one program
    :param step: counted from 1; None for all
    :param race: lanes of processors, not states
    :param output: the file; None for standard output
    """

    program: str
    on: tuple[str, ...] = ()
    step: int | None = None
    race: bool = False
    narrow: bool = False
    theme: str = "auto"
    output: Path | None = None
    profile: str | None = None
    accel: Accel = Accel.TCG
    look: LookLevel | None = None


def draw(request: DrawRequest) -> int:
    """Run, draw, write; 0.

    :raises Misuse: there is not one program, or no such step or theme, or the output is a file that is read
    """
    if request.theme not in THEMES:
        raise Misuse(f"there is no theme {request.theme!r}: write --theme {'|'.join(THEMES)}")
    if request.race and request.step is not None:
        raise Misuse("--race draws all steps, and --step one: give one of them")
    paths = program_paths([request.program])
    if len(paths) != 1:
        raise Misuse(f"{request.program} is {len(paths)} programs: name one")
    specs = request.on or (f"model:{newest_series()}",)
    check_output(request.output, [*paths, *map(Path, files_named(specs))])
    if request.output is not None and request.output.suffix not in ("", ".svg"):
        raise Misuse(f"{request.output}: a picture is SVG: write -o {request.output.with_suffix('.svg')}")
    program = load_found(paths[0])
    steps = len(program.ops) + 1
    if request.step is not None and not 1 <= request.step <= steps:
        raise Misuse(f"--step {request.step}: the program has the steps 1 to {steps}, the last is its end")
    machines = name_machines(specs, request.profile)
    (runs,) = side_by_side(machines, [program], request.look, request.accel)
    width, theme = (NARROW if request.narrow else None), THEMES[request.theme]
    if request.race:
        svg = draw_race(program, runs, width=width, theme=theme)
    elif request.step is None:
        svg = draw_story(program, runs, width=width, theme=theme)
    elif len(runs) > 1:
        svg = draw_compare(program, runs, request.step - 1, width=width, theme=theme)
    else:
        svg = draw_state(program, runs[0], request.step - 1, width=width, theme=theme)
    write_output(request.output, svg)
    return 0
