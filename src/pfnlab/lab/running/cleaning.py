"""Making a guest fit for the next program where one has left traces, instead of booting another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from pfnlab.base.errors import LostGuest, Undecided
from pfnlab.base.units import PAGE_SIZE, PfnRange
from pfnlab.lab.running.placement import Placement
from pfnlab.lab.vm.boots import GuestLike
from pfnlab.programs.lang.areas import FIRST_AREA_PAGE
from pfnlab.programs.runs.observation import direct_map_spans

#: The most pages of a device that are cleared for the next program.
MAX_CLEARED_PAGES = 2048

#: Seconds that a request may take.
_LIMIT = 30.0

_AT = FIRST_AREA_PAGE * PAGE_SIZE

#: Map a part of the BAR, or of low memory (shared, at a fixed address, for reading and writing), clear it,
#: unmap it.
_CLEAR_PART = (
    "op 0 mmap {via} {at:x} {size:x} 3 100001 {offset:x}\n"
    "op 0 clear {at:x} {size:x}\nop 0 munmap {at:x} {size:x}\n"
)


def low_devices(placement: Placement) -> set[str]:
    """The devices in low memory, of which a guest has little."""
    return {name for name, window in placement.windows.items() if window.start < placement.bar.start}


def cleared(
    guest: GuestLike,
    placement: Placement,
    written: Collection[str],
    pages: Mapping[str, Collection[int]] | None = None,
) -> set[str]:
    """The devices whose bytes are zero again; not one that is too large, or cannot be mapped.

    :param pages: of each device those that may have other bytes (:mod:`.stored_pages`), which count where all
        of them are too many; None where any page may have
    """
    names = set()
    for name in placement.windows.keys() & written:
        window = placement.windows[name]
        parts = [window]
        if window.nr > MAX_CLEARED_PAGES and pages is not None:
            first = placement.places.devices[name].start
            parts = [PfnRange(first + page, first + page + 1) for page in sorted(pages.get(name, ()))]
        many = sum(part.nr for part in parts) > MAX_CLEARED_PAGES
        if many or not all(map(window.contains, parts)):
            continue
        done = not parts or _cleared(guest, placement, parts)
        if done is None:
            break
        if done:
            names.add(name)
    return names


def _cleared(guest: GuestLike, placement: Placement, parts: Sequence[PfnRange]) -> bool | None:
    lines = []
    for part in parts:
        # Files of the device count from the BAR's start, /dev/mem from that of physical memory.
        via, first = ("uc", placement.bar.start) if part.start >= placement.bar.start else ("devmem", 0)
        size, offset = part.nr * PAGE_SIZE, (part.start - first) * PAGE_SIZE
        lines.append(_CLEAR_PART.format(via=via, at=_AT, size=size, offset=offset))
    return _done(guest, f"program clear\n{''.join(lines)}end\n", operations=3 * len(parts))


def turned_back(
    placement: Placement,
    lines: Sequence[str],
    turn_back: Callable[[Sequence[PfnRange]], None],
    now: Callable[[], Sequence[str]],
) -> set[str]:
    """The devices in low memory that the direct map did not have as write-back, and has so again.

    Freeing a reservation leaves it as it is (S2.8.2).

    :param lines: about the direct map at the end of the program
    :param turn_back: makes page frames write-back there
    :param now: the lines that a look from outside shows
    """
    asked = {span.name for span, _ in direct_map_spans(lines)} & low_devices(placement)
    if not asked:
        return asked
    try:
        turn_back([_reached(placement.windows[name]) for name in sorted(asked)])
        # What could not be turned back is seen in the end.
        return asked - {span.name for span, _ in direct_map_spans(now())}
    except Undecided:
        return set()


def _reached(window: PfnRange) -> PfnRange:
    # An access over the end of a page has the page behind it mapped too (generic_access_phys).
    return PfnRange(window.start, window.end + 1)


def _done(guest: GuestLike, request: str, *, operations: int) -> bool | None:
    # Whether all operations, and the end after them, went well; None where the guest was lost.
    try:
        reply = guest.request(request, _LIMIT)
    except LostGuest:
        return None
    return [line for line in reply.splitlines() if line.startswith("r ")] == ["r 0 0"] * (operations + 1)
