"""A state from top to bottom, the way an access takes: tasks, entries, frames, the book, the log.

One ordinal axis: every border of the whole story is a tick, and between two ticks the width grows with the
logarithm of the pages. So the same border has the same place in every step and on both machines.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import log2

from pfnlab.explorer import plain_svg as svg
from pfnlab.explorer.stories import Story
from pfnlab.programs.lang.ops import MAIN_TASK
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import BookEntry, PteSeen, Run, Step, VmaSeen

#: Widths of one machine's picture, in pixels: alone, beside another, and on a narrow screen.
_ALONE, _BESIDE, _NARROW = 860, 450, 340

_MARGIN, _GAP, _ROW, _BAR = 12, 24, 20, 26

#: The rules behind the parts (docs/semantics).
_RULES = {
    "vma": "S5.1",
    "none": "S6.7",
    "run": "S1.4 S5.5",
    "device": "S1.11",
    "book": "S2.1",
    "leak": "S2.4",
}


class Axis:
    """Where pages stand.

    :param spans: everything that is ever drawn, whose borders are the ticks
    :param width: pixels there are
    """

    def __init__(self, spans: Iterable[Span], width: float) -> None:
        borders: dict[str, set[int]] = {}
        for span in spans:
            borders.setdefault(span.name, set()).update((span.start, span.end))
        self.names = sorted(borders)
        units = {
            name: sum(1 + log2(after - before) for before, after in pairwise(sorted(borders[name])))
            for name in self.names
        }
        free = width - _GAP * (len(self.names) - 1)
        unit = free / max(sum(units.values()), 1)
        self._places: dict[tuple[str, int], float] = {}
        at = 0.0
        for name in self.names:
            ticks = sorted(borders[name])
            self._places[name, ticks[0]] = at
            for before, after in pairwise(ticks):
                at += unit * (1 + log2(after - before))
                self._places[name, after] = at
            at += _GAP

    def place(self, span: Span) -> tuple[float, float]:
        """Left edge and width of *span*."""
        left = self._places[span.name, span.start]
        return left, self._places[span.name, span.end] - left


def state_svg(story: Story, step: int, *, narrow: bool = False) -> str:
    """The picture of one step on all machines of *story*; one below the other where it is narrow."""
    many = len(story.runs) > 1
    width = _NARROW if narrow else _BESIDE if many else _ALONE
    inner = width - 2 * _MARGIN
    virtual, physical = _axes(story, inner)
    parts: list[str] = []
    tallest = bottom = 0.0
    for at, run in enumerate(story.runs):
        drawn = _MachineState(story, run, step, virtual, physical, prefix=f"{at}:" if many else "")
        lines = list(drawn.lines())
        x, y = (0.0, bottom) if narrow else (at * (width + _GAP), 0.0)
        parts.append(f'<g transform="translate({x + _MARGIN:.1f} {y:.1f})">{"".join(lines)}</g>')
        bottom = y + drawn.height + (_GAP if narrow else 0)
        tallest = max(tallest, y + drawn.height)
    whole = width if narrow else len(story.runs) * width + (len(story.runs) - 1) * _GAP
    op = next((run.steps[step].op for run in story.runs if step < len(run.steps)), "end")
    says = "; ".join(_summary(run, step) for run in story.runs)
    return svg.picture(whole, tallest + _MARGIN, f"After {op}", says, parts)


#: The axes of the last stories: who walks through one asks for the same again and again.
_last_axes: deque[tuple[Story, float, Axis, Axis]] = deque(maxlen=4)


def _axes(story: Story, width: float) -> tuple[Axis, Axis]:
    """The axes of areas and of devices, the same for every step and machine."""
    for other, other_width, virtual, physical in _last_axes:
        if other is story and other_width == width:
            return virtual, physical
    seen = [one for run in story.runs for one in run.steps]
    virtual, physical = Axis(_pages(seen), width), Axis(_frames(story, seen), width)
    _last_axes.append((story, width, virtual, physical))
    return virtual, physical


def _pages(steps: Sequence[Step]) -> Iterator[Span]:
    for step in steps:
        yield from (vma.span for vma in step.vmas or ())
        yield from (pte.span for pte in step.ptes or () if pte.target is not None)


def _frames(story: Story, steps: Sequence[Step]) -> Iterator[Span]:
    for device in story.program.devices:
        yield Span(device.name, 0, device.pages)
    names = {device.name for device in story.program.devices}
    for step in steps:
        for span in (*(entry.span for entry in step.book or ()), *(pte.target for pte in step.ptes or ())):
            if span is not None and span.name in names:
                yield span


def _summary(run: Run, step: int) -> str:
    if step >= len(run.steps):
        return f"{run.machine} did not get here"
    seen = run.steps[step]
    book = ", ".join(map(str, seen.book or ())) or "empty"
    return f"{run.machine}: {len(seen.vmas or ())} VMAs, the book is {book}"


class _MachineState:
    """One machine's picture; ``height`` grows with what is drawn."""

    def __init__(
        self, story: Story, run: Run, step: int, virtual: Axis, physical: Axis, *, prefix: str
    ) -> None:
        self.run, self.step, self.prefix = run, step, prefix
        self.virtual, self.physical = virtual, physical
        self.devices = {device.name: device for device in story.program.devices}
        self.seen = run.steps[step] if step < len(run.steps) else None
        self.before = run.steps[step - 1] if 0 < step <= len(run.steps) else None
        self.differs = {item.field for item in story.verdict.differences if item.step == step}
        self.height = 0.0

    def lines(self) -> Iterator[str]:
        """Everything from top to bottom."""
        self.height = 22
        yield svg.text(0, 16, self.run.machine, "h")
        if self.seen is None:
            self.height += _ROW
            yield svg.text(0, self.height, "did not get here", "q")
            return
        for task in dict.fromkeys([MAIN_TASK, *(vma.task for vma in self.seen.vmas or ())]):
            yield from self._task(task)
        yield from self._devices()
        yield from self._book()
        yield from self._log()

    def _task(self, task: str) -> Iterator[str]:
        assert self.seen is not None
        vmas = [vma for vma in self.seen.vmas or () if vma.task == task]
        ptes = [pte for pte in self.seen.ptes or () if pte.task == task]
        yield from self._heading(f"task {task}", "vmas" in self.differs or "ptes" in self.differs)
        if not vmas:
            yield svg.text(0, self.height + 12, "no mapping", "q")
            self.height += _ROW
            return
        top = self.height
        self.height += 2 * _BAR + 6
        for vma in vmas:
            yield self._vma(vma, top)
        for pte in ptes:
            yield from self._run(pte, top + _BAR + 6, vmas)
        self.height += 14

    def _vma(self, vma: VmaSeen, top: float) -> str:
        left, width = self.virtual.place(vma.span)
        old = self.before is not None and vma in (self.before.vmas or ())
        label = _fitting(width, f"{vma.span} {vma.perms}", str(vma.span), vma.span.name)
        title = f"VMA {vma.span} of {vma.task}, {vma.perms}, {vma.file}, flags {vma.flags}"
        inside = [
            svg.box(left, top, width, _BAR, "box" if old else "box new"),
            svg.text(left + 4, top + 17, label, "m"),
        ]
        return svg.part(self._key("vma", vma.task, vma.span), title, inside, rule=_RULES["vma"])

    def _run(self, pte: PteSeen, top: float, vmas: Sequence[VmaSeen]) -> Iterator[str]:
        try:
            left, width = self.virtual.place(pte.span)
        except KeyError:
            # A hole that is no border of any VMA: nothing is there.
            return
        owner = [self._key("vma", vma.task, vma.span) for vma in vmas if _overlap(vma.span, pte.span)]
        if not owner:
            return
        words = pte.entry.split()
        mode = words[1].lower() if len(words) > 1 else ""
        if pte.target is None or mode not in svg.MODES:
            inside = [svg.box(left, top, width, _BAR, "none")]
            inside.append(svg.text(left + 4, top + 17, _fitting(width, pte.entry, ""), "m q"))
            title = f"no entry for {pte.span}: {pte.entry}"
            yield svg.part(
                self._key("run", pte.task, pte.span), title, inside, rule=_RULES["none"], beside=owner
            )
            return
        old = self.before is not None and pte in (self.before.ptes or ())
        inside = [svg.box(left, top, width, _BAR, f"{svg.mode_class(mode)}{'' if old else ' new'}")]
        label = _fitting(
            width - 10, f"{words[1]} {words[0]} {' '.join(words[3:4])}", words[1], svg.MODES[mode][2]
        )
        inside += _labelled(left, top, label)
        books = [
            self._key("book", "", entry.span) for entry in self._entries() if _overlap(entry.span, pte.target)
        ]
        title = f"entries of {pte.span} map {pte.target}, {pte.entry}"
        beside = [*owner, *books, self._key("device", "", Span(pte.target.name, 0, 0))]
        yield svg.part(self._key("run", pte.task, pte.span), title, inside, rule=_RULES["run"], beside=beside)

    def _devices(self) -> Iterator[str]:
        yield from self._heading("physical memory", False)
        top = self.height
        for name, device in self.devices.items():
            left, width = self.physical.place(Span(name, 0, device.pages))
            label = _fitting(
                width, f"{name}: {device.kind}, {device.pages} pages", f"{name}[0:{device.pages}]", name
            )
            inside = [svg.box(left, top, width, _BAR, "ram"), svg.text(left + 4, top + 17, label, "m")]
            title = f"device {name}, {device.kind}, {device.pages} pages"
            yield svg.part(self._key("device", "", Span(name, 0, 0)), title, inside, rule=_RULES["device"])
        self.height += _BAR + 6

    def _book(self) -> Iterator[str]:
        assert self.seen is not None
        yield from self._heading("book", "book" in self.differs)
        if self.seen.book is None:
            yield svg.text(0, self.height + 12, "not seen", "q")
            self.height += _ROW
            return
        for entry in self._entries():
            yield self._entry(entry)
        if not self.seen.book:
            yield svg.text(0, self.height + 12, "empty", "q")
            self.height += _ROW

    def _entry(self, entry: BookEntry) -> str:
        top = self.height
        self.height += _BAR + 4
        if entry.span.name not in self.devices:
            return svg.text(0, top + 17, str(entry), "m")
        left, width = self.physical.place(entry.span)
        leaked = not self._owned(entry.span)
        old = self.before is not None and entry in (self.before.book or ())
        name = f"{svg.mode_class(entry.mode)}{' leak' if leaked else '' if old else ' new'}"
        label = _fitting(width - 10, f"{entry}", f"{entry.span}", entry.mode)
        inside = [svg.box(left, top, width, _BAR, name), *_labelled(left, top, label)]
        if leaked:
            word = "LEAKED"
            beside_box = left + width + 6
            fits = beside_box + len(word) * 9 < self._width
            inside.append(svg.text(beside_box if fits else left + width - 60, top + 17, word, "w"))
        title = f"reserved {entry}{', LEAKED: nobody maps it' if leaked else ''}"
        return svg.part(
            self._key("book", "", entry.span), title, inside, rule=_RULES["leak" if leaked else "book"]
        )

    def _log(self) -> Iterator[str]:
        assert self.seen is not None
        if not self.seen.log:
            return
        yield from self._heading("kernel log", "log" in self.differs)
        most = int(self._width / 6.8)
        for at, said in enumerate(self.seen.log):
            pieces = [said[start : start + most] for start in range(0, len(said), most)]
            inside = [
                svg.text(0, self.height + 12 + 16 * row, piece, "m") for row, piece in enumerate(pieces)
            ]
            self.height += 16 * len(pieces) + 4
            yield svg.part(f"{self.prefix}log:{at}", said, inside, rule="S2.4" if "freeing" in said else "")

    def _heading(self, words: str, differs: bool) -> Iterator[str]:
        if differs:
            yield svg.box(-6, self.height, self._width + 12, 16, "band")
        yield svg.text(0, self.height + 12, words + (" (differs) <" if differs else ""), "q")
        self.height += _ROW

    @property
    def _width(self) -> float:
        last = max(
            self.devices, key=lambda name: self.physical.place(Span(name, 0, self.devices[name].pages))[0]
        )
        left, width = self.physical.place(Span(last, 0, self.devices[last].pages))
        return left + width

    def _entries(self) -> Sequence[BookEntry]:
        return (self.seen.book or ()) if self.seen is not None else ()

    def _owned(self, span: Span) -> bool:
        assert self.seen is not None
        mapped = [vma.offset for vma in self.seen.vmas or ()] + [pte.target for pte in self.seen.ptes or ()]
        return any(
            other is not None and (_overlap(other, span) or other.name not in self.devices)
            for other in mapped
        )

    def _key(self, kind: str, task: str, span: Span) -> str:
        return f"{self.prefix}{kind}:{task}{':' if task else ''}{span}"


def _overlap(one: Span, other: Span) -> bool:
    return one.name == other.name and one.start < other.end and other.start < one.end


def _fitting(width: float, *labels: str) -> str:
    """The first label that fits; none where no one does."""
    return next((label for label in labels if len(label) * svg.LETTER_WIDTH + 8 <= width), "")


def _labelled(left: float, top: float, label: str) -> list[str]:
    """A label on a ground of its own, so that it can be read on any colour."""
    if not label:
        return []
    return [
        svg.box(left + 4, top + 4, len(label) * svg.LETTER_WIDTH + 4, 18, "key"),
        svg.text(left + 6, top + 17, label, "m"),
    ]
