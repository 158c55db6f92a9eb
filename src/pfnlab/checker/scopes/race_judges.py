"""Judges of races: of their turns, and of facts that only turns bring about."""

from pfnlab.checker.scopes.moment import LEFT_BEHIND, LOOKED_BEHIND, USED_VMA, StateView
from pfnlab.checker.scopes.question import RaceView, of_models, of_races
from pfnlab.kernel.bugs.loss import Loss
from pfnlab.kernel.hw.pgtable import TABLE_PAGES
from pfnlab.kernel.hw.spans import SpanSet
from pfnlab.kernel.mm.gather import FREED_TABLE
from pfnlab.kernel.mm.more.readers import WALKED_LEAF


@of_races(
    happens="a processor accesses a frame after its owner was told it is free",
    noticed="the frame's next user: another process still reads or writes it",
    loss=Loss.MEMORY,
    needs=("unmap_mapping_range or memory_disable",),
    seam="flush",
)
def told_free(race: RaceView) -> bool | None:
    """No processor reaches a frame whose owner was told that it is free."""
    return False if race.told_free else True if race.free else None


@of_races(
    happens="two operations wait for each other forever, or one returns with a lock held",
    noticed="the tasks involved, which hang",
    loss=Loss.STOP,
    seam="flush",
)
def no_deadlock(race: RaceView) -> bool | None:
    """Operations never wait for each other."""
    return not race.stuck


@of_races(kind="sometimes", needs=("unmap_mapping_range or memory_disable",))
def told_beside(race: RaceView) -> bool | None:
    """An owner is told while another operation is under way."""
    return race.overlapping


@of_models(
    happens="an entry installed before a revocation returned is still there after it",
    noticed="the frame's next user: a process still reads or writes it, and no later access faults",
    loss=Loss.MEMORY,
    needs=("unmap_mapping_range or memory_disable",),
)
def revoked_whole(moment: StateView) -> bool | None:
    """No entry installed before a revocation returned survives it."""
    return LEFT_BEHIND not in moment.facts if LOOKED_BEHIND in moment.facts else None


@of_models(
    happens="a walker treats a leaf as a page table",
    noticed="the kernel: an oops in walk_pgd_range()",
    loss=Loss.STOP,
    needs=("walk or mincore",),
)
def walks_tables(moment: StateView) -> bool | None:
    """No walker takes a leaf for a page table."""
    return WALKED_LEAF not in moment.facts


@of_models(
    happens="a VMA is used after it was freed",
    noticed="the kernel: KASAN reports, or corruption of the slab object that replaced it",
    loss=Loss.MEMORY,
    seam="tracker",
)
def vmas_alive(moment: StateView) -> bool | None:
    """No VMA is used after it was freed."""
    return USED_VMA not in moment.facts


@of_models(
    happens="an empty page table is leaked, or a page table is freed while a processor may still walk it",
    noticed="the kernel: nonzero pgtables_bytes at exit, or translations made from the page's new contents",
    loss=Loss.MEMORY,
    seam="flush",
)
def tables_alive(moment: StateView) -> bool | None:
    """No page table stays if nothing is mapped there, or is freed while a processor may walk it."""
    if FREED_TABLE in moment.facts:
        return False
    return all(
        SpanSet(tables) <= SpanSet((vma.start - vma.start % pages, vma.end + -vma.end % pages) for vma in mm)
        for mm in moment.mms
        for tables, pages in zip(mm.tables.state()[1], TABLE_PAGES.values(), strict=True)
    )
