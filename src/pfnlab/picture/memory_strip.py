"""Physical memory around a finding: BARs, reservations and mappings as bars over one axis, not to scale.

Between two borders lies the same width, however many bytes they are apart: what matters is what covers what.
"""

from __future__ import annotations

from collections.abc import Sequence

from pfnlab.inspector.around import MemoryRow
from pfnlab.picture.canvas import quoted, safe
from pfnlab.picture.palette import mode_style
from pfnlab.picture.plots import plot_svg

#: Sizes in pixels: of a row, of a letter, of the space between two borders, of the least and the most of all.
_ROW, _WIDE, _STEP, _LEAST, _MOST = 26, 7.0, 110.0, 320.0, 760.0

#: The classes of rows without a cache mode.
_KINDS = {"bar": "good", "resource": "good", "free": "none", "mapping": "good", "reservation": "good"}


def memory_strip(title: str, rows: Sequence[MemoryRow]) -> str:
    """
    A row a thing, in their order: its bar from border to border, and beside it its words.

    :param rows: there is at least one
    """
    borders = sorted({border for row in rows for border in row.bounds})
    broad = min(max(_STEP * (len(borders) - 1), _LEAST), _MOST)
    places = {border: 4 + broad * at / max(len(borders) - 1, 1) for at, border in enumerate(borders)}
    labels = [_words(row) for row in rows]
    body = []
    for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
        start, end = row.bounds
        left, width, top = places[start], places[end] - places[start], number * _ROW + 4
        style = mode_style(row.mode)
        look = f'fill="{style.light}"' if style else f'class="{_KINDS[row.kind]}"'
        body.append(
            f"<g data-row={quoted(row.label)}><title>{safe(f'{row.start}-{row.end} {label}')}</title>"
            f'<rect {look} x="{left:g}" y="{top}" width="{width:g}" height="{_ROW - 8}"/>'
        )
        if row.found:
            outline = f'x="{left:g}" y="{top}" width="{width:g}" height="{_ROW - 8}"'
            body.append(f'<rect class="bad" style="fill:none" {outline}/>')
        body.append(f'<text x="{broad + 16:g}" y="{top + 14}">{safe(label)}</text></g>')
    bottom = len(rows) * _ROW + 6
    body += _axis(borders, places, bottom)
    words = max(len(label) for label in labels)
    says = "; ".join(f"{row.start}-{row.end} {label}" for row, label in zip(rows, labels, strict=True))
    return plot_svg(title, says, broad + 32 + _WIDE * words, bottom + 24, body)


def _words(row: MemoryRow) -> str:
    mode = f" {row.mode}" if row.mode else ""
    return f"{row.label}{mode}, {row.size}{' (found)' if row.found else ''}"


def _axis(borders: Sequence[int], places: dict[int, float], bottom: int) -> list[str]:
    # Numbers stand apart: of borders that are near each other every other one is named.
    parts, last = [], float("-inf")
    for border in borders:
        x, text = places[border], f"{border:#x}"
        parts.append(f'<path class="axis" d="M{x:g} {bottom} V{bottom + 5}"/>')
        if x - last > _WIDE * len(text):
            anchor = "start" if border == borders[0] else "middle"
            parts.append(f'<text x="{x:g}" y="{bottom + 18}" text-anchor="{anchor}">{text}</text>')
            last = x
    return parts
