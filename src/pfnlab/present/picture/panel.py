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
    """One state on its axes.

    :param width: the whole width, including row names
    :param processors: whether to show the translations that processors have cached
    """

    def __init__(
        self,
        scene: StateScene,
        extents: Extents,
        axes: Axes,
        sizes: Dimensions,
        width: float,
        processors: bool,
    ) -> None:
        self._scene, self._stage, self._axes, self._sizes, self._width = scene, extents, axes, sizes, width
        self._processors = processors and scene.tlbs is not None
        self._lines = physical.book_lines(scene.book or ())

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
            rows["log", ""] = len(self._log_lines()) * _LOG_LINE + 12
        return rows

    def draw(
        self, drawing: Canvas, left: float, top: float, rows: Mapping[RowName, float], *, pale: bool = False
    ) -> float:
        """Draw it in rows with the heights *rows*, which may be more than it needs; return where it ends."""
        scene, sizes = self._scene, self._sizes
        places, at = {}, top
        for row, height in rows.items():
            places[row] = at
            at += height
        start = left + sizes.margin
        self._draw_links(drawing, start, places, rows)
        self._draw_tasks(drawing, left, start, places, pale=pale)
        if ("unseen", "") in places and (scene.unreached or scene.vmas is None):
            words = cut(scene.unreached or _NOT_SEEN, left + self._width - start, 12, "sans")
            if not scene.unreached:
                self._name(drawing, left, places["unseen", ""] + 13, "vma")
            drawing.text(start, places["unseen", ""] + 13, words, "quiet", face="sans")
        if ("pages", "") in places:
            physical.draw_ticks(
                drawing, self._axes.virtual, start, places["pages", ""] + 11, self._axes.virtual.names
            )
        if ("memory", "") in places:
            self._draw_memory(drawing, left, start, places, rows, pale=pale)
        if ("tlb", "") in places and self._processors:
            self._name(drawing, left, places["tlb", ""] + 13, "tlb")
            physical.draw_lines(drawing, scene, start, places["tlb", ""], left + self._width)
        if scene.log and ("log", "") in places:
            self._draw_log(drawing, left, places["log", ""])
        return at

    def _draw_links(
        self, drawing: Canvas, left: float, places: Mapping[RowName, float], rows: Mapping[RowName, float]
    ) -> None:
        if ("memory", "") not in places:
            return
        bottom = places["memory", ""] + self._raised(rows)
        faint = len({run.task for run in self._scene.runs or () if run.target is not None}) > _SEVERAL
        for run in self._scene.runs or ():
            if run.target is not None:
                top = places["pte", run.task] + run_height(self._sizes, run.level)
                draw_link(drawing, run, self._axes, left, top, bottom, faint=faint)
        for run in physical.stale_links(self._scene):
            if ("pte", run.task) in places:
                top = places["pte", run.task] + run_height(self._sizes, 1)
            else:
                top = places.get(("fall", ""), bottom - self._sizes.fall)
            draw_link(drawing, run, self._axes, left, top, bottom, stale=True)

    def _draw_tasks(
        self, drawing: Canvas, left: float, start: float, places: Mapping[RowName, float], *, pale: bool
    ) -> None:
        scene, sizes = self._scene, self._sizes
        several = len({task for _, task in places if task}) > 1 or set(scene.tasks) - {MAIN_TASK}
        for row, task in places:
            top = places[row, task]
            if row == "vma" and (task in scene.tasks or task in _former_tasks(scene)):
                if several:
                    name = cut(task, sizes.margin - 20, 12, "bold")
                    with drawing.row(row):
                        drawing.text(left, top + sizes.vma / 2 + 4, name, face="bold")
                else:
                    self._name(drawing, left, top + sizes.vma / 2 + 4, row)
                for vma in scene.vmas or ():
                    if vma.task == task:
                        draw_vma(drawing, vma, sizes, self._axes.virtual, start, top, pale=pale)
            if row == "pte" and task in scene.tasks:
                self._name(drawing, left, top + sizes.page / 2 + 4, row)
                for run in scene.runs or ():
                    if run.task == task:
                        draw_run(drawing, run, sizes, self._axes.virtual, start, top, pale=pale)

    def _draw_memory(
        self,
        drawing: Canvas,
        left: float,
        start: float,
        places: Mapping[RowName, float],
        rows: Mapping[RowName, float],
        *,
        pale: bool,
    ) -> None:
        scene, axis = self._scene, self._axes.physical
        top = places["memory", ""] + self._raised(rows)
        self._name(drawing, left, top + 15, "memory")
        for device in scene.devices:
            physical.draw_device(drawing, device, self._stage, axis, start, top)
        physical.draw_ticks(drawing, axis, start, top + physical.BAR + 11, axis.names)
        top = places["book", ""]
        self._name(drawing, left, top + 15, "book")
        if scene.book is None:
            drawing.text(start, top + 15, "" if scene.unreached else _NOT_SEEN, "quiet", face="sans")
            return
        if not scene.book:
            drawing.text(start, top + 15, "nothing reserved", "quiet", face="sans")
        edge = left + self._width
        for part, line in zip(scene.book, self._lines, strict=True):
            begins = [
                start + axis.span(other.span)[0]
                for other, its in zip(scene.book, self._lines, strict=True)
                if its == line and axis.span(other.span)[0] >= axis.span(part.span)[1]
            ]
            physical.draw_reservation(
                drawing, part, axis, start, top + line * physical.LINE, min([edge, *begins]), pale=pale
            )

    def _draw_log(self, drawing: Canvas, left: float, top: float) -> None:
        lines = self._log_lines()
        high = len(lines) * _LOG_LINE + 6
        for number, (line, rule) in enumerate(self._scene.log):
            own = [text for which, text in lines if which == number]
            before = sum(which < number for which, _ in lines)
            says = f"log: {line}"
            with drawing.group(f"log:{number}", says, "log", rule):
                place = top + 3 + before * _LOG_LINE
                drawing.rect(left, place, self._log_width + 16, len(own) * _LOG_LINE + 3, "log-box")
                for row, text in enumerate(own):
                    drawing.text(left + 12, top + 16 + (before + row) * _LOG_LINE, text, size=11)
        drawing.rect(left, top + 3, 4, high - 3, "log-bar", 1)

    def _log_lines(self) -> list[tuple[int, str]]:
        return [
            (number, text)
            for number, (line, _) in enumerate(self._scene.log)
            for text in wrapped(line, self._log_width, 11)
        ]

    @property
    def _log_width(self) -> float:
        return self._width - 16

    @property
    def _broken(self) -> bool:
        axis = self._axes.virtual
        names = {vma.span.name for vma in self._scene.vmas or ()}
        broken = {stretch.name for stretch in axis.stretches if stretch.broken and stretch.name in names}
        # If memory below has the same borders, its numbers apply to the addresses as well.
        below = [self._axes.physical.ticks(name) for name in self._axes.physical.names]
        return any(axis.ticks(name) not in below for name in broken)

    def _raised(self, rows: Mapping[RowName, float]) -> float:
        return rows.get(("memory", ""), 0.0) - physical.BAR - physical.TICKS

    def _name(self, drawing: Canvas, left: float, y: float, row: str) -> None:
        with drawing.row(row):
            drawing.text(left, y, ROW_NAMES[row], "quiet", face="sans", must=False)


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
