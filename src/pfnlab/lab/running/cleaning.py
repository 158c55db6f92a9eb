"""Finding what a program left in its guest, and clearing it for the next program to save a boot."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pfnlab.base.errors import LostGuest, Undecided
from pfnlab.base.units import PAGE_SIZE, PfnRange
from pfnlab.lab.running.placement import Placement
from pfnlab.lab.vm.qemu import Guest
from pfnlab.programs.lang.areas import FIRST_AREA_PAGE
from pfnlab.programs.lang.ops import Call, Program, Thread, Write
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import STORING_WALKERS, Walk
from pfnlab.programs.runs.observation import MemoryFault, PteSeen, Step, direct_map_spans
from pfnlab.programs.runs.pte_text import RAM

if TYPE_CHECKING:
    from pfnlab.lab.lens.resource_use import ResourceUse

#: Maximum number of pages to clear in a device for the next program.
MAX_CLEARED_PAGES = 2048

#: Time limit for a request, in seconds.
_REQUEST_LIMIT = 30.0

#: Seconds to wait for leftovers to disappear, and seconds between checks.
_LIMIT, _PAUSE = 1.0, 0.002

#: Resources in use count as stable after this many identical checks, this many seconds apart.
_SETTLED, _SETTLING = 2, 0.02

_AT = FIRST_AREA_PAGE * PAGE_SIZE

#: Map part of the BAR or of low memory (shared, fixed address, read-write), clear it, and unmap it.
_CLEAR_PART = (
    "op 0 mmap {via} {at:x} {size:x} 3 100001 {offset:x}\n"
    "op 0 clear {at:x} {size:x}\nop 0 munmap {at:x} {size:x}\n"
)


def low_devices(placement: Placement) -> set[str]:
    """The devices in low memory, of which a guest has little."""
    return {name for name, window in placement.windows.items() if window.start < placement.bar.start}


def cleared(
    guest: Guest,
    placement: Placement,
    written: Collection[str],
    pages: Mapping[str, Collection[int]] | None = None,
) -> set[str]:
    """Clear devices; return those cleared. Devices that are too large or cannot be mapped are skipped.

    :param pages: for each device, the pages that may be nonzero (:func:`stored_pages`), used if the device is
        too large to be cleared entirely; None if any page may be nonzero
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


def wiped(guest: Guest, placement: Placement, written: Collection[str]) -> set[str]:
    """Clear devices in the BAR without the guest's help; return those cleared."""
    return {name for name in placement.windows.keys() & written if guest.clear(placement.windows[name])}


def _cleared(guest: Guest, placement: Placement, parts: Sequence[PfnRange]) -> bool | None:
    lines = []
    for part in parts:
        # Device files count offsets from the start of the BAR; /dev/mem counts from the start
        # of physical memory.
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
    """Turn low-memory devices back to write-back in the direct map; return those for which this worked.

    The mode stays even when the reservation is freed (S2.8.2).

    :param lines: lines about the direct map at the end of the program; *now* returns those in a new snapshot
    :param turn_back: turns page frames back to write-back in the direct map
    """
    asked = {span.name for span, _ in direct_map_spans(lines)} & low_devices(placement)
    if not asked:
        return asked
    try:
        turn_back([_reached(placement.windows[name]) for name in sorted(asked)])
        # The new snapshot shows where that failed.
        return asked - {span.name for span, _ in direct_map_spans(now())}
    except Undecided:
        return set()


def _reached(window: PfnRange) -> PfnRange:
    # An access that crosses the end of a page also maps the next page (generic_access_phys).
    return PfnRange(window.start, window.end + 1)


def _done(guest: Guest, request: str, *, operations: int) -> bool | None:
    # True if all operations, and the end after them, succeeded; None if the guest was lost.
    try:
        reply = guest.request(request, _REQUEST_LIMIT)
    except LostGuest:
        return None
    return [line for line in reply.splitlines() if line.startswith("r ")] == ["r 0 0"] * (operations + 1)


def settled(in_use: Callable[[], ResourceUse | None]) -> ResourceUse | None:
    """The result of *in_use* once it is stable: after a boot the kernel keeps freeing memory for a while."""
    last, same = in_use(), 0
    end = time.monotonic() + _LIMIT
    while last is not None and same < _SETTLED and time.monotonic() < end:
        time.sleep(_SETTLING)
        now = in_use()
        same = same + 1 if now == last else 0
        last = now
    return last


def leftovers(
    in_use: Callable[[], ResourceUse | None], before: ResourceUse, placements: Sequence[Placement]
) -> tuple[ResourceUse, list[MemoryFault]]:
    """The resources in use after programs, and those that the programs have left behind.

    Waits for a while, because the kernel frees some of them late.

    :param in_use: reads the guest; returns None if it cannot
    """
    end = time.monotonic() + _LIMIT
    while True:
        after = in_use() or before
        faults = new_claims(before, after, placements)
        # Page tables are compared only if the number of address spaces has not changed.
        if (not faults and after.spaces == before.spaces) or time.monotonic() >= end:
            return after, faults
        time.sleep(_PAUSE)


def new_claims(before: ResourceUse, after: ResourceUse, placements: Sequence[Placement]) -> list[MemoryFault]:
    """Claims and resources that only *after* has, except reservations of the programs' own devices."""
    from pfnlab.lab.lens.resource_use import leftovers

    def is_ours(first: int, behind: int) -> bool:
        return any(placement.places.overlaps_device(first, behind) for placement in placements)

    return [MemoryFault(*fault) for fault in leftovers(before, after, is_ours)]


def still_reserved(claims: ResourceUse, placement: Placement) -> tuple[PfnRange, ...]:
    """The reservations in a program's windows."""
    from pfnlab.programs.runs.memory_faults import book_left

    pfns = [PfnRange(*claim.pfns) for claim in claims.lists[book_left.name]]
    return tuple(one for one in pfns if any(one.overlaps(window) for window in placement.watched))


def stored_pages(program: Program, steps: Sequence[Step]) -> dict[str, set[int]] | None:
    """The pages of each device that may be nonzero after a run; None if the run cannot tell.

    A store reaches the frame in the page's entry or in a stale TLB entry. So it may reach any frame that the
    page has mapped so far in the run, in any task.

    :param steps: the steps of a complete run
    """
    # While a processor is held, entries come and go within a step; and a thread has no entries of its own.
    if program.needs.held or program.needs.slot or program.needs.moved is not None:
        return None
    if any(isinstance(op.call, Thread) for op in program.ops):
        return None
    found: dict[str, set[int]] = {}
    for number, op in enumerate(program.ops):
        area, pages = _places(op.call)
        if not pages:
            continue
        step = steps[number] if number < len(steps) else None
        if step is None or step.ptes is None:
            return None
        if isinstance(op.call, Write) and step.result != "ok":
            # The store itself failed.
            continue
        for page in pages:
            if all(target is None for target in _shown(step.ptes, area, page, op.task)):
                return None
            for earlier in steps[: number + 1]:
                for target in _shown(earlier.ptes or (), area, page):
                    if target is not None and target != RAM:
                        found.setdefault(target.name, set()).add(target.start)
    devices = {device.name for device in program.devices}
    return found if found.keys() <= devices else None


def _places(call: Call) -> tuple[str, range]:
    """The area and pages that *call* stores to; no pages if it does not store."""
    if isinstance(call, Write):
        return call.span.name, range(call.span.start, call.span.start + 1)
    if isinstance(call, Walk) and call.walker in STORING_WALKERS:
        first = call.span.start
        last = 0 if call.bytes is None else (call.bytes.offset + call.bytes.length - 1) // PAGE_SIZE
        return call.span.name, range(first, first + last + 1)
    return "", range(0)


def _shown(ptes: Sequence[PteSeen], area: str, page: int, task: str | None = None) -> Iterator[Span | None]:
    """The frames that a page's entries point to, in one task or all; for a device, its single page."""
    for pte in ptes:
        span = pte.span
        if span.name == area and span.start <= page < span.end and task in (None, pte.task):
            target = pte.target
            if target is None or target == RAM:
                yield target
            else:
                at = target.start + page - span.start
                yield Span(target.name, at, at + 1)
