"""Judges of reservations, cache modes, translations and revocations."""

from collections.abc import Sequence

from pfnlab.base.units import PfnRange
from pfnlab.checker.scopes.modes import one_mode_kept
from pfnlab.checker.scopes.moment import FREED_WRONGLY, PCI_FILES, FrameMode, Moment, StateView
from pfnlab.checker.scopes.question import of_kernels, of_models
from pfnlab.kernel.bugs.loss import Loss
from pfnlab.kernel.hw.spans import SpanSet
from pfnlab.kernel.mm.copy_on_write import COPIED, COPIED_UNFLUSHED

#: The files that a claim revokes, by :attr:`~pfnlab.kernel.mm.vma.MappedFile.kind`.
REVOKED = (*PCI_FILES, "mem")


@of_kernels(
    happens="a range is still reserved but no longer mapped",
    noticed="the next user to map the range in another mode, who gets the old mode or EBUSY until the "
    "machine reboots",
    loss=Loss.LASTING,
    seam="tracker",
)
def no_leak(moment: Moment) -> bool | None:
    """A reservation ends with the last mapping of its range."""
    if not moment.reservations:
        return None
    mapped = [mapping.frames for mapping in moment.mappings]
    return all(any(pfns.overlaps(frames) for frames in mapped) for pfns in moment.reservations)


@of_kernels(
    happens="mapped frames are not reserved",
    noticed="the device: a second mapping may use a different cache mode, so stores are lost or reordered",
    loss=Loss.LASTING,
    seam="tracker",
    of_each_mapping=lambda moment: moment.reservations,
)
def no_loss(moment: Moment) -> bool | None:
    """Every device page that a mapping shows is reserved."""
    frames = [
        one.frames for mapping in moment.mappings if mapping.booked_whole for one in mapping.frame_modes
    ]
    if not frames:
        return None
    return all(moment.reserved.covers(*pfns) for pfns in frames)


@of_kernels(
    happens="the kernel tries to free a range that is not in the book",
    noticed="the log: x86/PAT: freeing invalid memtype",
    about="step",
    seam="tracker",
)
def freed_once(moment: Moment) -> bool | None:
    """The book is never asked to free an entry that it does not have."""
    return FREED_WRONGLY not in moment.facts


@of_models(
    happens="the reserved frames are not exactly those that are mapped or can be faulted back in",
    noticed="the next user to map one of the differing frames in another mode",
    seam="tracker",
)
def exact(moment: StateView) -> bool | None:
    """Exactly the pages that are mapped, or may be mapped again by a fault, are reserved."""
    mapped = [pfns for vma in moment.mappings if vma.booked_whole for pfns in vma.covered]
    if not moment.reserved and not mapped:
        return None
    # No kernel reserves pages that are inserted one by one, but a tracker may.
    inserted = [pfns for vma in moment.mappings if not vma.booked_whole for pfns in vma.covered]
    return SpanSet(mapped) <= moment.reserved <= SpanSet(mapped + inserted)


@of_kernels(
    happens="a frame is mapped, or cached in a TLB, in two cache modes at once",
    noticed="the device: stores arrive late, twice or not at all",
    loss=Loss.LASTING,
    seam="tracker",
)
def one_mode(moment: Moment) -> bool | None:
    """All mappings of a frame, and all that processors remember of it, have one cache mode."""
    reached = [*(one for mapping in moment.mappings for one in mapping.frame_modes), *moment.remembered]
    return one_mode_kept(reached, [*moment.asked, *moment.remembered])


@of_kernels(
    happens="an entry's cache mode differs from the one its frame is reserved with",
    noticed="the next user, who maps the frame in the book's mode: aliases, and lost or reordered stores",
    loss=Loss.LASTING,
    seam="tracker",
    of_each_mapping=lambda moment: moment.booked,
)
def booked_mode(moment: Moment) -> bool | None:
    """Every entry, including leaves, has the cache mode in which its frames are reserved."""
    booked = moment.booked
    if not booked:
        return None
    modes = [
        (frame_mode.mode, reserved.mode)
        for mapping in moment.mappings
        for frame_mode in mapping.frame_modes
        for reserved in booked
        if reserved.frames.overlaps(frame_mode.frames)
    ]
    return all(mode == reserved for mode, reserved in modes) if modes else None


@of_models(
    happens="entries map frames other than those at the mapping's offset",
    noticed="the process: it accesses another part of the device, or another device",
    loss=Loss.MEMORY,
)
def right_frames(moment: StateView) -> bool | None:
    """Entries show the frames that the offset of their mapping names."""
    named = [mapping for mapping in moment.mappings if mapping.runs and mapping.names_frames]
    if not named:
        return None
    return all(
        run.pfn - run.start == mapping.frames.start - mapping.vma.start
        for mapping in named
        for run in mapping.runs
    )


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


@of_kernels(
    happens="RAM is mapped in a cache mode that differs from the kernel's own mapping",
    noticed="the driver and the kernel, which see different contents",
    loss=Loss.LASTING,
    needs=("low memory",),
    seam="tracker",
    of_each_mapping=lambda moment: moment.direct_map_modes,
)
def direct_map(moment: Moment) -> bool | None:
    """Mapped RAM has its cache mode in the direct map, the kernel's own mapping of RAM."""
    pages = _ram_shown(moment)
    return all(moment.direct_map(page.frames.start) == page.mode for page in pages) if pages else None


@of_kernels(
    happens="RAM is no longer mapped, but the kernel's own mapping of it is still not write-back",
    noticed="every later user of the page",
    loss=Loss.LASTING,
    needs=("low memory",),
    seam="tracker",
)
def direct_map_back(moment: Moment) -> bool | None:
    """RAM that is no longer mapped is write-back again in the direct map."""
    changed, mapped = (
        SpanSet(one.frames for one in frames) for frames in (moment.direct_map_modes, _ram_shown(moment))
    )
    if not changed and not mapped:
        return None
    return changed <= mapped | moment.kept


@of_models(
    happens="a TLB still holds a translation that is no longer in the page tables",
    noticed="any thread that keeps reading through it",
    needs=("write or read",),
    seam="flush",
)
def no_stale(moment: StateView) -> bool | None:
    """No processor caches a translation that the page tables no longer have."""
    tasks = [task for task in moment.kernel.tasks.values() if task.tlb.state()]
    return not any(task.tlb.stale(task.mm.tables) for task in tasks) if tasks else None


@of_models(
    happens="a page is copied on write while a TLB still holds the old page",
    noticed="another thread, which keeps reading the old page and misses writes to the new one",
    about="step",
    needs=("write", "private"),
)
def copied_flushed(moment: StateView) -> bool | None:
    """No processor caches a translation of a page when its copy is installed."""
    return COPIED_UNFLUSHED not in moment.facts if COPIED in moment.facts else None


@of_kernels(
    happens="a device is still mapped while its memory is disabled",
    noticed="the guest or process that reads it, with a bus error",
    needs=("memory_disable or d3",),
    of_each_mapping=lambda moment: moment.switched_off,
)
def memory_off(moment: Moment) -> bool | None:
    """While a device's memory is off, or it sleeps, it is not mapped through the driver that did so."""
    ranges = moment.switched_off
    return not any(_shows(moment, pfns, ("vfio",)) for pfns in ranges) if ranges else None


@of_kernels(
    happens="a removed device is still mapped",
    noticed="the process that touches it, and the next device at that address",
    needs=("remove",),
    of_each_mapping=lambda moment: moment.removed,
)
def removed_unmapped(moment: Moment) -> bool | None:
    """A removed device is no longer mapped through its files."""
    bars = moment.removed
    return not any(_shows(moment, pfns, PCI_FILES) for pfns in bars) if bars else None


@of_kernels(
    happens="a range claimed by a driver is still mapped by others",
    noticed="the driver, whose device others can access",
    loss=Loss.MEMORY,
    needs=("request_mem_region or bind or vfio",),
    of_each_mapping=lambda moment: moment.claims,
)
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


@of_kernels(
    happens="an earlier user's reservation decides the cache mode of a claimed range",
    noticed="the driver, whose mapping does not get the mode it asked for",
    loss=Loss.LASTING,
    needs=("request_mem_region or bind or vfio",),
    seam="tracker",
)
def claimed_free(moment: Moment) -> bool | None:
    """Reservations of earlier users do not decide the cache mode of a range claimed by a driver."""
    claims = moment.claims
    if not claims:
        return None
    drivers = [mapping.frames for mapping in moment.mappings if mapping.kind not in REVOKED]
    reserved = [pfns for pfns in moment.reservations if any(pfns.overlaps(claimed) for claimed in claims)]
    return all(any(pfns.overlaps(frames) for frames in drivers) for pfns in reserved)
