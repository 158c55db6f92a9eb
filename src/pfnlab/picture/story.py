"""The story of a program: a panel a step on one machine, or machines side by side."""

from __future__ import annotations

from collections.abc import Sequence

from pfnlab.picture.columns import draw_columns
from pfnlab.picture.dimensions import AMONG, MARGIN, NARROW, SPACE, WIDE, is_narrow
from pfnlab.picture.palette import Theme
from pfnlab.picture.panel import Panel, shared_rows
from pfnlab.picture.scenes import Scenes
from pfnlab.picture.sheet import Sheet, draw_head, head_height, step_words
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import Run

#: At most so many panels stand in a row, and none is narrower than this.
_IN_A_ROW, _LEAST = 4, 300.0


def draw_story(
    program: Program, runs: Sequence[Run], *, width: float | None = None, theme: Theme = "auto"
) -> str:
    """All steps of a program: a panel a step, or a column for each machine, differences highlighted.

    :param width: of the picture in pixels, 960 for None; up to 560 it is for a narrow screen
    :param theme: ``auto`` follows the reader's system
    :return: SVG; the same for the same arguments
    :raises Misuse: there are no runs, or they are of another program
    """
    scenes = Scenes(program, runs)
    if len(runs) > 1:
        return draw_columns(scenes, width=width, theme=theme)
    inner = max(width or WIDE, NARROW / 2) - 2 * MARGIN
    columns = 1 if is_narrow(width) else _columns(scenes, inner)
    each = (inner - (columns - 1) * SPACE) / columns
    axes = scenes.axes(each - AMONG.margin)
    if axes.width > each - AMONG.margin:
        columns, each = 1, max(inner, axes.width + AMONG.margin)
    sheet = Sheet(columns * each + (columns - 1) * SPACE, scenes.key("story", width))
    run = runs[0]
    sheet.title(program.title or "A program", [program.asks, run.machine])
    whole = scenes.all_of(run)
    for first in range(0, len(whole), columns):
        row = whole[first : first + columns]
        panels = [
            Panel(scene, scenes.extents, axes, AMONG, each, processors=scenes.ever_stale) for scene in row
        ]
        heads = max(head_height(scene, each) for scene in row)
        rows = shared_rows(scenes.extents, panels)
        bottom = sheet.at
        for column, (scene, panel) in enumerate(zip(row, panels, strict=True)):
            left = sheet.left + column * (each + SPACE)
            with sheet.drawing.step(scene.number, run.machine):
                draw_head(sheet.drawing, scene, left, sheet.at, each)
                pale = scene.number > 1
                bottom = max(bottom, panel.draw(sheet.drawing, left, sheet.at + heads + 6, rows, pale=pale))
        sheet.at = bottom + 14
    if run.unfinished is not None:
        sheet.drawing.text(sheet.left, sheet.at + 12, run.unfinished, "bad-ink", face="sans")
        sheet.at += 20
    sheet.legend()
    says = " ".join([f"On {run.machine}.", *map(step_words, whole)])
    return sheet.svg(program.title or "A program", says, theme)


def _columns(scenes: Scenes, width: float) -> int:
    """How many panels stand in a row: as many as leave room for the names of VMAs."""
    wished = max(scenes.wished(AMONG, width - AMONG.margin), _LEAST)
    most = min(_IN_A_ROW, scenes.steps, int((width + SPACE) // (wished + SPACE)))
    rows = -(-scenes.steps // max(most, 1))
    # As few columns as fill the same rows: no row has one panel and the next four.
    return max(-(-scenes.steps // rows), 1)
