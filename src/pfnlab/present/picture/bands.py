"""Draw tasks: a band for each, with its VMAs, the page tables below them, and links down to memory."""

from collections.abc import Sequence

from pfnlab.present.picture.axis import Axes, Axis, Dimensions
from pfnlab.present.picture.canvas import CHIP, Canvas, text_width
from pfnlab.present.picture.palette import ModeStyle, mode_style
from pfnlab.present.picture.parts import EntryPart, ScenePart, VmaPart, pages_part
from pfnlab.programs.lang.span import Span

#: The height that each level above the first adds to a run of entries.
_PER_LEVEL = 7.0
#: The space between a label and the edge of its box.
_INSIDE = 4.0


def run_height(sizes: Dimensions, level: int) -> float:
    """Return the height of a run of entries: a 2 MiB leaf is higher than pages, a 1 GiB leaf higher still."""
    return sizes.page + _PER_LEVEL * (min(max(level, 1), 4) - 1)


def ends(axis: Axis, span: Span, left: float) -> tuple[float, float]:
    """Return where the box for *span* begins and ends; adjacent boxes do not touch."""
    start, end = axis.span(span)
    return left + start + 0.75, left + end - 0.75


def draw_vma(
    drawing: Canvas, part: VmaPart, sizes: Dimensions, axis: Axis, left: float, top: float, *, pale: bool
) -> None:
    """Draw a VMA with its name and, if there is room, its protection and flags."""
    start, end = ends(axis, part.span, left)
    name = short_span(part.span)
    with drawing.part(part, "vma gone" if part.gone else "vma", pale=pale):
        drawing.rect(start, top, end - start, sizes.vma, "ghost" if part.gone else "vma-box", 4)
        middle, room = (start + end) / 2, end - start - 2 * _INSIDE
        if part.gone:
            _fitting(drawing, middle, top + sizes.vma / 2 + 4, [f"{name} gone", "gone"], room, "quiet")
            return
        if sizes.vma >= 34:
            _fitting(drawing, middle, top + 15, [name, name.partition("[")[2].rstrip("]")], room, "strong")
            details = [f"{part.perms} {part.flags}", part.perms, part.perms[:2]]
            _fitting(drawing, middle, top + 30, details, room, "quiet", size=10)
        else:
            names = [f"{name} {part.perms}", name, name.partition("[")[2].rstrip("]")]
            _fitting(drawing, middle, top + sizes.vma / 2 + 4, names, room, "strong")
        if part.changed:
            drawing.corner(end, top)


def draw_run(
    drawing: Canvas, part: EntryPart, sizes: Dimensions, axis: Axis, left: float, top: float, *, pale: bool
) -> None:
    """Draw a run of entries in its cache mode's tint and pattern, or a dotted outline if it has no mode."""
    start, end = ends(axis, part.span, left)
    room, middle = end - start - 2 * _INSIDE, (start + end) / 2
    style = mode_style(part.mode)
    if not part.mode:
        with drawing.part(part, "run absent-run", pale=pale):
            drawing.rect(start, top, end - start, sizes.page, "absent")
            words = [part.absent, part.absent.replace("none", "").lstrip("@"), "–"]
            _fitting(drawing, middle, top + sizes.page / 2 + 4, words, room, "quiet", size=10)
        return
    high = run_height(sizes, part.level)
    with drawing.part(part, "run", pale=pale):
        if style is None:
            drawing.rect(start, top, end - start, high, "edge")
            _fitting(drawing, middle, top + high / 2 + 4, [part.mode], room, size=10)
        else:
            drawing.mode_box(style, start, top, end - start, high, "edge")
            words = [f"L{part.level} {part.marks}".rstrip(), f"L{part.level}", ""]
            labelled_mode(drawing, style, start, end, top + high / 2, words, end)
        if part.changed:
            drawing.corner(end, top)


def draw_link(
    drawing: Canvas,
    part: EntryPart,
    axes: Axes,
    left: float,
    top: float,
    bottom: float,
    *,
    faint: bool = False,
) -> None:
    """Draw an entry's link straight down to its frames; *faint* if many links overlap."""
    target = part.target
    if target is None or target.name not in axes.physical.names:
        return
    style = mode_style(part.mode)
    above, below = ends(axes.virtual, part.span, left), ends(axes.physical, target, left)
    way = (
        f"M{above[0]:.1f} {top:.1f}L{above[1]:.1f} {top:.1f}"
        f"L{below[1]:.1f} {bottom:.1f}L{below[0]:.1f} {bottom:.1f}Z"
    )
    name, says = (
        pages_part("link", part.task, part.span),
        f"{part.span} reaches {target if target.pages else target.name}",
    )
    kind = f"link-box{' faint' * faint} {style.key if style else ''}".rstrip()
    link = ScenePart(part=name, says=says, rule="S1.4", beside=part.part)
    if part.stale:
        kind, says = "bad-link", f"{says} by a STALE translation"
        link = ScenePart(part=f"stale-{name}", says=says, rule="S8.3", beside=part.part)
    with drawing.part(link, "link"):
        drawing.path(way, kind)
        if part.stale:
            drawing.bolt((above[0] + above[1]) / 2 - 4, (top + bottom) / 2 - 6, "bad-fill")


def labelled_mode(
    drawing: Canvas,
    style: ModeStyle,
    start: float,
    end: float,
    middle: float,
    words: Sequence[str],
    most: float,
    *,
    centred: bool = True,
) -> float:
    """Draw a mode's chip, its word and the longest of *words* that fits; return where the label ends.

    :param middle: the vertical centre of the line
    :param most: the position by which the label must end
    """
    wide = text_width(style.name, 11) + 8
    for name, chip in ((style.name, wide), (style.letter, CHIP)):
        for word in words:
            need = chip + (text_width(word, 11) + 10 if word else 0)
            if need > most - start - 2 * _INSIDE:
                continue
            at = (start + end - need) / 2 if centred else start + _INSIDE
            drawing.chip(style, at, middle - CHIP / 2, chip, name)
            if word:
                at += chip + 3
                drawing.rect(at, middle - 7, text_width(word, 11) + 6, 14, "plate")
                drawing.text(at + 3, middle + 4, word, size=11)
                return at + text_width(word, 11) + 6
            return at + chip
    narrow = max(min(CHIP, end - start - 2), 7.0)
    drawing.chip(style, (start + end - narrow) / 2 if centred else start + 1, middle - CHIP / 2, narrow)
    return start + narrow


def short_span(span: Span) -> str:
    """Return ``a[4]`` for one page, otherwise ``a[4:8]``."""
    return f"{span.name}[{span.start}]" if span.pages == 1 else str(span)


def _fitting(
    drawing: Canvas,
    x: float,
    y: float,
    words: Sequence[str],
    room: float,
    kind: str = "",
    *,
    size: float = 12,
) -> None:
    """Draw the first of *words* that fits in the middle of its box, in a smaller size if none does."""
    for height in dict.fromkeys((size, 10.0)):
        for word in words:
            factor = 1.02 if "strong" in kind else 1.0
            if text_width(word, height) * factor <= room:
                drawing.text(x, y, word.strip(), kind, size=height, anchor="middle", must=False)
                return
