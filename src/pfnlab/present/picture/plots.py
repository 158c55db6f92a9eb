"""Plots of counts, as SVG: bars, lines labelled at their ends, and memory strips.

Every number is written out, every colour is backed up by another sign, and the element has a
description for screen readers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from pfnlab.base.inert import xml_attribute, xml_line
from pfnlab.present.picture.palette import mode_style

if TYPE_CHECKING:
    from pfnlab.diagnosis.inspector.inspection import MemoryRow

#: Sizes in pixels: of letters, of a row, and of the space between parts; and the mean width of a letter.
_LETTER, _ROW, _GAP, _WIDE = 12, 24, 8, 7.0
#: The maximum length of a label in letters, beyond which it is cut, and the maximum width of a bar in pixels.
_LABEL, _BAR = 42, 280
#: Height and width of the area with the lines.
_HIGH, _BROAD = 220, 420


_DASHES = ("", "6 3", "2 3", "8 3 2 3", "12 4", "4 6", "1 5")


def bars(title: str, counts: Sequence[tuple[str, int]], unit: str) -> str:
    """Draw one bar per row, followed by its count; *unit* is the singular noun for the description."""
    most = max((count for _, count in counts), default=0) or 1
    labels = [_cut(label) for label, _ in counts]
    left = _text_width(labels) + _GAP
    body = []
    for row, (label, (whole, count)) in enumerate(zip(labels, counts, strict=True)):
        y = row * _ROW
        width = max(_BAR * count / most, 1.0 if count else 0.0)
        body.append(
            f"<g data-row={xml_attribute(whole)}><title>{xml_line(whole)}: {count:,} {xml_line(unit)}</title>"
            f'<text x="{left - _GAP:g}" y="{y + 16}" text-anchor="end">{xml_line(label)}</text>'
            f'<rect class="mark" x="{left:g}" y="{y + 4}" width="{width:g}" height="{_ROW - 8}"/>'
            f'<text x="{left + width + _GAP:g}" y="{y + 16}">{count:,}</text></g>'
        )
    says = "; ".join(f"{label}: {count:,}" for label, count in counts)
    right = _text_width([f"{most:,}"]) + _GAP
    return plot_svg(title, says, left + _BAR + right + _GAP, len(counts) * _ROW, body)


def lines(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[int]]) -> str:
    """Draw one line per row across the columns, named at its end; rows with the same counts share a line."""
    shared: dict[tuple[int, ...], list[str]] = {}
    for name, counts in rows.items():
        shared.setdefault(tuple(counts), []).append(name)
    most = max((count for counts in shared for count in counts), default=0) or 1
    left, top = _text_width([f"{most:,}"]) + _GAP, _GAP * 2
    # Column names are side by side, so the area is as wide as they need.
    step = max(_BROAD / max(len(columns) - 1, 1), _text_width(_cut(name, 20) for name in columns) + _GAP)
    broad = step * (len(columns) - 1)
    left = max(left, _text_width([_cut(columns[0], 20)]) / 2)

    def place(column: int, count: int) -> tuple[float, float]:
        return left + column * step, top + _HIGH * (1 - count / most)

    body = [f'<path class="axis" d="M{left:g} {top} V{top + _HIGH} H{left + broad:g}"/>']
    body += [
        f'<text x="{left - _GAP:g}" y="{place(0, count)[1] + 4:g}" text-anchor="end">{count:,}</text>'
        for count in dict.fromkeys((0, most))
    ]
    body += [
        f'<text x="{left + number * step:g}" y="{top + _HIGH + 18}" text-anchor="middle">'
        f"{xml_line(_cut(column, 20))}</text>"
        for number, column in enumerate(columns)
    ]
    names = {counts: _cut(", ".join(members)) for counts, members in shared.items()}
    ends = _apart({counts: place(len(columns) - 1, counts[-1])[1] for counts in shared if counts})
    for number, counts in enumerate(ends):
        points = [place(column, count) for column, count in enumerate(counts)]
        way = " ".join(f"{x:g},{y:g}" for x, y in points)
        dots = "".join(f'<circle class="mark" cx="{x:g}" cy="{y:g}" r="3"/>' for x, y in points)
        full = ", ".join(shared[counts])
        body.append(
            f"<g data-row={xml_attribute(full)}><title>{xml_line(full)}</title>"
            f'<polyline class="path" stroke-dasharray="{_DASHES[number % len(_DASHES)]}" points="{way}"/>'
            f'{dots}<text x="{left + broad + 2 * _GAP:g}" y="{ends[counts] + 4:g}">'
            f"{xml_line(names[counts])}</text></g>"
        )
    says = "; ".join(
        f"{name}: {', '.join(f'{column} {count:,}' for column, count in zip(columns, counts, strict=False))}"
        for name, counts in rows.items()
    )
    width = left + broad + 3 * _GAP + _text_width(names.values())
    bottom = max([top + _HIGH + 24, *(y + 8 for y in ends.values())])
    return plot_svg(title, says, width, bottom, body)


def plot_svg(title: str, says: str, width: float, height: float, body: Sequence[str]) -> str:
    """Return the SVG element for a plot: its name, description, style and parts."""
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" {size} '
        f'role="img" aria-label={xml_attribute(title)}>'
        f"<title>{xml_line(title)}</title><desc>{xml_line(says)}</desc>"
        f"<style>{_style()}</style>{''.join(body)}</svg>"
    )


def _apart(ends: Mapping[tuple[int, ...], float]) -> dict[tuple[int, ...], float]:
    """Return the same positions from top to bottom, moved down until no two labels touch."""
    placed: dict[tuple[int, ...], float] = {}
    last = float("-inf")
    for key, y in sorted(ends.items(), key=lambda item: item[1]):
        last = placed[key] = max(y, last + _LETTER + 3)
    return placed


def _text_width(texts: Iterable[str]) -> float:
    return _WIDE * max(map(len, texts), default=0)


def _cut(text: str, most: int = _LABEL) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


#: Sizes in pixels: of a row, of its words and its bar, of a letter and a digit, of the space between two
#: borders, and the smallest and largest total. A picture with few borders fits on a phone.
_STRIP_ROW, _LINE, _STRIP_BAR, _STRIP_WIDE, _DIGIT = 38, 14, 14, 7.0, 8.0
_STEP, _STRIP_LEAST, _STRIP_MOST = 110.0, 300.0, 760.0

#: The CSS classes for rows without a cache mode.
_KINDS = {"bar": "good", "resource": "good", "free": "none", "mapping": "good", "reservation": "good"}


def memory_strip(title: str, rows: Sequence[MemoryRow]) -> str:
    """Draw one row per item, in order: its words, and below them a bar from border to border."""
    borders = sorted({border for row in rows for border in row.bounds})
    broad = min(max(_STEP * (len(borders) - 1), _STRIP_LEAST), _STRIP_MOST)
    places = {border: 4 + broad * at / max(len(borders) - 1, 1) for at, border in enumerate(borders)}
    labels = [_row_words(row) for row in rows]
    wide = max(broad, *(_STRIP_WIDE * len(label) for label in labels))
    body = []
    for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
        start, end = row.bounds
        left, width, top = places[start], places[end] - places[start], number * _STRIP_ROW + _LINE + 4
        style = mode_style(row.mode)
        look = f'fill="{style.light}"' if style else f'class="{_KINDS[row.kind]}"'
        body.append(
            f"<g data-row={xml_attribute(row.label)}>"
            f"<title>{xml_line(f'{row.start}-{row.end} {label}')}</title>"
            f'<rect {look} x="{left:g}" y="{top}" width="{width:g}" height="{_STRIP_BAR}"/>'
        )
        if row.found:
            outline = f'x="{left:g}" y="{top}" width="{width:g}" height="{_STRIP_BAR}"'
            body.append(f'<rect class="ring" {outline}/>')
        # Start at its bar, or as far to the right as the words fit.
        x = min(left, 4 + wide - _STRIP_WIDE * len(label))
        body.append(f'<text x="{x:g}" y="{top - 4}">{xml_line(label)}</text></g>')
    bottom = len(rows) * _STRIP_ROW + 2
    body += _strip_axis(borders, places, bottom)
    says = "; ".join(f"{row.start}-{row.end} {label}" for row, label in zip(rows, labels, strict=True))
    return plot_svg(title, says, 8 + wide, bottom + 24, body)


def _row_words(row: MemoryRow) -> str:
    mode = f" {row.mode}" if row.mode else ""
    return f"{row.label}{mode}, {row.size}{' (found)' if row.found else ''}"


def _strip_axis(borders: Sequence[int], places: dict[int, float], bottom: int) -> list[str]:
    # Keep the numbers apart: borders that are close together are not all labelled, but the first
    # and last always are.
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


@cache
def _style() -> str:
    return files("pfnlab.present.picture").joinpath("plots.css").read_text(encoding="utf-8")
