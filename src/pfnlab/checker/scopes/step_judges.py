"""Judges of forks, failed calls, walkers and counters, and of what a search has reached."""

from itertools import pairwise

from pfnlab.checker.scopes.moment import (
    COMMITTED,
    FORK_CHANGED,
    FORK_FAILED,
    FORK_LEFT,
    FREED_MAPPED,
    HOLDS_FILE,
    WARNED,
    Moment,
    StateView,
)
from pfnlab.checker.scopes.question import Outcomes, of_kernels, of_models
from pfnlab.kernel.bugs.loss import Loss
from pfnlab.kernel.mm.more.readers import normal_runs
from pfnlab.programs.runs import memory_faults


def fork_refused(outcomes: Outcomes) -> bool:
    """True if a fork failed.

    A fork that leaves everything unchanged does not lead to a distinct state.
    """
    return any(kind.startswith("fork") and result != "ok" for kind, result in outcomes)


def fork_tried(outcomes: Outcomes) -> bool:
    """True if a fork was tried without an injected failure."""
    return any(kind == "fork" for kind, _ in outcomes)


def fork_done(outcomes: Outcomes) -> bool:
    """True if a fork succeeded."""
    return any(kind.startswith("fork") and result == "ok" for kind, result in outcomes)


def mmap_refused(outcomes: Outcomes) -> bool:
    """True if an mmap failed."""
    return any(kind.startswith("mmap") and result != "ok" for kind, result in outcomes)


@of_models(
    happens="a failed fork leaves tasks, mappings or reservations changed",
    noticed="the parent, and the next user to map the range",
    about="operation",
    needs=("fork that fails",),
    occasion=fork_refused,
    seam="tracker",
)
def fork_whole(moment: StateView) -> bool | None:
    """A failed fork leaves tasks, mappings and reservations unchanged."""
    return FORK_LEFT not in moment.facts


@of_models(
    happens="a fork fails without an injected failure",
    noticed="the process, which cannot start a child (ENOMEM or EINVAL)",
    about="operation",
    needs=("fork",),
    occasion=fork_tried,
    seam="tracker",
)
def fork_works(moment: StateView) -> bool | None:
    """A fork without an injected failure succeeds."""
    return FORK_FAILED not in moment.facts


@of_models(
    happens="a fork changes entries in one of the parent's shared mappings",
    noticed="the parent, whose next write faults and may be refused by the driver",
    about="operation",
    needs=("fork",),
    occasion=fork_done,
)
def fork_keeps_parent(moment: StateView) -> bool | None:
    """A fork changes no entry of a shared mapping of the parent."""
    return FORK_CHANGED not in moment.facts


@of_kernels(
    happens="a driver frees memory when its mmap fails, but the memory is still mapped",
    noticed="the page's next user: another thread in the process still reads and writes it",
    loss=Loss.MEMORY,
    about="step",
    needs=("buffer",),
    occasion=mmap_refused,
)
def freed_unmapped(moment: Moment) -> bool | None:
    """A driver whose mmap fails frees no memory that is still mapped."""
    return FREED_MAPPED not in moment.facts


@of_kernels(
    happens="a failed stacked mmap drops the file that was opened, which the VMA no longer refers to",
    noticed="the process: a file it still has open is freed, and the driver's other file is leaked",
    about="step",
    needs=("stack",),
    occasion=mmap_refused,
)
def right_file(moment: Moment) -> bool | None:
    """A failed stacked mmap releases the file it holds by then, not the one that was opened."""
    return HOLDS_FILE not in moment.facts


@of_models(says=memory_faults.committed_left, about="operation", needs=("private",))
def committed_left(moment: StateView) -> bool | None:
    """True unless the last operation left the total different."""
    return COMMITTED not in moment.facts


@of_models(
    happens="a walker treats a device's frame as a page",
    noticed="the kernel: corrupted counters, or an oops in the walker",
    loss=Loss.STOP,
    seam="walker",
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


@of_models(
    happens="a walker skips a copied page",
    noticed="move_pages, numa_maps or smaps, which report too little",
    needs=("write", "private"),
    seam="walker",
)
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


@of_kernels(
    happens="the kernel prints a WARNING",
    noticed="the log, and any machine set to panic on warnings",
    loss=Loss.STOP,
    about="step",
    seam="tracker",
)
def no_warning(moment: Moment) -> bool | None:
    """The kernel never prints a WARNING."""
    return WARNED not in moment.facts


@of_kernels(says=memory_faults.counters, seam="tracker")
def counters(moment: Moment) -> bool | None:
    """True if every count is right; None if nothing is counted."""
    counts = list(moment.user_counts)
    return all(count == users for count, users in counts) if counts else None


@of_models(kind="sometimes", needs=("mprotect",))
def split(moment: StateView) -> bool | None:
    """A mapping is cut in two."""
    pairs = (pair for mm in moment.mms for pair in pairwise(mm.vmas))
    return any(left.end == right.start for left, right in pairs)


@of_models(kind="sometimes", needs=("fork",))
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


@of_models(kind="sometimes", needs=("write", "private"))
def copied(moment: StateView) -> bool | None:
    """A page of a device has been copied on write."""
    return any(mapping.copies for mapping in moment.mappings)
