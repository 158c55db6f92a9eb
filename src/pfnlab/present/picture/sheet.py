"""The sheet: title, step heads and legend around the drawing, and the SVG of it all."""

from collections.abc import Callable, Sequence

from pfnlab.present.picture.axis import MARGIN
from pfnlab.present.picture.canvas import Canvas, text_width, wrapped
from pfnlab.present.picture.palette import MODES, ModeStyle, Theme, whole
from pfnlab.present.picture.parts import ScenePart, StateScene

_UNTITLED = "A program"
_TITLE, _LINE, _HEAD_LINE, _LEGEND_LINE = 24.0, 18.0, 17.0, 26.0
#: A result up to this fraction of the width goes on the right, a longer one below the operation.
_RESULT = 0.4

_MODE_WORDS = {
    "WB": "write-back",
    "WC": "write-combining",
    "UC-": "uncached minus",
    "UC": "uncached",
    "WT": "write-through",
    "WP": "write-protected",
}

#: The signs that a legend explains, in order, by the kind of part that has them.
_SIGNS = {
    "changed": "new or changed in this step",
    "gone": "gone in this step",
    "absent-run": "no entry, with the depth of the tables",
    "context": "context, with its reference count",
    "leaked": "reserved, not mapped",
    "stale": "stale: cached, gone from the page tables",
    "differs": "differs between the machines",
    "held": "held inside the kernel",
    "waits": "waits",
    "life": "a processor caches a translation",
    "life-stale": "stale: the page tables say otherwise",
    "bolt": "TLB flushes",
    "hatch": "RAM",
}

#: The box for a sign, if it has one of the usual size.
_BOXES = {"gone": "ghost", "absent-run": "absent", "leaked": "bad-edge", "stale": "bad-fill"}
_BOXES |= {"differs": "differs", "hatch": "memory-box"}


class Sheet:
    """A picture under construction, from top to bottom.

    :param width: the width between the margins, in pixels
    :param prefix: the prefix for ids in it, because a page may contain several pictures

    :ivar drawing: the drawing; ``at`` is where the next item begins, ``width`` the width between the margins
    """

    def __init__(self, width: float, prefix: str) -> None:
        self._prefix = prefix
        self.drawing = Canvas(prefix)
        self.width = width
        self.at = MARGIN
        self.left = MARGIN

    def title(self, title: str, words: Sequence[str]) -> None:
        """Draw the title and the lines below it."""
        size = 17.0 if self.width > 440 else 15.0
        for line in wrapped(title or _UNTITLED, self.width, size, "bold"):
            self.drawing.text(self.left, self.at + 15, line, size=size, face="bold")
            self.at += _TITLE
        for text in filter(None, words):
            for line in wrapped(text, self.width, 13, "sans"):
                self.drawing.text(self.left, self.at + 12, line, "quiet", size=13, face="sans")
                self.at += _LINE
        self.at += 10

    def _legend(self) -> None:
        """Draw the signs used in the picture, with their meanings, on as many lines as needed."""
        drawing = self.drawing
        items: list[tuple[float, Callable[[float, float], None]]] = []
        for mode in MODES:
            if mode.key in drawing.modes:
                items.append(_mode_item(drawing, mode))
        for sign, words in _SIGNS.items():
            if sign in drawing.signs:
                items.append(_sign_item(drawing, sign, words))
        if not items:
            return
        self.at += 8
        drawing.line(self.left, self.at, self.left + self.width, self.at, "rule")
        self.at += 8
        x = self.left
        for width, draw in items:
            if x > self.left and x + width > self.left + self.width:
                x, self.at = self.left, self.at + _LEGEND_LINE
            draw(x, self.at)
            x += width + 20
        self.at += _LEGEND_LINE

    def svg(self, title: str, says: str, theme: Theme) -> str:
        """Return the picture as text, with its legend; *says* describes it in sentences."""
        self._legend()
        wide, high = self.width + 2 * MARGIN, self.at + MARGIN / 2
        return whole(wide, high, title or _UNTITLED, says, str(self.drawing), MODES, theme, self._prefix)


def head_height(scene: StateScene, width: float) -> float:
    """Return the height of a step's head."""
    op, below, _ = _head(scene, width)
    return 14 + (len(op) + len(below)) * _HEAD_LINE


def draw_head(drawing: Canvas, scene: StateScene, left: float, top: float, width: float) -> None:
    """Draw the number, operation and result of a step, and its flushes as a bolt with a count."""
    op, below, result = _head(scene, width)
    says = f"step {scene.number}: {scene.op}, {scene.result}"
    with drawing.part(ScenePart(part=f"step:{scene.number}", says=says, rule=scene.rule), "step"):
        drawing.line(left, top, left + width, top, "rule")
        drawing.text(left, top + 19, f"{scene.number}", size=13, face="bold")
        at = left + _number_width(scene)
        for row, line in enumerate(op):
            drawing.text(at, top + 19 + row * _HEAD_LINE, line, "strong")
        for row, line in enumerate(below, len(op)):
            drawing.text(at, top + 19 + row * _HEAD_LINE, line, "quiet")
        right = left + width
        drawing.text(right, top + 19, result, "quiet", anchor="end")
        if scene.flushes:
            x = right - (text_width(result, 12) + 10 if result else 0)
            words = f"×{scene.flushes}"
            drawing.text(x, top + 19, words, "quiet", anchor="end")
            drawing.bolt(x - text_width(words, 12) - 10, top + 9)


def _head(scene: StateScene, width: float) -> tuple[list[str], list[str], str]:
    """Return the lines of the operation, those of a long result, and a short result for the right side."""
    room = width - _number_width(scene)
    short = text_width(scene.result, 12) <= width * _RESULT
    result = scene.result if short else ""
    taken = text_width(result, 12) + 12
    if scene.flushes:
        taken += text_width(f"×{scene.flushes}", 12) + 22
    op = wrapped(scene.op or "–", max((room - taken) / 1.02, 60), 12)
    return op, [] if short else wrapped(scene.result, room, 12), result


def _number_width(scene: StateScene) -> float:
    return text_width(f"{scene.number}", 13, "bold") + 6


def _mode_item(drawing: Canvas, mode: ModeStyle) -> tuple[float, Callable[[float, float], None]]:
    words = _MODE_WORDS[mode.name]
    chip = text_width(mode.name, 11) + 8

    def draw(x: float, y: float) -> None:
        drawing.mode_box(mode, x, y + 2, 24, 16, "edge")
        drawing.chip(mode, x + 28, y + 3, chip, mode.name)
        drawing.text(x + 34 + chip, y + 14, words, "quiet", face="sans")

    return 34 + chip + text_width(words, 12, "sans"), draw


def _sign_item(drawing: Canvas, sign: str, words: str) -> tuple[float, Callable[[float, float], None]]:
    def draw(x: float, y: float) -> None:
        if sign in _BOXES:
            drawing.rect(x, y + 2, 24, 16, _BOXES[sign])
        match sign:
            case "changed":
                drawing.rect(x + 1, y + 2, 22, 16, "changed-sign")
                drawing.corner(x + 23, y + 2)
            case "context":
                drawing.rect(x, y + 1, 24, 18, "tag", 9)
                drawing.text(x + 12, y + 14, "×2", size=11, face="bold", anchor="middle")
            case "differs":
                drawing.text(x + 12, y + 14, "≠", size=12, face="bold", anchor="middle")
            case "held":
                drawing.rect(x + 6, y + 1, 12, 18, "held", 0)
                drawing.hatch(x + 6, y + 1, 12, 18, "held")
            case "waits" | "life" | "life-stale":
                drawing.line(x + 12, y + 1, x + 12, y + 19, sign)
            case "bolt":
                drawing.bolt(x + 8, y + 4)
            case "hatch":
                drawing.hatch(x, y + 2, 24, 16)
        drawing.text(x + 30, y + 14, words, "quiet", face="sans")

    return 30 + text_width(words, 12, "sans"), draw


def step_words(scene: StateScene) -> str:
    """Return a step as one line, for a description."""
    book = ", ".join(
        f"{part.span} {part.mode.upper()}{' LEAKED' if part.leaked else ''}"
        for part in scene.book or ()
        if not part.gone
    )
    log = f", log {'; '.join(line for line, _ in scene.log)}" if scene.log else ""
    reserved = "" if scene.book is None else f", book {book or 'empty'}"
    return f"{scene.number}: {scene.op}, {scene.result}{reserved}{log}."
