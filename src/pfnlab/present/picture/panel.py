"""A panel: the picture of one state, in rows whose heights can be shared by several panels."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from pfnlab.present.picture import physical
from pfnlab.present.picture.axis import ROW_NAMES, Axes, Dimensions
from pfnlab.present.picture.bands import draw_link, draw_run, draw_vma, run_height
from pfnlab.present.picture.canvas import Canvas, cut, wrapped
from pfnlab.present.picture.parts import StateScene
from pfnlab.present.picture.scenes import Extents
from pfnlab.programs.lang.ops import MAIN_TASK

#: The space below a row, and the height of a log line.
_UNDER, _LOG_LINE = 6.0, 17.0
#: If more tasks than this have links, the links are drawn faint: otherwise they would form a solid area.
_SEVERAL = 2
#: The things a machine could not observe.
_NOT_SEEN = "not looked at"
#: A row, identified by its name and, if it belongs to a task, the task's name.
RowName = tuple[str, str]


class Panel:
    """One state on its axes, to be drawn on *drawing*.

    :param width: the whole width, including row names
    :param processors: whether to show the translations that processors have cached
    """

    def __init__(
        self, drawing: Canvas, scene: StateScene, extents: Extents, axes: Axes, sizes: Dimensions,
        width: float, processors: bool,
    ) -> None:  # fmt: skip
        self._drawing, self._scene, self._stage = drawing, scene, extents
        self._axes, self._sizes, self._width = axes, sizes, width
        self._processors = processors and scene.tlbs is not None
        self._lines = physical.book_lines(scene.book or ())
        self._left, self._places = 0.0, dict[RowName, float]()

    def rows(self) -> dict[RowName, float]:
        """Return the height of every row that this state needs, from top to bottom."""
        scene, sizes = self._scene, self._sizes
        rows: dict[RowName, float] = {}
        if scene.vmas is None or scene.unreached:
            rows["unseen", ""] = 22.0
        for task in scene.tasks or _former_tasks(scene):
            levels = [run.level for run in scene.runs or () if run.task == task and run.mode]
            if any(vma.task == task for vma in scene.vmas or ()):
                rows["vma", task] = sizes.vma + _UNDER
            if any(run.task == task for run in scene.runs or ()):
                rows["pte", task] = run_height(sizes, max(levels, default=1)) + _UNDER
        if self._broken:
            rows["pages", ""] = physical.TICKS
        if any(run.target is not None for run in scene.runs or ()) or any(physical.stale_links(scene)):
            rows["fall", ""] = sizes.fall
        if self._axes.physical.names:
            direct = any(device.modes for device in scene.devices)
            rows["memory", ""] = physical.BAR + physical.TICKS + (14 if direct else 0)
            rows["book", ""] = max(max(self._lines, default=0) + 1, 1) * physical.LINE + 2
        if self._processors:
            rows["tlb", ""] = physical.lines_height(scene)
        if scene.log:
            rows["log", ""] = sum(map(len, self._log_lines())) * _LOG_LINE + 12
        return rows

    def draw(self, left: float, top: float, rows: Mapping[RowName, float], *, pale: bool = False) -> float:
        """Draw it in rows with the heights *rows*, which may be more than it needs; return where it ends."""
        self._left, self._places, at = left, {}, top
        for row, height in rows.items():
            self._places[row] = at
            at += height
        scene, drawing, start = self._scene, self._drawing, self._start
        if (memory := self._places.get(("memory", ""))) is not None:
            memory += rows["memory", ""] - physical.BAR - physical.TICKS
            self._draw_links(memory)
        self._draw_tasks(pale=pale)
        unseen = self._places.get(("unseen", ""))
        if unseen is not None and (scene.unreached or scene.vmas is None):
            if not scene.unreached:
                self._name(unseen + 13, "vma")
            words = cut(scene.unreached or _NOT_SEEN, self._right - start, 12, "sans")
            drawing.text(start, unseen + 13, words, "quiet", face="sans")
        if ("pages", "") in self._places:
            axis = self._axes.virtual
            physical.draw_ticks(drawing, axis, start, self._places["pages", ""] + 11, axis.names)
        if memory is not None:
            self._draw_memory(memory)
            self._draw_book(pale=pale)
        if ("tlb", "") in self._places and self._processors:
            self._name(self._places["tlb", ""] + 13, "tlb")
            physical.draw_lines(drawing, scene, start, self._places["tlb", ""], self._right)
        if scene.log and ("log", "") in self._places:
            self._draw_log(self._places["log", ""])
        return at

    def _draw_links(self, bottom: float) -> None:
        faint = len({run.task for run in self._scene.runs or () if run.target is not None}) > _SEVERAL
        for run in self._scene.runs or ():
            if run.target is not None:
                top = self._places["pte", run.task] + run_height(self._sizes, run.level)
                draw_link(self._drawing, run, self._axes, self._start, top, bottom, faint=faint)
        for run in physical.stale_links(self._scene):
            if ("pte", run.task) in self._places:
                top = self._places["pte", run.task] + run_height(self._sizes, 1)
            else:
                top = self._places.get(("fall", ""), bottom - self._sizes.fall)
            draw_link(self._drawing, run, self._axes, self._start, top, bottom)

    def _draw_tasks(self, *, pale: bool) -> None:
        scene, sizes, drawing, axis = self._scene, self._sizes, self._drawing, self._axes.virtual
        several = len({task for _, task in self._places if task}) > 1 or set(scene.tasks) - {MAIN_TASK}
        for (row, task), top in self._places.items():
            if row == "vma" and (task in scene.tasks or task in _former_tasks(scene)):
                if several:
                    name = cut(task, sizes.margin - 20, 12, "bold")
                    with drawing.row(row):
                        drawing.text(self._left, top + sizes.vma / 2 + 4, name, face="bold")
                else:
                    self._name(top + sizes.vma / 2 + 4, row)
                for vma in scene.vmas or ():
                    if vma.task == task:
                        draw_vma(drawing, vma, sizes, axis, self._start, top, pale=pale)
            if row == "pte" and task in scene.tasks:
                self._name(top + sizes.page / 2 + 4, row)
                for run in scene.runs or ():
                    if run.task == task:
                        draw_run(drawing, run, sizes, axis, self._start, top, pale=pale)

    def _draw_memory(self, top: float) -> None:
        drawing, axis = self._drawing, self._axes.physical
        self._name(top + 15, "memory")
        for device in self._scene.devices:
            physical.draw_device(drawing, device, self._stage, axis, self._start, top)
        physical.draw_ticks(drawing, axis, self._start, top + physical.BAR + 11, axis.names)

    def _draw_book(self, *, pale: bool) -> None:
        scene, drawing, axis = self._scene, self._drawing, self._axes.physical
        start, top = self._start, self._places["book", ""]
        self._name(top + 15, "book")
        if not scene.book:
            words = "nothing reserved" if scene.book is not None else "" if scene.unreached else _NOT_SEEN
            drawing.text(start, top + 15, words, "quiet", face="sans")
            return
        placed = list(zip(scene.book, self._lines, strict=True))
        for part, line in placed:
            end = axis.span(part.span)[1]
            begins = (axis.span(other.span)[0] for other, its in placed if its == line)
            right = min([self._right, *(start + begin for begin in begins if begin >= end)])
            at = top + line * physical.LINE
            physical.draw_reservation(drawing, part, axis, start, at, right, pale=pale)

    def _draw_log(self, top: float) -> None:
        drawing, left, at = self._drawing, self._left, top + 3
        for number, ((line, rule), texts) in enumerate(zip(self._scene.log, self._log_lines(), strict=True)):
            with drawing.group(f"log:{number}", f"log: {line}", "log", rule):
                drawing.rect(left, at, self._width, len(texts) * _LOG_LINE + 3, "log-box")
                for row, text in enumerate(texts):
                    drawing.text(left + 12, at + 13 + row * _LOG_LINE, text, size=11)
            at += len(texts) * _LOG_LINE
        drawing.rect(left, top + 3, 4, at - top, "log-bar", 1)

    def _log_lines(self) -> list[list[str]]:
        """Return the lines of each message."""
        return [wrapped(line, self._width - 16, 11) for line, _ in self._scene.log]

    @property
    def _broken(self) -> bool:
        axis = self._axes.virtual
        names = {vma.span.name for vma in self._scene.vmas or ()}
        broken = {stretch.name for stretch in axis.stretches if stretch.broken and stretch.name in names}
        # If memory below has the same borders, its numbers apply to the addresses as well.
        below = [self._axes.physical.ticks(name) for name in self._axes.physical.names]
        return any(axis.ticks(name) not in below for name in broken)

    @property
    def _start(self) -> float:
        """The left end of the axes."""
        return self._left + self._sizes.margin

    @property
    def _right(self) -> float:
        return self._left + self._width

    def _name(self, y: float, row: str) -> None:
        with self._drawing.row(row):
            self._drawing.text(self._left, y, ROW_NAMES[row], "quiet", face="sans", must=False)


def shared_rows(extents: Extents, panels: Iterable[Panel]) -> dict[RowName, float]:
    """Return the rows of all *panels*, each with the maximum height needed, in the order of a panel."""
    needs = [panel.rows() for panel in panels]
    named = {task for rows in needs for _, task in rows if task}
    tasks = [task for task in extents.tasks if task in named]
    order: list[RowName] = [("unseen", "")]
    order += chain.from_iterable((("vma", task), ("pte", task)) for task in tasks)
    order += [(row, "") for row in ("pages", "fall", "memory", "book", "tlb", "log")]
    return {row: max(own.get(row, 0.0) for own in needs) for row in order if any(row in own for own in needs)}


def _former_tasks(scene: StateScene) -> Sequence[str]:
    """Return the tasks that had VMAs before this step but not after it."""
    return list(dict.fromkeys(vma.task for vma in scene.vmas or () if vma.task not in scene.tasks))
