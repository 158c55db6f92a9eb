"""mbind(2): the memory policy of VMAs, which splits and merges them (S5.12)."""

import errno
from collections.abc import Sequence
from itertools import pairwise

from pfnlab.base.errors import ModelledErrno, no_rule
from pfnlab.kernel.mm.flags import VM_IO, VM_PFNMAP
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.vma import DEFAULT_POLICY, Vma


def do_mbind(mm: MmStruct, start: int, end: int, policy: str, *, move: bool) -> None:
    """Set the policy of pages ``[start, end)`` for node 0, the only one.

    :param policy: as programs write it: ``default``, ``preferred`` or ``bind``
    :param move: MPOL_MF_MOVE: move pages that are on other nodes
    :raises ModelledErrno: EFAULT at a hole (for ``default``, only if nothing at all is mapped); ENOMEM if a
        split fails, in which case the VMAs before it stay changed
    :raises Undecided: if pages would be moved to the node they are already on
    """
    if start == end:
        return
    if move:
        mm.kernel.lru_cache_disable()
    with mm.mmap_lock.write():
        vmas = mm.vmas_in(start, end)
        mm.start_write(*vmas)
        _queue_pages_range(vmas, start, end, policy, move)
        at = start
        while at < end and (vma := mm.find_vma(at)) is not None and vma.start < end:
            at, stop = max(at, vma.start), min(vma.end, end)
            if vma.mempolicy != policy:
                mm.modify(vma, at, stop, vma.flags, policy)
            at = stop


def _queue_pages_range(vmas: Sequence[Vma], start: int, end: int, policy: str, move: bool) -> None:
    """Look for holes and for pages to move; VMAs with VM_IO or VM_PFNMAP have none (vma_migratable)."""
    if not vmas:
        raise ModelledErrno(errno.EFAULT)
    if policy != DEFAULT_POLICY:
        ends = vmas[0].start > start or vmas[-1].end < end
        if ends or any(lower.end < upper.start for lower, upper in pairwise(vmas)):
            raise ModelledErrno(errno.EFAULT)
    elif move and any(_has_pages(vma, start, end) for vma in vmas):
        raise no_rule("pages that move to the node they are on")


def _has_pages(vma: Vma, start: int, end: int) -> bool:
    if vma.flags & (VM_IO | VM_PFNMAP):
        return False
    runs = vma.mm.tables.runs(max(vma.start, start), min(vma.end, end))
    return any(run.page is not None for run in runs)
