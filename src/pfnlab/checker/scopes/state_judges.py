"""Judges of states: each answers True or False, or None if its question does not apply."""

from collections.abc import Sequence
from itertools import pairwise

from pfnlab.base.units import PfnRange
from pfnlab.checker.scopes.modes import one_mode_kept
from pfnlab.checker.scopes.moment import (
    COMMITTED,
    FORK_CHANGED,
    FORK_FAILED,
    FORK_LEFT,
    FREED_MAPPED,
    FREED_WRONGLY,
    HOLDS_FILE,
    LEFT_BEHIND,
    LOOKED_BEHIND,
    PCI_FILES,
    USED_VMA,
    WARNED,
    FrameMode,
    Moment,
    StateView,
)
from pfnlab.kernel.hw.pgtable import TABLE_PAGES
from pfnlab.kernel.hw.spans import SpanSet
from pfnlab.kernel.mm.copy_on_write import COPIED, COPIED_UNFLUSHED
from pfnlab.kernel.mm.gather import FREED_TABLE
from pfnlab.kernel.mm.more.readers import WALKED_LEAF

#: The files that a claim revokes, by :attr:`~pfnlab.kernel.mm.vma.MappedFile.kind`.
REVOKED = (*PCI_FILES, "mem")


def no_leak(moment: Moment) -> bool | None:
    """A reservation ends with the last mapping of its range."""
    if not moment.reservations:
        return None
    mapped = [mapping.frames for mapping in moment.mappings]
    return all(any(pfns.overlaps(frames) for frames in mapped) for pfns in moment.reservations)


def no_loss(moment: Moment) -> bool | None:
    """Every device page that a mapping shows is reserved."""
    frames = [
        one.frames for mapping in moment.mappings if mapping.booked_whole for one in mapping.frame_modes
    ]
    if not frames:
        return None
    return all(moment.reserved.covers(*pfns) for pfns in frames)


def exact(moment: StateView) -> bool | None:
    """Exactly the pages that are mapped, or may be mapped again by a fault, are reserved."""
    mapped = [pfns for vma in moment.mappings if vma.booked_whole for pfns in vma.covered]
    if not moment.reserved and not mapped:
        return None
    # No kernel reserves pages that are inserted one by one, but a tracker may.
    inserted = [pfns for vma in moment.mappings if not vma.booked_whole for pfns in vma.covered]
    return SpanSet(mapped) <= moment.reserved <= SpanSet(mapped + inserted)


def freed_once(moment: Moment) -> bool | None:
    """The book is never asked to free an entry that it does not have."""
    return FREED_WRONGLY not in moment.facts


def no_warning(moment: Moment) -> bool | None:
    """The kernel never prints a WARNING."""
    return WARNED not in moment.facts


def one_mode(moment: Moment) -> bool | None:
    """All mappings of a frame, and all that processors remember of it, have one cache mode."""
    reached = [*(one for mapping in moment.mappings for one in mapping.frame_modes), *moment.remembered]
    return one_mode_kept(reached, [*moment.asked, *moment.remembered])


def _ram_shown(moment: Moment) -> list[FrameMode]:
    return [
        FrameMode(PfnRange(pfn, pfn + 1), one.mode)
        for mapping in moment.mappings
        for one in mapping.frame_modes
        # A range that neither begins nor ends in RAM has none.
        if moment.is_ram(one.frames.start) or moment.is_ram(one.frames.end - 1)
        for pfn in range(one.frames.start, one.frames.end)
        if moment.is_ram(pfn)
    ]


def direct_map(moment: Moment) -> bool | None:
    """Mapped RAM has its cache mode in the direct map, the kernel's own mapping of RAM."""
    pages = _ram_shown(moment)
    return all(moment.direct_map(page.frames.start) == page.mode for page in pages) if pages else None


def direct_map_back(moment: Moment) -> bool | None:
    """RAM that is no longer mapped is write-back again in the direct map."""
    changed, mapped = moment.direct_map_changed, SpanSet(page.frames for page in _ram_shown(moment))
    if not changed and not mapped:
        return None
    return changed <= mapped | moment.kept


def memory_off(moment: Moment) -> bool | None:
    """While a device's memory is off, or it sleeps, it is not mapped through the driver that did so."""
    ranges = moment.switched_off
    return not any(_shows(moment, pfns, ("vfio",)) for pfns in ranges) if ranges else None


def removed_unmapped(moment: Moment) -> bool | None:
    """A removed device is no longer mapped through its files."""
    bars = moment.removed
    return not any(_shows(moment, pfns, PCI_FILES) for pfns in bars) if bars else None


def claimed_unmapped(moment: Moment) -> bool | None:
    """A range claimed by a driver is not mapped through /dev/mem or the PCI files."""
    claims = moment.claims
    return not any(_shows(moment, pfns, REVOKED) for pfns in claims) if claims else None


def _shows(moment: Moment, pfns: PfnRange, kinds: Sequence[str]) -> bool:
    """True if a mapping of a file of one of these *kinds* shows one of these frames."""
    return any(
        pfns.overlaps(one.frames)
        for mapping in moment.mappings
        if mapping.kind in kinds
        for one in mapping.frame_modes
    )


def claimed_free(moment: Moment) -> bool | None:
    """Reservations of earlier users do not decide the cache mode of a range claimed by a driver."""
    claims = moment.claims
    if not claims:
        return None
    drivers = [mapping.frames for mapping in moment.mappings if mapping.kind not in REVOKED]
    reserved = [pfns for pfns in moment.reservations if any(pfns.overlaps(claimed) for claimed in claims)]
    return all(any(pfns.overlaps(frames) for frames in drivers) for pfns in reserved)


def fork_whole(moment: StateView) -> bool | None:
    """A failed fork leaves tasks, mappings and reservations unchanged."""
    return FORK_LEFT not in moment.facts


def fork_works(moment: Moment) -> bool | None:
    """A fork without an injected failure succeeds."""
    return FORK_FAILED not in moment.facts


def fork_keeps_parent(moment: Moment) -> bool | None:
    """A fork changes no entry of a shared mapping of the parent."""
    return FORK_CHANGED not in moment.facts


def freed_unmapped(moment: Moment) -> bool | None:
    """A driver whose mmap fails frees no memory that is still mapped."""
    return FREED_MAPPED not in moment.facts


def right_file(moment: Moment) -> bool | None:
    """A failed stacked mmap releases the file it holds by then, not the one that was opened."""
    return HOLDS_FILE not in moment.facts


def copied_flushed(moment: Moment) -> bool | None:
    """No processor caches a translation of a page when its copy is installed."""
    return COPIED_UNFLUSHED not in moment.facts if COPIED in moment.facts else None


def committed_left(moment: Moment) -> bool | None:
    """The number of committed pages is what VMAs account for."""
    return COMMITTED not in moment.facts


def counters(moment: Moment) -> bool | None:
    """The counters of pages and tracked ranges equal the number of their users."""
    counts = list(moment.user_counts)
    return all(count == users for count, users in counts) if counts else None


def walks_tables(moment: Moment) -> bool | None:
    """No walker takes a leaf for a page table."""
    return WALKED_LEAF not in moment.facts


def vmas_alive(moment: Moment) -> bool | None:
    """No VMA is used after it was freed."""
    return USED_VMA not in moment.facts


def tables_alive(moment: StateView) -> bool | None:
    """No page table stays if nothing is mapped there, and none is freed while a processor may walk it."""
    if FREED_TABLE in moment.facts:
        return False
    return all(
        SpanSet(tables) <= SpanSet((vma.start - vma.start % pages, vma.end + -vma.end % pages) for vma in mm)
        for mm in moment.mms
        for tables, pages in zip(mm.tables.state()[1], TABLE_PAGES.values(), strict=True)
    )


def revoked_whole(moment: Moment) -> bool | None:
    """No entry installed before a revocation returned survives it."""
    return LEFT_BEHIND not in moment.facts if LOOKED_BEHIND in moment.facts else None


def split(moment: StateView) -> bool | None:
    """A mapping is cut in two."""
    pairs = (pair for mm in moment.mms for pair in pairwise(mm.vmas))
    return any(left.end == right.start for left, right in pairs)


def shared(moment: StateView) -> bool | None:
    """Two tasks map the same frame of a device."""
    if len(moment.mms) < 2:
        return False
    pieces = sorted(
        (*one.frames, id(mapping.vma.mm)) for mapping in moment.mappings for one in mapping.frame_modes
    )
    reached: dict[int, int] = {}
    for start, end, mm in pieces:
        if any(start < reach for other, reach in reached.items() if other != mm):
            return True
        reached[mm] = max(end, reached.get(mm, 0))
    return False


def copied(moment: StateView) -> bool | None:
    """A page of a device has been copied on write."""
    return any(mapping.copies for mapping in moment.mappings)
