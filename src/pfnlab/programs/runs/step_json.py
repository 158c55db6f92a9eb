"""Observations as JSON and back: the steps of ``run --json`` and of goldens.

The structures below are the JSON, key by key; reading refuses undeclared keys.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pfnlab.base.result import ALWAYS, Text, beside
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import BookEntry, PteSeen, Step, VmaSeen

_Page = Annotated[int, Meta(extra_json_schema={"minimum": 0})]
_Lines = tuple[Text, ...] | None
_Mode = Annotated[str, Meta(extra_json_schema={"enum": ["wb", "wc", "uc-", "uc", "wt", "wp"]})]
_Ended = Annotated[str, Meta(extra_json_schema={"pattern": "^(ok|held|waits|busy|[A-Z0-9]+)$"})]


class PrintedSpan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pages ``start`` up to ``end`` (not included) of a device.

    :param device: the device of the program; ``ram`` for ordinary memory
    :param start: the first page
    :param end: the page behind the last
    """

    device: Text
    start: _Page
    end: _Page

    @classmethod
    def of(cls, span: Span | None) -> PrintedSpan | None:
        """A span as it is printed."""
        return None if span is None else cls(span.name, span.start, span.end)


class PrintedEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the memtype list.

    :param device: the device of the program it lies in
    :param start: its first page of the device
    :param end: the page behind its last
    :param mode: the reserved cache mode
    """

    device: Text
    start: _Page
    end: _Page
    mode: _Mode

    @classmethod
    def of(cls, span: Span, mode: str) -> PrintedEntry:
        """Pages with their mode as they are printed."""
        return cls(span.name, span.start, span.end, mode)

    @property
    def span(self) -> Span:
        """Its pages."""
        return Span(self.device, self.start, self.end)


class PrintedVma(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One VMA; ``start`` and ``end`` are pages of ``area``.

    :param task: the task it belongs to
    :param area: the area of the program it lies in
    :param start: its first page of the area
    :param end: the page behind its last
    :param perms: as /proc/PID/smaps prints it, ``rw-s``
    :param file: the interface it is mapped through: wc, uc, mem, proc, driver, vfio; anon for none
    :param offset: the device pages its file offset stands for; null for anonymous memory
    :param flags: the codes of VmFlags, in the kernel's order
    :param rss: its resident pages, in kB
    :param anonymous: those of them that are anonymous, in kB
    :param locked: those of them that are locked, in kB
    """

    task: Text
    area: Text
    start: _Page
    end: _Page
    perms: Annotated[str, Meta(extra_json_schema={"pattern": "^[-r][-w][-x][-sp]$"})]
    file: str
    offset: PrintedSpan | None
    flags: str
    rss: _Page
    anonymous: _Page
    locked: _Page


class PrintedPte(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run of equal page-table entries; ``start`` and ``end`` are pages of ``area``.

    :param task: the task whose table it is in
    :param area: the area of the program it is for
    :param start: the first page of the area with such an entry
    :param end: the page behind the last
    :param target: what the pages lead to; null where no entry is present
    :param entry: level, cache mode and bits, ``L1 WC P RW US SPECIAL A``; ``none@L3`` where tables end
    """

    task: Text
    area: Text
    start: _Page
    end: _Page
    target: PrintedSpan | None
    entry: Text


class PrintedStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step, every key always there; null where the machine cannot see.

    :param op: the operation as a program line; ``end`` for the last, when all tasks are gone
    :param task: the task that did it
    :param result: ``ok``, an errno name, or held, waits, busy in a race
    :param value: what it returned beside the result: a number read, ``SIGBUS code=2`` of a fault; null
        for most
    :param book: entries of the memtype list that overlap a device of the program, in list order
    :param log: the lines of the kernel log since the last step, without numbers that differ from boot to boot
    :param vmas: the VMAs of the program's areas
    :param ptes: the page-table entries of the program's areas, equal neighbours as one
    :param flushes: TLB flushes of the operation
    :param events: the order of kernel calls during the operation
    :param tracked: what the tracker has reserved, and for which VMAs
    :param prots: the cache mode of every VMA's vm_page_prot
    :param direct_map: the RAM that is not write-back in the direct map
    :param levels: the level of each line of ``log``, as ``info``
    """

    op: Text
    task: Text
    result: _Ended
    value: int | str | None
    book: tuple[PrintedEntry, ...] | None
    log: tuple[str, ...]
    vmas: tuple[PrintedVma, ...] | None
    ptes: tuple[PrintedPte, ...] | None
    flushes: _Page | None
    events: _Lines
    tracked: Annotated[_Lines, ALWAYS] = None
    prots: Annotated[_Lines, ALWAYS] = None
    direct_map: Annotated[_Lines, ALWAYS] = None
    levels: Annotated[_Lines, ALWAYS] = None


def printed_step(step: Step) -> PrintedStep:
    """A step as it is printed."""
    return PrintedStep(**{name: _printed(getattr(step, name)) for name in step.__struct_fields__})


def step_of(printed: PrintedStep) -> Step:
    """The step that was printed."""
    return Step(**{name: _read(getattr(printed, name)) for name in printed.__struct_fields__})


def field_value(value: Any) -> Any:
    """The value of any one field of a step as plain JSON."""
    return msgspec.to_builtins(_printed(value))


def _printed(value: Any) -> Any:
    match value:
        case tuple():
            return tuple(map(_printed, value))
        case BookEntry():
            return PrintedEntry.of(value.span, value.mode)
        case VmaSeen():
            return PrintedVma(**_of_area(value), offset=PrintedSpan.of(value.offset))
        case PteSeen():
            return PrintedPte(**_of_area(value), target=PrintedSpan.of(value.target))
    return value


def _of_area(seen: VmaSeen | PteSeen) -> dict[str, Any]:
    """Task and pages as they are printed, and the fields that are printed as they are."""
    same = beside(seen, ("task", "span", "offset", "target"))
    return {"task": seen.task, "area": seen.span.name, "start": seen.span.start, "end": seen.span.end, **same}


def _read(printed: Any) -> Any:
    match printed:
        case tuple():
            return tuple(map(_read, printed))
        case PrintedEntry():
            return BookEntry(printed.span, printed.mode)
        case PrintedVma():
            return VmaSeen(**_of_span(printed), offset=_span(printed.offset))
        case PrintedPte():
            return PteSeen(**_of_span(printed), target=_span(printed.target))
    return printed


def _of_span(printed: PrintedVma | PrintedPte) -> dict[str, Any]:
    """The same, read."""
    same = beside(printed, ("area", "start", "end", "offset", "target"))
    return {"span": Span(printed.area, printed.start, printed.end), **same}


def _span(printed: PrintedSpan | None) -> Span | None:
    return None if printed is None else Span(printed.device, printed.start, printed.end)
