"""One state as a picture."""

from __future__ import annotations

from pfnlab.errors import Misuse
from pfnlab.picture.form import ALONE, MARGIN, NARROW, SLIM, WIDE, Axes, Form, is_narrow
from pfnlab.picture.palette import Theme
from pfnlab.picture.panel import Panel, shared_rows
from pfnlab.picture.scenes import Scenes
from pfnlab.picture.sheet import Sheet, draw_head, head_height
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import Run


def draw_state(
    program: Program,
    run: Run,
    step: int,
    *,
    width: float | None = None,
    theme: Theme = "auto",
    scenes: Scenes | None = None,
) -> str:
    """The state after one step: tasks above, physical memory and the book below, processors aside.

    :param step: the index of the step, from 0; -1 is the last
    :param width: of the picture in pixels, 960 for None; up to 560 it is for a narrow screen
    :param theme: ``auto`` follows the reader's system
    :param scenes: the scenes of this run, where they were made before: they save work
    :return: SVG; the same for the same arguments
    :raises Misuse: there is no such step, or the run is of another program
    """
    scenes = scenes or Scenes(program, [run])
    index = step_index(step, scenes.steps)
    scene = scenes.of(run, index)
    slim = is_narrow(width)
    form = SLIM if slim else ALONE
    if not scenes.extents.remembers:
        form = Form(form.margin, form.vma, form.page, form.fall, form.words)
    sheet, axes = _sheet(scenes, form, index, width or WIDE)
    sheet.title(program.title or "A program", [f"{run.machine} · step {scene.number} of {scenes.steps}"])
    head = head_height(scene, sheet.width)
    draw_head(sheet.drawing, scene, sheet.left, sheet.at, sheet.width)
    sheet.at += head + 8
    panel = Panel(scene, scenes.extents, axes, form, sheet.width, processors=scenes.extents.remembers)
    sheet.at = panel.draw(sheet.drawing, sheet.left, sheet.at, shared_rows(scenes.extents, [panel]))
    sheet.legend()
    return sheet.svg(f"{program.title}, step {scene.number} on {run.machine}", scene.says, theme)


def _sheet(scenes: Scenes, form: Form, index: int, width: float) -> tuple[Sheet, Axes]:
    """A sheet of *width*, or of more where the axes need it."""
    inner = max(width, NARROW / 2) - 2 * MARGIN
    axes = scenes.axes(inner - form.margin - form.aside)
    wide = max(inner, axes.width + form.margin + form.aside)
    return Sheet(wide, scenes.key("state", index, width)), axes


def step_index(step: int, steps: int) -> int:
    """*step* as an index.

    :param step: counted from 0; negative from the end
    :raises Misuse: there is none
    """
    index = step + steps if step < 0 else step
    if not 0 <= index < steps:
        last = f"0 to {steps - 1}" if steps else "none, for the run has no steps"
        raise Misuse(f"there is no step with the index {step}: {last}")
    return index
