"""The ids of parts: the same part has the same id in every step, on every machine and in every form."""

from __future__ import annotations

from urllib.parse import quote

from pfnlab.programs.lang.span import Span


def part_id(kind: str, *words: str | int) -> str:
    """``vma:main:a:0``: a kind and words; characters that would end a word are escaped."""
    return ":".join([kind, *(quote(str(word), safe="-._~", errors="backslashreplace") for word in words)])


def vma_part(task: str, span: Span) -> str:
    """The id of a VMA, which is where it begins in its task."""
    return part_id("vma", task, span.name, span.start)


def run_part(task: str, span: Span) -> str:
    """The id of a run of entries."""
    return part_id("run", task, span.name, span.start)


def link_part(task: str, span: Span) -> str:
    """The id of the link from a run to its frames."""
    return part_id("link", task, span.name, span.start)


def device_part(name: str) -> str:
    """The id of a device."""
    return part_id("mem", name)


def book_part(span: Span, nth: int) -> str:
    """The id of a reservation; *nth* counts those with the same pages from 0."""
    return part_id("book", span.name, span.start, span.end, *([nth] if nth else []))


def context_part(span: Span, nth: int) -> str:
    """The id of a context, which is that of its reservation."""
    return part_id("ctx", span.name, span.start, span.end, *([nth] if nth else []))


def tlb_part(task: str, span: Span) -> str:
    """The id of what a processor remembers of a run of pages."""
    return part_id("tlb", task, span.name, span.start)
