"""Draw physical memory, the book below it, and the translations that processors have cached.

Reservations are stacked in the order in which they were made, with owners and contexts. Each translation is a
line below them; stale ones are struck through.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

from pfnlab.present.picture.axis import Axis
from pfnlab.present.picture.bands import ends, labelled_mode, short_span
from pfnlab.present.picture.canvas import CHIP, Anchor, Canvas, cut, text_width
from pfnlab.present.picture.palette import mode_style
from pfnlab.present.picture.parts import BookPart, DevicePart, EntryPart, ScenePart, StateScene
from pfnlab.present.picture.scenes import Extents
from pfnlab.programs.lang.span import Span

#: The heights of a bar of memory, of the numbers below it, and of a line in the book.
BAR, TICKS, LINE = 22.0, 16.0, 26.0
_LEAKED = "LEAKED"


def draw_device(
    drawing: Canvas, part: DevicePart, extents: Extents, axis: Axis, left: float, top: float
) -> None:
    """Draw a device or RAM as a bar, with the borders of everything that is drawn."""
    if part.name not in axis.names:
        return
    start, end = (left + place for place in axis.whole(part.name))
    with drawing.part(part, "memory ram" if part.ram else "memory"):
        drawing.rect(start, top, end - start, BAR, "memory-box")
        if part.ram:
            drawing.hatch(start, top, end - start, BAR)
        for span in extents.untracked:
            if span.name == part.name:
                at, to = axis.span(span)
                drawing.rect(left + at, top + BAR - 5, to - at, 5, "untracked")
        ticks = axis.ticks(part.name)
        for tick in ticks[1:-1]:
            x = left + axis.at(part.name, tick)
            drawing.line(x, top, x, top + BAR, "tick")
        for stretch in axis.stretches:
            if stretch.name == part.name and stretch.broken:
                low, high = (left + axis.at(part.name, page) for page in (stretch.start, stretch.end))
                _break(drawing, (low + high) / 2, top)
        name = cut(part.name, end - start - 8, 12, "bold")
        drawing.rect(start + 2, top + 4, text_width(name, 12, "bold") + 4, BAR - 8, "name-plate")
        drawing.text(start + 4, top + 15.5, name, "", face="bold", must=False)
        for span, mode in part.modes:
            style = mode_style(mode)
            if style is not None and span.pages > 0:
                at, to = ends(axis, span, left)
                drawing.mode_box(style, at, top + BAR - 5.5, to - at, 5, "edge")
                words = f"direct map {style.name}"
                drawing.text(to, top - 4, words, "quiet", size=10, face="sans", anchor="end", must=False)


def draw_ticks(drawing: Canvas, axis: Axis, left: float, y: float, names: Sequence[str]) -> None:
    """Draw as many page numbers at the borders as fit, and the sizes of stretches drawn broken."""
    for name in names:
        if name not in axis.names or len(axis.ticks(name)) == 1:
            continue
        ticks = axis.ticks(name)
        for tick in [ticks[0], ticks[-1], *ticks[1:-1]]:
            x = left + axis.at(name, tick)
            anchor: Anchor = "start" if tick == ticks[0] else "end" if tick == ticks[-1] else "middle"
            drawing.text(x, y, f"{tick}", "quiet", size=10, anchor=anchor, must=False, apart=3)
    for stretch in axis.stretches:
        if stretch.broken and stretch.name in names:
            x = left + (axis.at(stretch.name, stretch.start) + axis.at(stretch.name, stretch.end)) / 2
            drawing.text(
                x, y, stretch.size, "quiet", size=10, face="sans", anchor="middle", must=False, apart=3
            )


def book_lines(parts: Sequence[BookPart]) -> list[int]:
    """Return each reservation's line: the first where it does not overlap an earlier reservation."""
    lines: list[list[BookPart]] = []
    places = []
    for part in parts:
        free = (at for at, line in enumerate(lines) if not any(part.span.meets(other.span) for other in line))
        number = next(free, len(lines))
        if number == len(lines):
            lines.append([])
        lines[number].append(part)
        places.append(number)
    return places


def draw_reservation(
    drawing: Canvas, part: BookPart, axis: Axis, left: float, top: float, right: float, *, pale: bool
) -> None:
    """Draw a reservation with its mode, pages, owner and context tag; labels end before *right*."""
    start, end = ends(axis, part.span, left)
    high = LINE - 4
    if part.gone:
        with drawing.part(part, "book gone", pale=pale):
            drawing.rect(start, top, end - start, high, "ghost")
            if text_width("freed", 12, "sans") < end - start - 4:
                drawing.text(
                    (start + end) / 2, top + 15, "freed", "quiet", face="sans", anchor="middle", must=False
                )
        return
    style = mode_style(part.mode)
    with drawing.part(part, "book leaked" if part.leaked else "book", pale=pale and not part.leaked):
        badge = text_width(_LEAKED, 11, "bold") + 12 if part.leaked else 0.0
        tag = text_width(f"×{part.refs}", 11, "bold") + 14 if part.refs is not None else 0.0
        inside = end - start - badge - tag
        if style is None:
            drawing.rect(start, top, end - start, high, "edge")
            drawing.text(start + 4, top + 15, part.mode, must=False)
        else:
            drawing.mode_box(style, start, top, end - start, high, "edge")
            name = short_span(part.span)
            words = [*([f"{name} of {part.owner}"] if part.owner else []), name]
            words += [name[len(part.span.name) :], ""]
            most = start + max(inside, CHIP + 10)
            labelled_mode(drawing, style, start, end, top + high / 2, words, most, centred=False)
        if part.leaked:
            _broken_edge(drawing, start, top, end, high)
            at = end - badge - 3 if inside > CHIP + 8 else end + 4
            if at + badge <= right or at < end:
                drawing.rect(at, top + 4, badge, 14, "bad-fill")
                drawing.text(at + 6, top + 15, _LEAKED, "on-bad", size=11, face="bold")
        if part.changed:
            drawing.corner(end, top)
    if part.refs is not None:
        _context(drawing, part, end, top, tag, outside=inside <= CHIP + 8, right=right)


def _context(
    drawing: Canvas, part: BookPart, end: float, top: float, tag: float, *, outside: bool, right: float
) -> None:
    """Draw the round tag for a context."""
    beside, says = f"{part.part} {part.beside}", part.context_says
    context = ScenePart(part=part.context, says=says, rule="S3", beside=beside, changed=part.changed)
    at = end + 3 if outside and end + 3 + tag <= right else end - tag - 3
    with drawing.part(context, "context"):
        drawing.rect(at, top + 2, tag, 18, "tag", 9)
        words = f"×{part.refs}"
        drawing.text(at + tag / 2, top + 15, words, size=11, face="bold", anchor="middle", must=False)


def _broken_edge(drawing: Canvas, start: float, top: float, end: float, high: float) -> None:
    up = f"{-high / 4:.1f}"
    box = f"M{start:.1f} {top:.1f}H{end:.1f}V{top + high:.1f}H{start:.1f}"
    drawing.path(f"{box}l4 {up}l-6 {up}l6 {up}z", "bad-edge")


def _break(drawing: Canvas, x: float, top: float) -> None:
    """Mark a stretch that is not drawn to scale."""
    for kind in ("break-ground", "break-mark"):
        for shift in (-2.5, 2.5):
            drawing.path(f"M{x + shift - 2:.1f} {top + BAR + 3:.1f}l4 {-BAR - 6:.1f}", kind)


#: The height of the line for a cached translation.
_LINE = 22.0
_STALE = "STALE"


def lines_height(scene: StateScene) -> float:
    """Return the height of all lines, with one line per translation."""
    return max(sum(map(len, (scene.tlbs or {}).values())), 1) * _LINE + 2


def draw_lines(drawing: Canvas, scene: StateScene, left: float, top: float, right: float) -> None:
    """Draw a line for each translation, with the processor on the left."""
    tlbs = scene.tlbs or {}
    if not tlbs:
        drawing.text(left, top + 13, "nothing remembered", "quiet", face="sans")
    number = 0
    for task, parts in tlbs.items():
        for part in parts:
            y = top + number * _LINE
            number += 1
            with drawing.part(part, "tlb stale" if part.stale else "tlb"):
                name = cut(task, 60, 12, "bold")
                drawing.text(left, y + 13, name, face="bold")
                _draw_words(drawing, part, left + text_width(name, 12, "bold") + 8, y + 1, right)


def stale_links(scene: StateScene) -> Iterable[EntryPart]:
    """Return the runs that are in no page table any longer but that processors still use, each run once."""
    found: dict[tuple[Span, Span], EntryPart] = {}
    for part in chain.from_iterable((scene.tlbs or {}).values()):
        if part.stale and part.target is not None:
            found.setdefault((part.span, part.target), part)
    return found.values()


def _draw_words(drawing: Canvas, part: EntryPart, left: float, top: float, right: float) -> None:
    style = mode_style(part.mode)
    badge = text_width(_STALE, 11, "bold") + 24
    if style is not None:
        shown = [part.marks, ""]
        left = labelled_mode(drawing, style, left - 4, right, top + 8, shown, right, centred=False) + 5
    words = cut(_arrow(part), right - left - badge, 11)
    drawing.text(left, top + 12, words, size=11, must=False)
    if part.stale:
        width = text_width(words, 11)
        drawing.line(left - 1, top + 8.5, left + width + 1, top + 8.5, "strike")
        drawing.rect(left + width + 6, top, badge - 4, 16, "bad-fill")
        drawing.bolt(left + width + 10, top + 2, "on-bad")
        drawing.text(left + width + 22, top + 12, _STALE, "on-bad", size=11, face="bold")


def _arrow(part: EntryPart) -> str:
    target = "" if part.target is None else short_span(part.target) if part.target.pages else part.target.name
    return f"{short_span(part.span)} → {target}" if target else short_span(part.span)
