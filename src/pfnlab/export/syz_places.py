"""The places of a program in the form of syzkaller: addresses of its areas, pages of its devices.

A syzkaller program names neither, so they stand in its comments, in lines that are read again::

    # bar: pci, 16 pages, from page 0 of BAR 2
    # a[0:16] is at 0x7f0000200000
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pfnlab.base.errors import Undecided
from pfnlab.base.units import PAGE_SIZE
from pfnlab.export.syz_lines import DATA_PAGES, DATA_START
from pfnlab.programs.lang.areas import area_extents
from pfnlab.programs.lang.ops import END_KINDS, Device, DeviceKind, Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import KINDS, page_count
from pfnlab.programs.runs.places import ISA_PFN, LOWMEM, PAST_END_PAGES, WINDOW_PAGES

#: Areas begin at multiples of this many pages, so that no two share a page table; the first of these in the
#: data area is that of strings.
_ALIGN = 512

#: Where the fixed kinds of devices are in physical memory, in pages: RAM below 1 MiB that every PC has.
_FIXED = {"lowmem": LOWMEM.start, "isa": ISA_PFN}

_DEVICE = re.compile(
    r"([a-z][a-z0-9_]{0,11}): ([a-z]+), (\d+) pages?, from page (\d+) of (?:BAR \d|memory)\Z"
)
_AREA = re.compile(r"([a-z][a-z0-9_]{0,11})\[0:(\d+)\] is at (0x[0-9a-f]+)\Z")


class SyzPlaces(NamedTuple):
    """Where everything is.

    :param devices: each device with its first page, in the BAR or in physical memory
    :param areas: each area with its first address and the pages that may be named
    """

    devices: tuple[tuple[Device, int], ...] = ()
    areas: tuple[tuple[str, int, int], ...] = ()

    def comments(self, bar: int) -> list[str]:
        """The comments that say it."""
        lines = []
        for device, first in self.devices:
            of = f"BAR {bar}" if device.kind == "pci" else "memory"
            size = page_count(device.pages)
            lines.append(f"{device.name}: {device.kind}, {size}, from page {first} of {of}")
        return lines + [f"{name}[0:{pages}] is at {start:#x}" for name, start, pages in self.areas]

    def address(self, span: Span) -> int:
        """The address of the first page of *span*, which is in an area."""
        return self.starts[span.name] + span.start * PAGE_SIZE

    @property
    def starts(self) -> Mapping[str, int]:
        """The address of each area."""
        return {name: start for name, start, _ in self.areas}

    def is_bar(self, device: str) -> bool:
        """True for a device that is a part of the BAR."""
        return any(each.name == device and each.kind == "pci" for each, _ in self.devices)

    def first(self, device: str) -> int:
        """The first page of a device."""
        return next(first for each, first in self.devices if each.name == device)

    def span(self, kind: Iterable[DeviceKind], page: int, pages: int) -> Span | None:
        """The pages of a device of one of these kinds from *page* on; None where none has it."""
        for device, first in self.devices:
            if device.kind in kind and first <= page < first + device.pages + PAST_END_PAGES:
                return Span(device.name, page - first, page - first + pages)
        return None

    def pages_of(self, start: int, length: int) -> list[Span]:
        """The pages of areas between two addresses."""
        spans = []
        for name, first, pages in self.areas:
            low = max(0, (start - first) // PAGE_SIZE)
            high = min(pages, -(-(start + length - first) // PAGE_SIZE))
            if low < high or (length == 0 and 0 <= start - first < pages * PAGE_SIZE):
                spans.append(Span(name, low, max(low, high)))
        return spans


def places_for(program: Program, name: str) -> SyzPlaces:
    """Places for all of *program*.

    :raises Undecided: it needs more address space than a syzkaller program has, or memory that it cannot name
    """
    devices: list[tuple[Device, int]] = []
    page = 0
    for device in program.devices:
        if device.kind in END_KINDS:
            raise Undecided(
                f"{name}: the form syz has no place for `{device.name}`: the end of memory is the machine's"
            )
        if device.kind == "pci":
            devices.append((device, page))
            page += -(-(device.pages + PAST_END_PAGES) // WINDOW_PAGES) * WINDOW_PAGES
        else:
            devices.append((device, _FIXED[device.kind]))
    areas = []
    first = _ALIGN
    for area, pages in area_extents(program).items():
        areas.append((area, DATA_START + first * PAGE_SIZE, pages))
        first += (pages // _ALIGN + 1) * _ALIGN
    if first > DATA_PAGES:
        raise Undecided(
            f"{name}: its areas need {first} pages, and a syzkaller program has {DATA_PAGES}: map less"
        )
    return SyzPlaces(tuple(devices), tuple(areas))


def places_in(comments: Iterable[str]) -> SyzPlaces:
    """The places that comments of a syzkaller program say."""
    devices, areas = [], []
    for comment in comments:
        if (found := _DEVICE.match(comment)) and found[2] in KINDS:
            devices.append((Device(found[1], KINDS[found[2]], int(found[3])), int(found[4])))
        elif found := _AREA.match(comment):
            areas.append((found[1], int(found[3], 16), int(found[2])))
    return SyzPlaces(tuple(devices), tuple(areas))
