"""Physical memory around a finding: BARs, reservations and mappings as bars over one axis, not to scale.

Between two borders lies the same width, however many bytes they are apart: what matters is what covers what.
"""

from __future__ import annotations

from collections.abc import Sequence

from pfnlab.base.inert import xml_attribute, xml_line
from pfnlab.diagnosis.inspector.around import MemoryRow
from pfnlab.present.picture.palette import mode_style
from pfnlab.present.picture.plots import plot_svg

#: Sizes in pixels: of a row, of its words and its bar, of a letter and a digit, of the space between two
#: borders, of the least and the most of all. On a phone a picture of few borders fits.
_ROW, _LINE, _BAR, _WIDE, _DIGIT, _STEP, _LEAST, _MOST = 38, 14, 14, 7.0, 8.0, 110.0, 300.0, 760.0

#: The classes of rows without a cache mode.
_KINDS = {"bar": "good", "resource": "good", "free": "none", "mapping": "good", "reservation": "good"}


def memory_strip(title: str, rows: Sequence[MemoryRow]) -> str:
    """A row a thing, in their order: its words, and below them its bar from border to border.

    :param rows: there is at least one
    """
    borders = sorted({border for row in rows for border in row.bounds})
    broad = min(max(_STEP * (len(borders) - 1), _LEAST), _MOST)
    places = {border: 4 + broad * at / max(len(borders) - 1, 1) for at, border in enumerate(borders)}
    labels = [_words(row) for row in rows]
    wide = max(broad, *(_WIDE * len(label) for label in labels))
    body = []
    for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
        start, end = row.bounds
        left, width, top = places[start], places[end] - places[start], number * _ROW + _LINE + 4
        style = mode_style(row.mode)
        look = f'fill="{style.light}"' if style else f'class="{_KINDS[row.kind]}"'
        body.append(
            f"<g data-row={xml_attribute(row.label)}>"
            f"<title>{xml_line(f'{row.start}-{row.end} {label}')}</title>"
            f'<rect {look} x="{left:g}" y="{top}" width="{width:g}" height="{_BAR}"/>'
        )
        if row.found:
            outline = f'x="{left:g}" y="{top}" width="{width:g}" height="{_BAR}"'
            body.append(f'<rect class="ring" {outline}/>')
        # Where its bar begins, or as far to the right as they fit.
        x = min(left, 4 + wide - _WIDE * len(label))
        body.append(f'<text x="{x:g}" y="{top - 4}">{xml_line(label)}</text></g>')
    bottom = len(rows) * _ROW + 2
    body += _axis(borders, places, bottom)
    says = "; ".join(f"{row.start}-{row.end} {label}" for row, label in zip(rows, labels, strict=True))
    return plot_svg(title, says, 8 + wide, bottom + 24, body)


def _words(row: MemoryRow) -> str:
    mode = f" {row.mode}" if row.mode else ""
    return f"{row.label}{mode}, {row.size}{' (found)' if row.found else ''}"


def _axis(borders: Sequence[int], places: dict[int, float], bottom: int) -> list[str]:
    # Numbers stand apart: of borders that are near each other not all are named, but the first and the last.
    parts = [f'<path class="axis" d="M{x:g} {bottom} V{bottom + 5}"/>' for x in places.values()]
    texts = {border: f"{border:#x}" for border in borders}
    first, last = borders[0], borders[-1]
    free, limit = (
        places[first] + _DIGIT * (len(texts[first]) + 1),
        places[last] - _DIGIT * (len(texts[last]) + 1),
    )
    for border, text in texts.items():
        x, half = places[border], _DIGIT * len(text) / 2
        anchor = {first: "start", last: "end"}.get(border, "middle")
        if anchor == "middle":
            if x - half < free or x + half > limit:
                continue
            free = x + half + _DIGIT
        parts.append(f'<text x="{x:g}" y="{bottom + 18}" text-anchor="{anchor}">{text}</text>')
    return parts
