"""SVG as text: boxes, lines and labels, escaped, with labels that do not overlap.

Text widths do not come from a font; they are upper bounds for the fonts that a picture may use.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import accumulate
from typing import Literal

from pfnlab.base.inert import one_line, xml_attribute, xml_line
from pfnlab.present.picture.palette import ModeStyle
from pfnlab.present.picture.parts import ScenePart

Face = Literal["mono", "sans", "bold"]
#: The width of the widest font that may be used, as a fraction of the font size.
_MONO, _OTHER = 0.612, 1.25
#: The narrowest letter in any font, and how much wider bold letters are.
_LEAST, _BOLD = 0.42, 1.1
_NARROW = frozenset("iljtfrI.,:;'|!()[] -/")
_WIDE = frozenset("mwMWQOGDHNU@%&=+<>")


# Cached, because the same words occur in every step of a story.
@lru_cache(maxsize=1 << 14)
def text_width(text: str, size: float, face: Face = "mono") -> float:
    """Return the width of *text* in pixels, rather too much than too little."""
    if face == "mono":
        return sum(map(_mono, text)) * size
    return sum(map(_sans, text)) * (size * (_BOLD if face == "bold" else 1.0))


def cut(text: str, width: float, size: float, face: Face = "mono") -> str:
    """Return *text*, truncated with an ellipsis if it is wider than *width*; empty if not even that fits."""
    if text_width(text, size, face) <= width:
        return text
    fits = _fitting(text, width - text_width("…", size, face), size, face)
    return text[:fits].rstrip() + "…" if fits else ""


def wrapped(text: str, width: float, size: float, face: Face = "mono") -> list[str]:
    """Return *text* in lines of at most *width*, broken between words, or inside a word that is too long."""
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if text_width(longer, size, face) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        *whole, line = _broken(word, width, size, face)
        lines += whole
    return [*lines, line]


def _broken(word: str, width: float, size: float, face: Face) -> Iterator[str]:
    """Yield *word* in pieces of at most *width*, each at least one letter long."""
    start = 0
    while (fits := max(_fitting(word, width, size, face, start), 1)) < len(word) - start:
        yield word[start : start + fits]
        start += fits
    yield word[start:]


def _fitting(text: str, width: float, size: float, face: Face, start: int = 0) -> int:
    """Return how many letters of *text*, from *start*, fit into *width*."""
    # No letter is narrower than that, so the rest of a very long text need not be measured.
    most = max(int(width / (size * _LEAST)), 0) + 1
    if face == "mono":
        factor, letters = size, map(_mono, text[start : start + most])
    else:
        factor, letters = size * (_BOLD if face == "bold" else 1.0), map(_sans, text[start : start + most])
    return bisect_right([end * factor for end in accumulate(letters)], width)


def _mono(letter: str) -> float:
    return _MONO if ord(letter) < 0x250 else _OTHER


def _sans(letter: str) -> float:
    if letter in _NARROW:
        return _LEAST
    if letter in _WIDE:
        return 0.95
    return 0.66 if ord(letter) < 0x250 else _OTHER


Anchor = Literal["start", "middle", "end"]
#: The height of letters above and below the baseline, as a fraction of the font size.
_OVER, _UNDER = 0.78, 0.22
#: Labels are stored in horizontal bands this many pixels high, so that they are found quickly.
_BAND = 32
#: The height and width of a chip that shows one letter.
CHIP = 14.0


class Canvas:
    """The drawing so far.

    :param patterns: the prefix for pattern ids
    :ivar modes: the keys of the modes drawn so far; ``signs``: the names of the other signs
    """

    def __init__(self, patterns: str) -> None:
        self._patterns = patterns
        self._lines: list[str] = []
        self._taken: dict[int, list[tuple[float, float, float, float]]] = defaultdict(list)
        self.modes: dict[str, ModeStyle] = {}
        self.signs: set[str] = set()

    def __str__(self) -> str:
        return "\n".join(self._lines)

    @contextmanager
    def part(self, part: ScenePart, kind: str, *, pale: bool = False) -> Iterator[None]:
        """Open a group for *part*, around everything drawn inside the context."""
        changed = " changed" if part.changed else " pale" if pale else ""
        with self.group(part.part, part.says, f"{kind}{changed}", part.rule, part.beside):
            yield

    @contextmanager
    def group(self, part: str, says: str, kind: str, rule: str = "", beside: str = "") -> Iterator[None]:
        """Open a group with an id, a name and, optionally, rules."""
        self.signs.update(kind.split())
        rules = f" data-rule={xml_attribute(rule)}" if rule else ""
        besides = f" data-with={xml_attribute(beside)}" if beside else ""
        self._lines.append(
            f'<g class="{kind}" data-part={xml_attribute(part)}{rules}{besides} role="img" '
            f"aria-label={xml_attribute(says)}><title>{xml_line(says)}</title>"
        )
        yield
        self._lines.append("</g>")

    @contextmanager
    def row(self, name: str) -> Iterator[None]:
        """Open a group for a row's name."""
        self._lines.append(f"<g data-row={xml_attribute(name)}>")
        yield
        self._lines.append("</g>")

    @contextmanager
    def step(self, number: int, machine: str) -> Iterator[None]:
        """Open a group for everything in one step on one machine, for pictures with several steps."""
        step = xml_attribute(str(number))
        self._lines.append(f"<g data-step={step} data-machine={xml_attribute(machine)}>")
        yield
        self._lines.append("</g>")

    def rect(self, x: float, y: float, width: float, height: float, kind: str, radius: float = 2) -> None:
        """Draw a box."""
        self._lines.append(
            f'<rect class="{kind}" x="{_n(x)}" y="{_n(y)}" width="{_n(max(width, 0))}" '
            f'height="{_n(max(height, 0))}" rx="{_n(radius)}"/>'
        )

    def path(self, way: str, kind: str) -> None:
        """Draw a line or an outline."""
        self._lines.append(f'<path class="{kind}" d="{way}"/>')

    def line(self, x: float, y: float, to_x: float, to_y: float, kind: str) -> None:
        """Draw a straight line."""
        self.path(f"M{_n(x)} {_n(y)}L{_n(to_x)} {_n(to_y)}", kind)

    def mode_box(self, style: ModeStyle, x: float, y: float, width: float, height: float, kind: str) -> None:
        """Draw a box filled with a cache mode's tint and pattern."""
        self.modes[style.key] = style
        self.rect(x, y, width, height, "ground")
        self.rect(x, y, width, height, f"tint {style.key}")
        self._lines.append(
            f'<rect class="pattern {style.key}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" '
            f'height="{_n(height)}" rx="2" fill="url(#{self._patterns}-{style.key})"/>'
        )
        self.rect(x, y, width, height, kind)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        kind: str = "",
        *,
        size: float = 12,
        face: Face = "mono",
        anchor: Anchor = "start",
        must: bool = True,
        apart: float = 0,
    ) -> bool:
        """Draw a label on *y*, *apart* from others (without *must*, only if it fits); return whether it was
        drawn."""
        width = text_width(one_line(text), size, face)
        left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
        box = left, y - _OVER * size, left + width, y + _UNDER * size
        wide = (box[0] - apart, box[1], box[2] + apart, box[3])
        if not text or (not must and not self._free(wide)):
            return False
        for band in range(int(box[1] // _BAND), int(box[3] // _BAND) + 1):
            self._taken[band].append(box)
        classes = f"{face} s{_n(size)}{' ' + kind if kind else ''}"
        side = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._lines.append(f'<text class="{classes}" x="{_n(x)}" y="{_n(y)}"{side}>{xml_line(text)}</text>')
        return True

    def chip(self, style: ModeStyle, x: float, y: float, width: float = CHIP, word: str = "") -> None:
        """Draw a mode's letter on its colour, or its name if there is room."""
        self.modes[style.key] = style
        self.rect(x, y, width, CHIP, f"chip {style.key}")
        size = 11.0 if width >= 10 else 10.0
        kind = f"on-{style.key} chip-text"
        self.text(x + width / 2, y + 11, word or style.letter, kind, size=size, anchor="middle", must=False)

    def hatch(self, x: float, y: float, width: float, height: float, sign: str = "hatch") -> None:
        """Draw the hatching that stands for RAM, or for *sign*."""
        self.signs.add(sign)
        self._lines.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="2" '
            f'fill="url(#{self._patterns}-hatch)"/>'
        )

    def bolt(self, x: float, y: float, kind: str = "bolt") -> None:
        """Draw a bolt, 8 pixels wide and 12 high."""
        if kind == "bolt":
            self.signs.add(kind)
        self.path(f"M{_n(x + 5)} {_n(y)}l-5 7h3.4l-1.4 5 5-7h-3.4z", kind)

    def corner(self, x: float, y: float) -> None:
        """Mark a change at the upper right corner of a box."""
        self.path(f"M{_n(x)} {_n(y)}h-7l7 7z", "corner")

    def _free(self, box: tuple[float, float, float, float]) -> bool:
        left, top, right, bottom = box
        return not any(
            left < other[2] and other[0] < right and top < other[3] and other[1] < bottom
            for band in range(int(top // _BAND), int(bottom // _BAND) + 1)
            for other in self._taken.get(band, ())
        )


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
