"""Translations of processors: cards beside a state, or lines under it; stale ones struck through."""

from __future__ import annotations

from collections.abc import Iterator

from pfnlab.present.picture.bands import labelled_mode, short_span
from pfnlab.present.picture.canvas import Canvas
from pfnlab.present.picture.lettering import cut, text_width
from pfnlab.present.picture.palette import mode_style
from pfnlab.present.picture.parts import RunPart, StateScene, TlbPart

_HEAD, _CARD_LINE, _LINE = 26.0, 44.0, 22.0
_STALE = "STALE"

#: No card is higher than so many translations: the rest is counted.
_MOST = 6


def cards_height(scene: StateScene) -> float:
    """The height of all cards, one a processor."""
    return 24 + sum(_card_height(len(parts)) + 8 for parts in (scene.tlbs or {}).values() or [()])


def draw_cards(drawing: Canvas, scene: StateScene, left: float, top: float, width: float) -> float:
    """The cards of all processors.

    :return: where they end
    """
    drawing.text(left, top + 13, "TLB of each processor", "quiet", face="sans")
    at = top + 24
    tlbs = scene.tlbs or {}
    if not tlbs:
        drawing.text(left, at + 13, "nothing remembered", "quiet", face="sans")
        return at + 24
    for task, parts in tlbs.items():
        high = _card_height(len(parts))
        drawing.rect(left, at, width, high, "panel", 4)
        drawing.text(left + 10, at + 17, cut(task, width - 20, 12, "bold"), face="bold")
        for number, part in enumerate(parts[:_MOST]):
            _draw_card_line(drawing, part, left + 8, at + _HEAD + number * _CARD_LINE, width - 16)
        if len(parts) > _MOST:
            drawing.text(
                left + 10, at + high - 8, f"and {len(parts) - _MOST} more", "quiet", size=10, face="sans"
            )
        at += high + 8
    return at


def lines_height(scene: StateScene) -> float:
    """The height of all lines, one a translation."""
    return max(sum(map(len, (scene.tlbs or {}).values())), 1) * _LINE + 2


def draw_lines(drawing: Canvas, scene: StateScene, left: float, top: float, right: float) -> None:
    """A line for each translation, with the processor at its left."""
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


def stale_links(scene: StateScene) -> Iterator[RunPart]:
    """Runs that no page table has any more, and processors still use, each run once."""
    seen = set()
    for parts in (scene.tlbs or {}).values():
        for part in parts:
            if part.stale and part.target is not None and (part.span, part.target) not in seen:
                seen.add((part.span, part.target))
                yield RunPart(
                    part=part.part, says=part.says, task=part.space, span=part.span, target=part.target,
                    mode=part.mode, level=1, marks=part.marks,
                )  # fmt: skip


def _card_height(count: int) -> float:
    return _HEAD + min(count, _MOST) * _CARD_LINE + 4 + (16 if count > _MOST else 0)


def _draw_card_line(drawing: Canvas, part: TlbPart, left: float, top: float, width: float) -> None:
    high = _CARD_LINE - 4
    style = mode_style(part.mode)
    with drawing.part(part, "tlb stale" if part.stale else "tlb"):
        kind = "bad-edge" if part.stale else "edge"
        if style is None:
            drawing.rect(left, top, width, high, kind)
        else:
            drawing.mode_box(style, left, top, width, high, kind)
        words = cut(_arrow(part), width - 14, 11)
        drawing.rect(left + 4, top + 3, text_width(words, 11) + 6, 15, "plate")
        drawing.text(left + 7, top + 14, words, size=11)
        if part.stale:
            drawing.line(left + 5, top + 10.5, left + 9 + text_width(words, 11), top + 10.5, "strike")
            badge = text_width(_STALE, 11, "bold") + 26
            drawing.rect(left + width - badge - 4, top + high - 19, badge, 16, "bad-fill")
            drawing.bolt(left + width - badge, top + high - 17, "on-bad")
            drawing.text(left + width - badge + 13, top + high - 7, _STALE, "on-bad", size=11, face="bold")
        if style is not None:
            end = left + width - (80 if part.stale else 0)
            labelled_mode(drawing, style, left, end, top + high - 11, [part.marks, ""], end, centred=False)
        if part.changed:
            drawing.corner(left + width, top)


def _draw_words(drawing: Canvas, part: TlbPart, left: float, top: float, right: float) -> None:
    style = mode_style(part.mode)
    words = _arrow(part)
    badge = text_width(_STALE, 11, "bold") + 24
    words = cut(words, right - left - badge - 34, 11)
    if style is not None:
        left = labelled_mode(drawing, style, left - 4, right, top + 8, [""], right, centred=False) + 5
    drawing.text(left, top + 12, words, size=11, must=False)
    if part.stale:
        width = text_width(words, 11)
        drawing.line(left - 1, top + 8.5, left + width + 1, top + 8.5, "strike")
        drawing.rect(left + width + 6, top, badge - 4, 16, "bad-fill")
        drawing.bolt(left + width + 10, top + 2, "on-bad")
        drawing.text(left + width + 22, top + 12, _STALE, "on-bad", size=11, face="bold")


def _arrow(part: TlbPart) -> str:
    target = "" if part.target is None else short_span(part.target) if part.target.pages else part.target.name
    return f"{short_span(part.span)} → {target}" if target else short_span(part.span)
