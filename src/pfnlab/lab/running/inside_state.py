"""The state the lens sees, as a value: in the words in which a kernel's state and a model's are compared."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pfnlab.kernel.mm.flags import perms_text
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import (
    PHYSICAL,
    BookEntry,
    DeviceSpan,
    MemorySeen,
    NotifierSeen,
    PteSeen,
    VmaSeen,
)
from pfnlab.programs.runs.texts import VM_PAT, TrackedRange, vma_name


class VmaState(msgspec.Struct, frozen=True):
    """One VMA in the program's areas.

    :param span: pages of the area
    :param flags: the codes of smaps' VmFlags
    :param bits: ``vm_flags`` as it stands in this kernel; two kernels may number a flag differently
    :param mode: the cache mode ``vm_page_prot`` asks for
    :param file: ``wc``, ``uc``, ``mem``, ``proc`` or ``anon``
    :param offset: the device pages ``vm_pgoff`` stands for; None for anonymous memory
    :param pat: VM_PAT is set: this VMA stands for a reservation (kernels without track contexts)
    :param rss: kB of its pages that are ordinary memory; ``anonymous`` and ``locked`` as smaps counts them
    :param pfns: with VM_PAT, the device pages it covers, in a kernel whose VMAs keep their first frame
    """

    span: Span
    flags: str
    bits: int
    mode: str
    file: str
    offset: DeviceSpan | None
    pat: bool = False
    rss: int = 0
    anonymous: int = 0
    locked: int = 0
    pfns: Span | None = None


class ContextState(msgspec.Struct, frozen=True):
    """One reservation several VMAs may share: a ``pfnmap_track_ctx``, or what is left of one.

    :param span: the device pages it keeps reserved
    :param references: its reference count, None where frames are counted and not VMAs
    :param users: task and area pages of every VMA seen to use it
    """

    span: Span
    references: int | None
    users: tuple[tuple[str, Span], ...]


class TaskState(msgspec.Struct, frozen=True):
    """One task's address space, as far as it lies in the program's areas.

    :param ptes: page-table entries as runs, missing tables included
    :param tlb_gen: ``mm->context.tlb_gen``: grows by one with every flush; its absolute value says nothing
    :param notifier: what the guest driver's notifier was told; None where there is none
    :param mm: the address of its mm_struct, which exec replaces
    """

    task: str
    vmas: tuple[VmaState, ...]
    ptes: tuple[PteSeen, ...]
    tlb_gen: int = 0
    notifier: NotifierSeen | None = None
    mm: int = 0


class LensState(msgspec.Struct, frozen=True):
    """The whole state.

    :param tasks: in the order they were asked for; tasks that are gone are left out
    :param contexts: in order of first use
    :param book: the memtype tree, entries that overlap a device of the program, in list order
    :param direct_map: the RAM of devices that is not write-back in the direct map, as ``low[0:4] UC-``
    """

    tasks: tuple[TaskState, ...]
    contexts: tuple[ContextState, ...]
    book: tuple[BookEntry, ...]
    direct_map: tuple[str, ...] = ()
    memory: MemorySeen = MemorySeen()


def vma_seen(state: LensState) -> tuple[VmaSeen, ...]:
    """The VMAs in the words of the outside channel."""
    return tuple(
        VmaSeen(
            *(task.task, *vma.span.parts, perms_text(vma.bits), vma.file, vma.offset, vma.flags),
            *(vma.rss, vma.anonymous, vma.locked),
        )
        for task in state.tasks
        for vma in task.vmas
    )


_PASSED_BY = frozenset({"pf", "io"})


def vma_counted(state: LensState, outside: Sequence[VmaSeen]) -> tuple[VmaSeen, ...]:
    """The VMAs in the words of the outside channel, to be compared with *outside*.

    Kernels up to 6.1 pass PFN mappings by in smaps (S7.5.1), and the walker early_refusal those with VM_IO as
    well: where smaps counted nothing at all of one, its copied pages are not counted here either.
    """
    passed_by = {
        (vma.task, vma.span)
        for vma in outside
        if _PASSED_BY.intersection(vma.flags.split()) and not (vma.rss or vma.anonymous or vma.locked)
    }
    return tuple(
        msgspec.structs.replace(vma, rss=0, anonymous=0, locked=0)
        if (vma.task, vma.span) in passed_by
        else vma
        for vma in vma_seen(state)
    )


def ptes_seen(state: LensState) -> tuple[PteSeen, ...]:
    """The page-table entries in the words of the outside channel."""
    return tuple(entry for task in state.tasks for entry in task.ptes)


def tracked_seen(state: LensState) -> tuple[str, ...]:
    """The state of the tracker, in the form of ``Step.tracked``."""
    shared = tuple(
        str(TrackedRange(_place(ctx.span), ctx.references, tuple(ctx.users))) for ctx in state.contexts
    )
    flagged = ((task.task, vma) for task in state.tasks for vma in task.vmas if vma.pat)
    return shared + tuple(
        str(TrackedRange(VM_PAT if vma.pfns is None else _place(vma.pfns), None, ((task, vma.span),)))
        for task, vma in flagged
    )


def _place(span: Span) -> Span | str:
    # RAM that a driver maps lies elsewhere on every machine.
    return PHYSICAL if span.name == PHYSICAL else span


def prots_seen(state: LensState) -> tuple[str, ...]:
    """The cache mode of every VMA's protection, in the form of ``Step.prots``."""
    return tuple(
        f"{vma_name(task.task, vma.span)} {vma.mode.upper()}" for task in state.tasks for vma in task.vmas
    )
