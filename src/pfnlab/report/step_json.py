"""Observations as JSON objects and back: the items of ``run --json`` and of goldens.

The structures below are the JSON, key by key; reading refuses undeclared keys.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import BookEntry, PteSeen, Step, VmaSeen


class SpanItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pages ``start`` up to ``end`` (not included) of a device."""

    device: str
    start: int
    end: int


class BookItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the memtype book."""

    device: str
    start: int
    end: int
    mode: str


class VmaItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One VMA; ``start`` and ``end`` are pages of ``area``."""

    task: str
    area: str
    start: int
    end: int
    perms: str
    file: str
    offset: SpanItem | None
    flags: str
    rss: int
    anonymous: int
    locked: int


class PteItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run of equal page-table entries; ``start`` and ``end`` are pages of ``area``."""

    task: str
    area: str
    start: int
    end: int
    target: SpanItem | None
    entry: str


class StepItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step, every key always there; null where the machine cannot see."""

    op: str
    task: str
    result: str
    value: int | str | None
    book: tuple[BookItem, ...] | None
    log: tuple[str, ...]
    vmas: tuple[VmaItem, ...] | None
    ptes: tuple[PteItem, ...] | None
    flushes: int | None
    events: tuple[str, ...] | None
    tracked: tuple[str, ...] | None = None
    prots: tuple[str, ...] | None = None
    direct_map: tuple[str, ...] | None = None
    levels: tuple[str, ...] | None = None


def step_item(step: Step) -> StepItem:
    """The JSON item of a step."""
    return StepItem(
        op=step.op,
        task=step.task,
        result=step.result,
        value=step.value,
        book=None if step.book is None else tuple(map(book_item, step.book)),
        log=step.log,
        vmas=None if step.vmas is None else tuple(map(_vma_item, step.vmas)),
        ptes=None if step.ptes is None else tuple(map(_pte_item, step.ptes)),
        flushes=step.flushes,
        events=step.events,
        tracked=step.tracked,
        prots=step.prots,
        direct_map=step.direct_map,
        levels=step.levels,
    )


def step_of(item: StepItem) -> Step:
    """The step of a JSON item."""
    return Step(
        op=item.op,
        task=item.task,
        result=item.result,
        value=item.value,
        book=None if item.book is None else tuple(map(_book_entry, item.book)),
        log=item.log,
        vmas=None if item.vmas is None else tuple(map(_vma_of, item.vmas)),
        ptes=None if item.ptes is None else tuple(map(_pte_of, item.ptes)),
        flushes=item.flushes,
        events=item.events,
        tracked=item.tracked,
        prots=item.prots,
        direct_map=item.direct_map,
        levels=item.levels,
    )


def book_item(entry: BookEntry) -> BookItem:
    """The JSON item of a book entry."""
    return BookItem(entry.span.name, entry.span.start, entry.span.end, entry.mode)


def plain(item: Any) -> Any:
    """An item as dicts, lists and scalars, as reading its JSON gives them."""
    return json.loads(msgspec.json.encode(item))


def field_item(value: Any) -> Any:
    """The value of any one field of a step as plain JSON."""
    return plain([_item(element) for element in value]) if isinstance(value, tuple) else value


def _item(value: Any) -> Any:
    match value:
        case BookEntry():
            return book_item(value)
        case VmaSeen():
            return _vma_item(value)
        case PteSeen():
            return _pte_item(value)
    return value


def _span_item(span: Span | None) -> SpanItem | None:
    return None if span is None else SpanItem(span.name, span.start, span.end)


def _span_of(item: SpanItem | None) -> Span | None:
    return None if item is None else Span(item.device, item.start, item.end)


def _vma_item(vma: VmaSeen) -> VmaItem:
    return VmaItem(
        task=vma.task,
        area=vma.span.name,
        start=vma.span.start,
        end=vma.span.end,
        perms=vma.perms,
        file=vma.file,
        offset=_span_item(vma.offset),
        flags=vma.flags,
        rss=vma.rss,
        anonymous=vma.anonymous,
        locked=vma.locked,
    )


def _vma_of(item: VmaItem) -> VmaSeen:
    span = Span(item.area, item.start, item.end)
    offset = _span_of(item.offset)
    return VmaSeen(
        item.task, span, item.perms, item.file, offset, item.flags, item.rss, item.anonymous, item.locked
    )


def _pte_item(pte: PteSeen) -> PteItem:
    span = pte.span
    return PteItem(pte.task, span.name, span.start, span.end, _span_item(pte.target), pte.entry)


def _pte_of(item: PteItem) -> PteSeen:
    return PteSeen(item.task, Span(item.area, item.start, item.end), _span_of(item.target), item.entry)


def _book_entry(item: BookItem) -> BookEntry:
    return BookEntry(Span(item.device, item.start, item.end), item.mode)
