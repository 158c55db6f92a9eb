"""Draw one state, a story, or machines side by side in columns, highlighting differences."""

from collections.abc import Sequence

from pfnlab.base.errors import Misuse
from pfnlab.present.picture import axis
from pfnlab.present.picture.canvas import Canvas, Face, text_width, wrapped
from pfnlab.present.picture.palette import Theme
from pfnlab.present.picture.panel import Panel, RowName, shared_rows
from pfnlab.present.picture.parts import ScenePart, StateScene
from pfnlab.present.picture.scenes import ROWS, TRACKING, Scenes, differing_words
from pfnlab.present.picture.sheet import Sheet, draw_head, head_height, step_words
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import Run


class _Grid:
    """Panels of equal width on a sheet, *across* of them side by side, *gap* pixels apart.

    :param key: words that tell this picture from others of the same runs
    :param least: the minimum width of a panel
    """

    def __init__(
        self, scenes: Scenes, sizes: axis.Dimensions, width: float | None, key: Sequence[object],
        across: int = 1, gap: float = axis.SPACE, least: float = 0.0,
    ) -> None:  # fmt: skip
        least = max(least, (_inner(width) - (across - 1) * gap) / across)
        self.scenes, self._sizes, self._axes = scenes, sizes, scenes.axes(least - sizes.margin)
        self.each = max(least, self._axes.width + sizes.margin)
        self.sheet = Sheet(across * self.each + (across - 1) * gap, scenes.key(*key))
        self.lefts = [self.sheet.left + column * (self.each + gap) for column in range(across)]

    def panels(self, row: Sequence[StateScene], processors: bool) -> list[Panel]:
        """Return the panels of *row*, with the translations of *processors* if they are to be shown."""
        fixed = self.scenes.extents, self._axes, self._sizes, self.each, processors
        return [Panel(self.sheet.drawing, scene, *fixed) for scene in row]

    def draw_steps(self, row: Sequence[StateScene], processors: bool) -> None:
        """Draw steps of one machine side by side, each below its head."""
        panels = self.panels(row, processors)
        rows = shared_rows(self.scenes.extents, panels)
        drawing, top = self.sheet.drawing, self.sheet.at
        below = bottom = top + max(head_height(scene, self.each) for scene in row) + 6
        for left, scene, panel in zip(self.lefts, row, panels, strict=False):
            with drawing.step(scene.number, scene.machine):
                draw_head(drawing, scene, left, top, self.each)
                bottom = max(bottom, panel.draw(left, below, rows, pale=scene.number > 1))
        self.sheet.at = bottom + 14


def _inner(width: float | None) -> float:
    """Return the width between the margins of a picture."""
    return max(width or axis.WIDE, axis.NARROW / 2) - 2 * axis.MARGIN


def draw_state(
    program: Program,
    runs: Sequence[Run],
    step: int,
    *,
    width: float | None = None,
    theme: Theme = "auto",
    scenes: Scenes | None = None,
) -> str:
    """Draw the state after one step: tasks, then physical memory, the book and the processors.

    Several machines are drawn side by side (below each other up to a width of 560), with differences
    highlighted.

    :param step: counted from 0; -1 is the last step
    :param width: in pixels, None for 960; up to 560, the picture is for a narrow screen
    :param theme: ``auto`` follows the reader's system
    :param scenes: the scenes of these runs, if they have already been made
    :raises Misuse: if there is no such step, or a run is of another program
    """
    scenes = scenes or Scenes(program, runs)
    index = step_index(step, scenes.steps)
    if len(runs) > 1:
        return _draw_columns(scenes, [index], width, theme)
    sizes = axis.SLIM if axis.is_narrow(width) else axis.ALONE
    grid = _Grid(scenes, sizes, width, ("state", index, width or axis.WIDE))
    scene = scenes.of(runs[0], index)
    grid.sheet.title(program.title, [f"{scene.machine} · step {scene.number} of {scenes.steps}"])
    grid.draw_steps([scene], scenes.extents.remembers)
    return grid.sheet.svg(f"{program.title}, step {scene.number} on {scene.machine}", scene.says, theme)


def step_index(step: int, steps: int) -> int:
    """Return *step* as an index; raise Misuse if there is no such step."""
    index = step + steps if step < 0 else step
    if not 0 <= index < steps:
        last = f"0 to {steps - 1}" if steps else "the run has no steps"
        raise Misuse(f"there is no step with the index {step}: {last}")
    return index


#: The minimum width of a column.
_LEAST = 380.0


def _draw_columns(scenes: Scenes, steps: Sequence[int], width: float | None, theme: Theme) -> str:
    """Draw all steps on all machines, or only *steps* in full; steps without differences take one line."""
    program, groups = scenes.program, _same(scenes.runs)
    slim = axis.is_narrow(width)
    across, least = (1, 0.0) if slim or len(groups) == 1 else (len(groups), _LEAST)
    grid = _Grid(scenes, axis.AMONG, width, ("columns", *steps, width), across, 2 * axis.SPACE, least)
    sheet = grid.sheet
    sheet.title(program.title, [program.asks])
    if not slim:
        _names(grid, groups)
    said = []
    differing = differing_words(scenes.runs)
    shown = -1
    if not any(set(words) - {TRACKING} for words in differing):
        # If machines do not differ at all, draw one step anyway: the one with most to see.
        first = scenes.runs[0]
        shown = max(range(len(first.steps)), key=lambda at: len(scenes.of(first, at).says), default=0)
    for index in steps or range(scenes.steps):
        row = [scenes.of(group[0], index) for group in groups]
        words = differing[index]
        opened = [word for word in words if word != TRACKING]
        said += [step_words(scene) for scene in row]
        named = next((scene for scene in row if scene.op), row[0])
        if steps or opened or (index == shown and not row[0].unreached):
            _draw_bar(sheet, named, _difference_words(row, words), lit=bool(words), opened=True)
            _draw_row(grid, row, groups, opened, slim=slim)
        else:
            said_once = step_words(row[0]).partition(f"{row[0].op}, ")[2].rstrip(".")
            alike = f"{said_once} {_difference_words(row, words) or '= the same'}"
            _draw_bar(sheet, row[0], alike, lit=False, opened=False)
        sheet.at += 10
    machines = " and ".join(run.machine for run in scenes.runs)
    return sheet.svg(f"{program.title}: {machines}", " ".join([f"On {machines}.", *said]), theme)


def _same(runs: Sequence[Run]) -> list[list[Run]]:
    """Group runs that are the same in every step: they share a column."""
    groups: list[list[Run]] = []
    for run in runs:
        what = run.steps, run.tlbs, run.unfinished
        alike = (one for one in groups if what == (one[0].steps, one[0].tlbs, one[0].unfinished))
        same = next(alike, None) if len(runs) > 2 else None
        if same is None:
            groups.append([run])
        else:
            same.append(run)
    return groups


def _names(grid: _Grid, groups: Sequence[Sequence[Run]]) -> None:
    """Draw the machine names above their columns."""
    sheet, most = grid.sheet, 1
    for group, left in zip(groups, grid.lefts, strict=True):
        lines = wrapped(" · ".join(run.machine for run in group), grid.each, 15, "bold")
        for row, line in enumerate(lines):
            sheet.drawing.text(left, sheet.at + 14 + row * 20, line, size=15, face="bold")
        most = max(most, len(lines))
    sheet.at += most * 20 + 8


def _draw_bar(sheet: Sheet, scene: StateScene, words: str, *, lit: bool, opened: bool) -> None:
    """Draw a step across all columns: its operation, and *words* beside it or, without room, below it.

    :param opened: whether its panels follow
    """
    drawing, left, room = sheet.drawing, sheet.left + 12, sheet.width - 24
    face: Face = "bold" if lit else "sans"
    kind = "" if lit else "quiet"
    number = text_width(f"{scene.number}", 13, "bold") + 8
    wide = text_width(words, 12, face) + 24
    op = wrapped(scene.op or "–", max(room - number - wide, room / 2 - number) / 1.02, 12)
    below = number + max(text_width(line, 12) * 1.02 for line in op) + wide > room
    after = wrapped(words, room - number, 12, face) if below else []
    high = 16 * (len(op) + len(after)) + (12 if opened else 0)
    part = ScenePart(
        part=f"step:{scene.number}", says=f"step {scene.number}: {scene.op}: {words}", rule=scene.rule
    )
    with drawing.part(part, "step"):
        if opened:
            drawing.rect(sheet.left, sheet.at, sheet.width, high, "panel", 4)
        y = sheet.at + (18 if opened else 14)
        drawing.text(left, y, f"{scene.number}", size=13, face="bold")
        for at, line in enumerate(op):
            drawing.text(left + number, y + at * 16, line, "strong")
        for at, line in enumerate(after, len(op)):
            drawing.text(left + number, y + at * 16, line, kind, face=face)
        if not below:
            drawing.text(left + room, y, words, kind, face=face, anchor="end")
    sheet.at += high + (8 if opened else 0)


def _difference_words(row: Sequence[StateScene], differing: Sequence[str]) -> str:
    if not set(differing) - {TRACKING}:
        same = "= the same" if len(row) > 1 else ""
        return f"{same}, tracked differently" if differing else same
    flushes = ("?" if scene.flushes is None else str(scene.flushes) for scene in row)
    values = {"result": [scene.result for scene in row], "flushes": list(flushes)}
    words = (f"{word} {' ≠ '.join(values.get(word, ()))}".rstrip() for word in differing if word != TRACKING)
    return f"≠ {', '.join(words)}"


def _draw_row(
    grid: _Grid, row: Sequence[StateScene], groups: Sequence[list[Run]], differing: list[str], *, slim: bool
) -> None:
    """Draw the panels of a step, one for each group of machines."""
    scenes, sheet, each = grid.scenes, grid.sheet, grid.each
    panels = grid.panels(row, scenes.ever_stale)
    rows = shared_rows(scenes.extents, panels)
    top = bottom = sheet.at
    for column, (panel, scene, group) in enumerate(zip(panels, row, groups, strict=True)):
        left = grid.lefts[0 if slim else column]
        if slim:
            machine = " · ".join(run.machine for run in group)
            for line in wrapped(machine, each, 13, "bold"):
                sheet.drawing.text(left, bottom + 14, line, size=13, face="bold")
                bottom += 18
            top = bottom = bottom + 4
            rows = shared_rows(scenes.extents, [panel]) | {
                key: high for key, high in rows.items() if key[0] in _highlighted(differing)
            }
            rows = {key: rows[key] for key in shared_rows(scenes.extents, panels) if key in rows}
        with sheet.drawing.step(scene.number, group[0].machine):
            _highlight(sheet.drawing, left - 6, each + 12, top, rows, differing)
            bottom = max(bottom, panel.draw(left, top, rows, pale=bool(differing)))
            if not scene.log and "log" in differing:
                _no_log(sheet.drawing, left, top, rows)
        bottom += 8 if slim else 0
    sheet.at = bottom


def _highlighted(differing: Sequence[str]) -> set[str]:
    return {row for word in differing for row in ROWS.get(word, ())}


def _highlight(
    drawing: Canvas,
    left: float,
    width: float,
    top: float,
    rows: dict[RowName, float],
    differing: Sequence[str],
) -> None:
    """Draw the background of rows that differ."""
    highlighted = _highlighted(differing)
    for row, high in rows.items():
        if row[0] in highlighted:
            # A log is text across the whole width, so its background and the words in the head
            # show the difference.
            drawing.signs.add("differs")
            drawing.rect(left, top - 3, width, high, "differs", 3)
            if row[0] != "log":
                drawing.text(left + axis.AMONG.margin + 2, top + 15, "≠", size=12, face="bold", anchor="end")
        top += high


def _no_log(drawing: Canvas, left: float, top: float, rows: dict[RowName, float]) -> None:
    """Draw a placeholder for a log that another machine has and this one does not."""
    for row, high in rows.items():
        if row[0] == "log":
            drawing.text(left + 12, top + 16, "nothing in the log", "quiet", face="sans")
        top += high


#: The maximum number of panels in a row, and the minimum width of a panel.
_IN_A_ROW, _LEAST_PANEL = 4, 300.0


def draw_story(
    program: Program,
    runs: Sequence[Run],
    *,
    full: bool = False,
    width: float | None = None,
    theme: Theme = "auto",
) -> str:
    """Draw all steps of a program, one panel per step or one column per machine; raise Misuse for bad runs.

    :param full: draw steps in full in which machines agree; otherwise each is one line
    :param width: in pixels, as in :func:`draw_state`
    """
    scenes = Scenes(program, runs)
    if len(runs) > 1:
        return _draw_columns(scenes, range(scenes.steps) if full else (), width, theme)
    (run,) = runs
    across = 1 if axis.is_narrow(width) else _across(scenes, _inner(width))
    grid = _Grid(scenes, axis.AMONG, width, ("story", width), across)
    sheet = grid.sheet
    sheet.title(program.title, [program.asks, run.machine])
    whole = [scenes.of(run, index) for index in range(scenes.steps)]
    for first in range(0, len(whole), across):
        grid.draw_steps(whole[first : first + across], scenes.ever_stale)
    if run.unfinished is not None:
        sheet.drawing.text(sheet.left, sheet.at + 12, run.unfinished, "bad-ink", face="sans")
        sheet.at += 20
    return sheet.svg(program.title, " ".join([f"On {run.machine}.", *map(step_words, whole)]), theme)


def _across(scenes: Scenes, width: float) -> int:
    """Return the number of panels in a row: as many as leave room for VMA names, spread evenly over rows."""
    for across in range(min(_IN_A_ROW, scenes.steps), 1, -1):
        each = (width - (across - 1) * axis.SPACE) / across
        if each >= _LEAST_PANEL and scenes.fits(each - axis.AMONG.margin):
            rows = -(-scenes.steps // across)
            return -(-scenes.steps // rows)
    return 1
