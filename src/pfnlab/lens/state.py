"""The state the lens sees, as a value: the form in which a kernel's state and a model's are compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pfnlab.mm.flags import perms_text
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import (
    PHYSICAL,
    BookEntry,
    MemorySeen,
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
    :param context: the number of its ``pfnmap_track_ctx``, None without one
    :param rss: kB of its pages that are ordinary memory; ``anonymous`` and ``locked`` as smaps counts them
    :param pat: VM_PAT is set: this VMA stands for a reservation (kernels without track contexts)
    :param pfns: with VM_PAT, the device pages it covers, in a kernel whose VMAs keep their first frame
    """

    span: Span
    flags: str
    bits: int
    mode: str
    file: str
    offset: Span | None
    context: int | None = None
    pat: bool = False
    rss: int = 0
    anonymous: int = 0
    locked: int = 0
    pfns: Span | None = None


class ContextState(msgspec.Struct, frozen=True):
    """One reservation several VMAs may share: a ``pfnmap_track_ctx``, or what is left of one
    (:mod:`.snapshot`).

    :param number: counted from 0 in order of first use
    :param span: the device pages it keeps reserved
    :param references: its reference count, None where frames are counted and not VMAs
    :param users: task and area pages of every VMA seen to use it
    """

    number: int
    span: Span
    references: int | None
    users: tuple[tuple[str, Span], ...]


class TaskState(msgspec.Struct, frozen=True):
    """One task's address space, as far as it lies in the program's areas.

    :param vmas: in ascending order
    :param ptes: page-table entries as runs, missing tables included
    :param tlb_gen: ``mm->context.tlb_gen``: grows by one with every flush; its absolute value says nothing
    """

    task: str
    vmas: tuple[VmaState, ...]
    ptes: tuple[PteSeen, ...]
    tlb_gen: int = 0


class RamPage(msgspec.Struct, frozen=True):
    """The mode a page of RAM is reserved with, which the kernel keeps in its ``struct page``."""

    span: Span
    mode: str


class LensState(msgspec.Struct, frozen=True):
    """The whole state.

    :param tasks: in the order they were asked for; tasks that are gone are left out
    :param contexts: in order of their numbers
    :param book: the memtype tree, entries that overlap a device of the program, in list order
    :param ram: the RAM pages that were asked for
    :param direct_map: the RAM of devices that is not write-back in the direct map, as ``low[0:4] UC-``
    :param memory: what is judged and not compared
    """

    tasks: tuple[TaskState, ...]
    contexts: tuple[ContextState, ...]
    book: tuple[BookEntry, ...]
    ram: tuple[RamPage, ...] = ()
    direct_map: tuple[str, ...] = ()
    memory: MemorySeen = MemorySeen()


def vma_seen(state: LensState) -> tuple[VmaSeen, ...]:
    """The VMAs in the words of the outside channel."""
    return tuple(
        VmaSeen(
            *(task.task, vma.span, perms_text(vma.bits), vma.file, vma.offset, vma.flags),
            *(vma.rss, vma.anonymous, vma.locked),
        )
        for task in state.tasks
        for vma in task.vmas
    )


#: The flags of VMAs that some walker passes by, as smaps writes them: VM_PFNMAP and VM_IO.
_PASSED_BY = frozenset({"pf", "io"})


def vma_counted(state: LensState, outside: Sequence[VmaSeen]) -> tuple[VmaSeen, ...]:
    """
    The VMAs in the words of the outside channel, to be compared with *outside*.

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


def book_seen(state: LensState) -> tuple[BookEntry, ...]:
    """The book in the words of the outside channel."""
    return state.book


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


#: A state as a tree of words, for comparing.
_Tree = dict[str, "str | _Tree"]


def difference(kernel: LensState, model: LensState) -> str:
    """
    The parts in which kernel and model differ, with both values, as an indented tree; empty when equal.

    ``tlb_gen`` and raw flag bits are left out: their values depend on the kernel's history and version.
    """
    return "\n".join(_lines(_tree(kernel), _tree(model), ""))


def _lines(kernel: _Tree, model: _Tree, indent: str) -> Iterable[str]:
    for name in [*kernel, *(name for name in model if name not in kernel)]:
        kernel_part, model_part = kernel.get(name), model.get(name)
        if kernel_part == model_part:
            continue
        if isinstance(kernel_part, dict) and isinstance(model_part, dict):
            yield f"{indent}{name}"
            yield from _lines(kernel_part, model_part, indent + "  ")
        elif isinstance(kernel_part, dict) or isinstance(model_part, dict):
            side, part = ("kernel", kernel_part) if isinstance(kernel_part, dict) else ("model", model_part)
            yield f"{indent}{name}: only in the {side}"
            if isinstance(part, dict):
                yield from (f"{indent}  {line}" for line in _words(part))
        else:
            yield f"{indent}{name}: kernel {kernel_part or '-'}, model {model_part or '-'}"


def _words(tree: _Tree) -> Iterable[str]:
    for name, value in tree.items():
        yield f"{name}: {value}" if isinstance(value, str) else name


def _tree(state: LensState) -> _Tree:
    tree: _Tree = {}
    for task in state.tasks:
        tree[f"task {task.task}"] = {
            **{f"vma {vma.span}": _vma(vma) for vma in task.vmas},
            **{f"entries {run.span}": _entry(run) for run in task.ptes},
        }
    for context in state.contexts:
        users = ", ".join(f"{task} {span}" for task, span in context.users)
        tree[f"context {context.number}"] = {
            "range": str(context.span),
            "references": str(context.references),
            "users": users,
        }
    tree["book"] = {f"entry {number}": str(entry) for number, entry in enumerate(state.book)}
    tree["ram"] = {str(page.span): page.mode for page in state.ram}
    return tree


def _vma(vma: VmaState) -> _Tree:
    return {
        "flags": vma.flags,
        "mode": vma.mode,
        "file": vma.file,
        "offset": "" if vma.offset is None else str(vma.offset),
        "context": "none" if vma.context is None else str(vma.context),
        "VM_PAT": ("set" if vma.pfns is None else str(vma.pfns)) if vma.pat else "clear",
    }


def _entry(run: PteSeen) -> str:
    return run.entry if run.target is None else f"{run.entry} -> {run.target}"
