"""Judges of entries: each compared with its reservation, its VMA, cached translations or walkers' results."""

from pfnlab.checker.scopes.moment import Moment, StateView
from pfnlab.kernel.mm.more.readers import normal_runs


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


def walks_pages(moment: StateView) -> bool | None:
    """No walker takes a device's frame for a page."""
    if not moment.mappings:
        return None
    for mapping in moment.mappings:
        entries = [run for run in mapping.entries if run.page is None]
        if entries and any(normal_runs(mapping.vma, walker, entries) for walker in moment.walkers):
            return False
    return True


def walks_all(moment: StateView) -> bool | None:
    """Every walker finds the pages that were copied on write."""
    with_copies = [mapping for mapping in moment.mappings if mapping.copies]
    if not with_copies:
        return None
    return all(
        len(normal_runs(mapping.vma, walker, mapping.copies)) == len(mapping.copies)
        for mapping in with_copies
        for walker in moment.walkers
    )


def no_stale(moment: StateView) -> bool | None:
    """No processor caches a translation that the page tables no longer have."""
    tasks = [task for task in moment.kernel.tasks.values() if task.tlb.state()]
    return not any(task.tlb.stale(task.mm.tables) for task in tasks) if tasks else None
