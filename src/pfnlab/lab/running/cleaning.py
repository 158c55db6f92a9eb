"""Making a guest fit for the next program where one has left traces, instead of booting another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from pfnlab.errors import LostGuest, Undecided
from pfnlab.lab.running.placement import Placement
from pfnlab.lab.vm.boots import GuestLike
from pfnlab.programs.lang.areas import FIRST_AREA_PAGE
from pfnlab.programs.runs.observation import direct_map_spans
from pfnlab.units import PAGE_SIZE

#: The largest device whose bytes are cleared for the next program that needs the first page of the BAR.
MAX_CLEARED_PAGES = 2048

#: Seconds that a request may take.
_LIMIT = 30.0

_AT = FIRST_AREA_PAGE * PAGE_SIZE

#: Map a part of the BAR, or of low memory (shared, at a fixed address, for reading and writing), clear it,
#: unmap it.
_CLEAR_REQUEST = (
    "program clear\nop 0 mmap {via} {at:x} {size:x} 3 100001 {offset:x}\n"
    "op 0 clear {at:x} {size:x}\nop 0 munmap {at:x} {size:x}\nend\n"
)

#: Map physical memory as /dev/mem does without O_SYNC, shared and for reading, and unmap it.
_WRITE_BACK_REQUEST = (
    "program write-back\nop 0 mmap devmem {at:x} {size:x} 1 100001 {offset:x}\n"
    "op 0 munmap {at:x} {size:x}\nend\n"
)


def low_devices(placement: Placement) -> set[str]:
    """The devices in low memory, of which a guest has little."""
    return {name for name, window in placement.windows.items() if window.start < placement.bar.start}


def cleared(guest: GuestLike, placement: Placement, written: Collection[str]) -> set[str]:
    """The devices whose bytes are zero again; not one that is too large, or cannot be mapped."""
    names = set()
    for name in placement.windows.keys() & written:
        window = placement.windows[name]
        if window.nr > MAX_CLEARED_PAGES:
            continue
        # Files of the device count from the BAR's start, /dev/mem from that of physical memory.
        via, first = ("uc", placement.bar.start) if window.start >= placement.bar.start else ("devmem", 0)
        size, offset = window.nr * PAGE_SIZE, (window.start - first) * PAGE_SIZE
        request = _CLEAR_REQUEST.format(via=via, at=_AT, size=size, offset=offset)
        done = _done(guest, request, operations=3)
        if done is None:
            break
        if done:
            names.add(name)
    return names


def turned_back(
    guest: GuestLike, placement: Placement, lines: Sequence[str], now: Callable[[], Sequence[str]]
) -> set[str]:
    """
    The devices in low memory that the direct map did not have as write-back, and has so again.

    Freeing a reservation leaves it as it is (S2.8.2); reserving the same pages as write-back does not.

    :param lines: about the direct map at the end of the program
    :param now: tells those that a look from outside shows
    """
    asked = set()
    for span, _ in direct_map_spans(lines):
        if span.name not in placement.windows or placement.windows[span.name].start >= placement.bar.start:
            continue
        size = span.pages * PAGE_SIZE
        offset = (placement.places.devices[span.name].start + span.start) * PAGE_SIZE
        # What could not be turned back is seen in the end.
        _done(guest, _WRITE_BACK_REQUEST.format(at=_AT, size=size, offset=offset), operations=2)
        asked.add(span.name)
    if not asked:
        return asked
    try:
        return asked - {span.name for span, _ in direct_map_spans(now())}
    except Undecided:
        return set()


def _done(guest: GuestLike, request: str, *, operations: int) -> bool | None:
    # Whether all operations, and the end after them, went well; None where the guest was lost.
    try:
        reply = guest.request(request, _LIMIT)
    except LostGuest:
        return None
    return [line for line in reply.splitlines() if line.startswith("r ")] == ["r 0 0"] * (operations + 1)
