"""A race as swim lanes: time runs down, one lane per processor, with holds, waits and cached translations."""

from collections.abc import Sequence

from pfnlab.present.picture.axis import MARGIN, NARROW, SPACE, WIDE, is_narrow
from pfnlab.present.picture.bands import short_span
from pfnlab.present.picture.canvas import Canvas, cut, text_width, wrapped
from pfnlab.present.picture.lanes import LaneLife, Lanes, LaneSpan, LaneViolation, lane_tasks, lanes_of
from pfnlab.present.picture.palette import Theme, mode_style
from pfnlab.present.picture.parts import ScenePart, pages_part, part_id
from pfnlab.present.picture.scene import op_rules
from pfnlab.present.picture.scenes import Scenes
from pfnlab.present.picture.sheet import Sheet
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import Run

#: The heights of a row, of a line in its operation and of a box; the width of a life; a lane's minimum width.
_ROW, _LINE, _BOX, _LIFE, _LANE = 44.0, 16.0, 22.0, 9.0, 118.0
#: The maximum number of lives drawn side by side in a lane; where more begin, the rest are counted.
_SLOTS = 4


def draw_race(
    program: Program, runs: Sequence[Run], *, width: float | None = None, theme: Theme = "auto"
) -> str:
    """Draw the lanes of all processors, for one machine or several, up to 560 pixels for a narrow screen;
    raise Misuse if there are no runs, or runs of several programs."""
    scenes = Scenes(program, runs)
    tasks = lane_tasks(program, runs)
    slim = is_narrow(width)
    inner = max(width or WIDE, NARROW / 2) - 2 * MARGIN
    all_lanes = [lanes_of(program, run, tasks) for run in runs]
    pairs = list(zip(all_lanes, runs, strict=True))
    charts = [[pair] for pair in pairs] if slim else [pairs]
    least = 84.0 if slim else _LANE
    words = 0.0 if slim else max(240.0, inner * 0.33)
    across = 1 if slim else len(runs)
    each = max((inner - words - across * SPACE) / max(across * len(tasks), 1), least)
    wide = max(inner, words + across * (len(tasks) * each + SPACE))
    sheet = Sheet(wide, scenes.key("race", width))
    sheet.title(program.title, [program.asks, "Time runs down; each lane is a processor."])
    for chart in charts:
        _Chart(sheet, chart, words, each, slim=slim).draw()
        sheet.at += 16
    machines = " and ".join(run.machine for run in runs)
    says = " ".join([f"On {machines}.", *(_said(run, lanes) for lanes, run in pairs)])
    return sheet.svg(f"{program.title}: lanes of {machines}", says, theme)


class _Chart:
    """The lanes of all machines, next to a single column of operations."""

    def __init__(
        self, sheet: Sheet, chart: Sequence[tuple[Lanes, Run]], words: float, each: float, *, slim: bool
    ) -> None:
        self._sheet, self._words, self._each, self._slim = sheet, words, each, slim
        self._drawing: Canvas = sheet.drawing
        self._chart, self._runs = [lanes for lanes, _ in chart], [run for _, run in chart]
        self._steps = max(len(run.steps) for run in self._runs)
        self._rows: list[float] = []

    def draw(self) -> None:
        """Draw heads, rows and everything in the lanes."""
        self._heads()
        top = self._sheet.at
        lines = [self._lines(row) for row in range(self._steps)]
        high = [self._row_height(row, len(lines[row])) for row in range(self._steps)]
        self._rows = [top + sum(high[:row]) for row in range(self._steps)]
        bottom = top + sum(high)
        for lanes in self._chart:
            for violation in lanes.violations:
                left, ground = self._left(lanes) - 4, high[violation.row] - 2
                wide = len(lanes.tasks) * self._each + 8
                self._drawing.rect(left, self._rows[violation.row] + 1, wide, ground, "bad-ground", 3)
        for y in self._rows:
            self._drawing.line(self._sheet.left, y, self._sheet.left + self._sheet.width, y, "rule")
        for lanes in self._chart:
            for task in lanes.tasks:
                x = self._centre(lanes, task)
                self._drawing.line(x, top - 4, x, bottom, "lane")
            with self._drawing.step(0, lanes.machine):
                self._in_lanes(lanes, bottom)
        for row, said in enumerate(lines):
            self._operation(row, said, high[row])
        self._sheet.at = bottom

    def _in_lanes(self, lanes: Lanes, bottom: float) -> None:
        for life in lanes.lives:
            self._life(lanes, life, bottom)
        for span in lanes.held:
            self._held(lanes, span)
        for span in lanes.waits:
            self._waits(lanes, span)
        for box in lanes.boxes:
            x, y = self._centre(lanes, box.task), self._middle(box.row)
            words = cut(box.words, self._room, 11)
            wide = text_width(words, 11) + 12
            part = ScenePart(part=part_id("lane", box.task, box.row), says=box.says)
            with self._drawing.part(part, "stale-read" if box.stale else "outcome"):
                self._drawing.rect(
                    x - wide / 2, y - _BOX / 2, wide, _BOX, "bad-fill" if box.stale else "tag", 4
                )
                kind = "on-bad strong" if box.stale else "strong" if box.words in ("held", "waits") else ""
                self._drawing.text(x, y + 4, words, kind, size=11, anchor="middle")
        for violation in lanes.violations:
            self._violation(lanes, violation)

    def _heads(self) -> None:
        sheet, drawing = self._sheet, self._drawing
        for lanes in self._chart:
            left = self._left(lanes)
            room = len(lanes.tasks) * self._each
            for row, line in enumerate(wrapped(lanes.machine, room, 13, "bold")[:3]):
                drawing.text(left, sheet.at + 13 + row * 17, line, size=13, face="bold")
        most = max(
            len(wrapped(lanes.machine, len(lanes.tasks) * self._each, 13, "bold")[:3])
            for lanes in self._chart
        )
        sheet.at += most * 17 + 6
        for lanes in self._chart:
            for task in lanes.tasks:
                name = cut(task, self._each - 8, 12, "bold")
                drawing.text(self._centre(lanes, task), sheet.at + 13, name, face="bold", anchor="middle")
        sheet.at += 24

    def _operation(self, row: int, lines: Sequence[str], high: float) -> None:
        sheet, drawing = self._sheet, self._drawing
        step = next(run.steps[row] for run in self._runs if row < len(run.steps))
        y = self._rows[row]
        number = text_width(f"{row + 1}", 12, "bold") + 8
        part = ScenePart(part=f"step:{row + 1}", says=f"step {row + 1}: {step.op}", rule=op_rules(step.op))
        with drawing.part(part, "step"):
            if self._slim:
                # Lanes are drawn behind the words here.
                wide = number + max(text_width(line, 12) for line in lines) * 1.02
                drawing.rect(sheet.left - 2, y + 5, wide + 4, 1 + len(lines) * _LINE, "plate")
            drawing.text(sheet.left, y + 17, f"{row + 1}", face="bold")
            for at, line in enumerate(lines):
                drawing.text(sheet.left + number, y + 17 + at * _LINE, line, "strong")
            self._flushes(row, y + 17 + (len(lines) - 1) * _LINE, y + high, number)

    def _flushes(self, row: int, last: float, bottom: float, number: float) -> None:
        """Draw an operation's flushes below its words, or to the right if there is no room."""
        counts = [run.steps[row].flushes if row < len(run.steps) else None for run in self._runs]
        if not any(counts):
            return
        words = list(dict.fromkeys("?" if count is None else f"×{count}" for count in counts))
        said = " ≠ ".join(words)
        under = not self._slim and last + 18 <= bottom
        x = self._sheet.left + (number if under else self._sheet.width - text_width(said, 11) - 14)
        y = last + 18 if under else self._rows[row] + 17
        self._drawing.bolt(x, y - 10)
        self._drawing.text(x + 12, y, said, "quiet", size=11, must=False)

    def _life(self, lanes: Lanes, life: LaneLife, bottom: float) -> None:
        x = self._centre(lanes, life.task) + min(self._room / 2, 48) + 6 + min(life.slot, _SLOTS - 1) * _LIFE
        top = self._middle(life.first)
        end = self._middle(life.last) if life.last < self._steps else bottom - 4
        stale_from = None if life.stale is None else self._middle(life.stale[0])
        stale = "" if life.stale is None else ", stale"
        style = mode_style(life.mode)
        part = ScenePart(
            part=pages_part("tlb", life.task, life.span),
            says=f"processor of {life.task} remembers {life.span}, {life.mode}{stale}, "
            f"from step {life.first + 1} until step {life.last + 1}",
            rule="S8.3" if life.stale else "S8.3.8",
        )
        drawing = self._drawing
        with drawing.part(part, "life-stale-part stale-life" if stale else "life-part"):
            drawing.signs.add("life")
            kind = f"life {style.key}-line" if style else "life"
            drawing.line(x, top, x, end if stale_from is None else stale_from, kind)
            if stale_from is not None:
                drawing.signs.add("life-stale")
                drawing.line(x, stale_from, x, end, "life-stale")
            drawing.line(x - 3.5, end, x + 3.5, end, "life-end" if not stale else "life-end bad-stroke")
            name = short_span(life.span)
            if not drawing.text(x + 5, top + 3, name, "quiet", size=10, must=False):
                drawing.text(x + 5, top + 14, name, "quiet", size=10, must=False)

    def _held(self, lanes: Lanes, span: LaneSpan) -> None:
        x = self._centre(lanes, span.task)
        says = ScenePart(
            part=part_id("held", span.task, span.first),
            says=f"{span.task} is held in {span.reason} from step {span.first + 1} to step {span.last + 1}",
        )
        with self._drawing.part(says, "held-part"):
            top, end = self._middle(span.first), self._middle(span.last)
            self._drawing.rect(x - 9, top, 18, end - top, "held", 0)
            self._drawing.hatch(x - 9, top, 18, end - top, "held")

    def _waits(self, lanes: Lanes, span: LaneSpan) -> None:
        x, y = self._centre(lanes, span.task), self._middle(span.first)
        drawing = self._drawing
        says = ScenePart(
            part=part_id("waits", span.task, span.first),
            says=f"{span.task} waits for {span.reason}, which {span.holder or 'nobody seen'} has, "
            f"from step {span.first + 1} to step {span.last + 1}",
            beside=part_id("held", span.holder, span.first) if span.holder else "",
        )
        with drawing.part(says, "waits-part"):
            drawing.signs.add("waits")
            for shift in (-4, 4):
                drawing.line(x + shift, y, x + shift, self._middle(span.last), "waits")
            if not span.holder or span.holder == span.task:
                return
            to = self._centre(lanes, span.holder)
            sign = 1 if to < x else -1
            start, end = x - sign * (text_width("waits", 11) / 2 + 6), to + sign * 10
            drawing.line(start, y, end + sign * 6, y, "arrow")
            drawing.path(f"M{end:.1f} {y:.1f}l{sign * 8} -4.5v9z", "arrow-head")
            words, middle = span.reason, (start + end) / 2
            plate = text_width(words, 10, "bold") + 6
            drawing.rect(middle - plate / 2, y - 17, plate, 13, "plate")
            drawing.text(middle, y - 7, words, size=10, face="bold", anchor="middle", must=False)

    def _violation(self, lanes: Lanes, violation: LaneViolation) -> None:
        """Draw the name of a violated property below the box of its operation."""
        drawing = self._drawing
        same = [one for one in lanes.violations if one.row == violation.row]
        y = self._middle(violation.row) + 16 + same.index(violation) * 18
        left, right = self._left(lanes), self._left(lanes) + len(lanes.tasks) * self._each
        words = cut(violation.name, right - left - 30, 11, "bold")
        wide = text_width(words, 11, "bold") + 26
        task = violation.task if violation.task in lanes.tasks else lanes.tasks[0]
        x = min(max(self._centre(lanes, task) - wide / 2, left), right - wide)
        part = ScenePart(
            part=part_id("broken", violation.name, violation.row),
            says=f"{violation.name} is broken: {violation.says}",
        )
        with drawing.part(part, "violation"):
            drawing.rect(x, y, wide, 16, "bad-fill")
            drawing.bolt(x + 6, y + 2, "on-bad")
            drawing.text(x + 18, y + 12, words, "on-bad", size=11, face="bold", must=False)

    def _lines(self, row: int) -> list[str]:
        step = next(run.steps[row] for run in self._runs if row < len(run.steps))
        width = self._sheet.width if self._slim else self._words - 12
        room = width - text_width(f"{row + 1}", 12, "bold") - 8
        return wrapped(step.op, (room - (50 if self._slim else 0)) / 1.02, 12)

    def _row_height(self, row: int, lines: int) -> float:
        broken = max(sum(one.row == row for one in lanes.violations) for lanes in self._chart)
        flushed = any(row < len(run.steps) and run.steps[row].flushes for run in self._runs)
        if self._slim:
            return 8 + lines * _LINE + _BOX + 12 + broken * 18
        return max(_ROW + broken * 18, 14 + (lines + bool(flushed)) * _LINE)

    def _middle(self, row: int) -> float:
        """Return the vertical position of events in a row."""
        if self._slim:
            return self._rows[row] + 8 + len(self._lines(row)) * _LINE + _BOX / 2 + 4
        return self._rows[row] + _ROW / 2

    @property
    def _room(self) -> float:
        """Return the width of boxes in a lane."""
        return self._each - 12 - _SLOTS * _LIFE

    def _left(self, lanes: Lanes) -> float:
        number = next(number for number, own in enumerate(self._chart) if own is lanes)
        return (
            self._sheet.left
            + self._words
            + number * (len(lanes.tasks) * self._each + SPACE)
            + SPACE * (not self._slim)
        )

    def _centre(self, lanes: Lanes, task: str) -> float:
        return self._left(lanes) + lanes.tasks.index(task) * self._each + self._room / 2


def _said(run: Run, lanes: Lanes) -> str:
    steps = "; ".join(
        f"{number} {step.op} = {step.result}" for number, step in enumerate(run.steps, 1) if step.op != "end"
    )
    broken = "".join(f" {one.name} is broken in step {one.row + 1}: {one.says}." for one in lanes.violations)
    return f"{run.machine}: {steps}.{broken}"
