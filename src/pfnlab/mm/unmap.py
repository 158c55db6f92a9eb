"""Taking mappings away: munmap, the end of a process, and what both share (S8.2).

The steps of an operation are separated by the points at which something else could happen; an
operation is a generator that yields their names. Running a program drains it, a checker may stop it
anywhere.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Generator
from typing import TypeVar

from pfnlab.errors import ModelledErrno
from pfnlab.hw.pgtable import Run
from pfnlab.mm.flags import VM_SEALED
from pfnlab.mm.gather import MmuGather
from pfnlab.mm.space import MmStruct
from pfnlab.mm.vma import Vma

T = TypeVar("T")

#: An operation in progress: yields the name of each point it has reached, returns its result.
Steps = Generator[str, None, T]


def drain(steps: Steps[T]) -> T:
    """Run an operation to its end, uninterrupted."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


def zap_page_range(
    mm: MmStruct, start: int, end: int, *, keep: Callable[[Run], bool] | None = None
) -> list[Run]:
    """Clear the entries of ``[start, end)``; ordinary pages lose one mapping each (S6.7.1).

    :param keep: entries that stay
    :return: what was cleared
    """
    gone = mm.tables.clear(start, end)
    if keep is not None:
        for run in gone:
            if keep(run):
                mm.tables.set(run)
        gone = [run for run in gone if not keep(run)]
    for run in gone:
        if run.page is not None:
            run.page.mapcount -= 1
    return gone


def zap_vma(
    tlb: MmuGather, vma: Vma, start: int, end: int, *, keep: Callable[[Run], bool] | None = None
) -> None:
    """Clear entries of one VMA inside a gather, between tlb_start_vma and tlb_end_vma."""
    flushes = vma.mm.kernel.flushes
    vma.mm.kernel.trace.event("clear", start)
    flushes.tlb_start_vma(tlb, vma)
    tlb.extend_all((run.start, run.end) for run in zap_page_range(vma.mm, start, end, keep=keep))
    flushes.tlb_end_vma(tlb, vma)


def gather_munmap(mm: MmStruct, start: int, end: int) -> list[Vma]:
    """The VMAs that lie in ``[start, end)`` once the ends are split, still mapped.

    :raises ModelledErrno: EPERM when any is sealed; a VMA in front of it may have been split by then.
        ENOMEM at the VMA limit
    """
    touched = mm.vmas_in(start, end)
    if touched and touched[0].start < start and not touched[0].flags & VM_SEALED:
        mm.split_vma(touched[0], start)
        touched = mm.vmas_in(start, end)
    if any(vma.flags & VM_SEALED for vma in touched):
        raise ModelledErrno(errno.EPERM)
    if touched and touched[-1].end > end:
        mm.split_vma(touched[-1], end)
    return mm.vmas_in(start, end)


def clear_vmas(mm: MmStruct, vmas: list[Vma], *, fullmm: bool = False) -> Steps[None]:
    """Clear entries, unlink, free page tables: the VMA objects and what they track stay (S8.2)."""
    if not vmas:
        return
    trace = mm.kernel.trace
    tlb = MmuGather(mm, fullmm=fullmm)
    for vma in vmas:
        mm.kernel.tracker.unmap_vmas(vma)
        zap_vma(tlb, vma, vma.start, vma.end)
        yield "zapped"
    trace.event("free_pgtables")
    mm.kernel.flushes.tlb_free_vmas(tlb)
    for vma in vmas:
        mm.unlink(vma)
        if vma.file is not None:
            mm.kernel.unlink_file(vma)
            trace.event("unlink", vma.start)
    yield "unlinked"
    tlb.extend_all(mm.tables.free_tables(*mm.gap_around(vmas[0].start, vmas[-1].end)))
    tlb.finish()


def free_vmas(mm: MmStruct, vmas: list[Vma]) -> None:
    """remove_vma for each: the tracker lets go of what it remembered (S4.5.4)."""
    for vma in vmas:
        mm.kernel.trace.event("free", vma.start)
        mm.kernel.tracker.vm_area_free(vma)


def do_munmap(mm: MmStruct, start: int, end: int) -> Steps[None]:
    """munmap(2) of pages ``[start, end)`` (S5.10.5); holes are no error.

    :raises ModelledErrno: EINVAL for an empty range, EPERM when sealed, ENOMEM at the VMA limit
    """
    if start >= end:
        raise ModelledErrno(errno.EINVAL)
    vmas = gather_munmap(mm, start, end)
    yield from clear_vmas(mm, vmas)
    free_vmas(mm, vmas)
    yield "freed"


def exit_mmap(mm: MmStruct) -> Steps[None]:
    """The address space ends: every VMA in address order, whatever is sealed (S8.2)."""
    vmas = list(mm)
    if not vmas and mm.visible:
        # The program's own mappings, which are not modelled, go all the same.
        MmuGather(mm, fullmm=True).finish()
    yield from clear_vmas(mm, vmas, fullmm=True)
    free_vmas(mm, vmas)
    yield "freed"
