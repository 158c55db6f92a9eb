"""mremap(2) in all its forms (S5.8).

Up to 6.16, a fixed destination is unmapped before the source is checked. Since 6.17 everything is checked
first, and a same-size move may move several VMAs.
"""

import errno
from contextlib import nullcontext
from dataclasses import dataclass, replace

from pfnlab.base.errors import ModelledErrno
from pfnlab.kernel.hw.pgtable import TABLE_PAGES
from pfnlab.kernel.mm.failures import vm_area_dup
from pfnlab.kernel.mm.flags import (
    VM_ACCOUNT,
    VM_DONTEXPAND,
    VM_LOCKED,
    VM_MAYSHARE,
    VM_PFNMAP,
    VM_SEALED,
    VM_SHARED,
)
from pfnlab.kernel.mm.locks import RwLock
from pfnlab.kernel.mm.move_tables import move_page_tables
from pfnlab.kernel.mm.populate import mm_populate
from pfnlab.kernel.mm.rlimit import may_expand_vm
from pfnlab.kernel.mm.space import MAX_MAP_COUNT, TASK_PAGES, MmStruct
from pfnlab.kernel.mm.unmap import unmap_range
from pfnlab.kernel.mm.vma import Vma

_PTE_TABLE = TABLE_PAGES[1]


@dataclass(frozen=True)
class Remap:
    """One call: the ``old`` pages at ``start`` become ``new`` pages, possibly at ``to``.

    :ivar shrunk: how many pages after them have been unmapped so far
    """

    start: int
    old: int
    new: int
    maymove: bool = False
    fixed: bool = False
    dontunmap: bool = False
    to: int = 0
    shrunk: int = 0

    @property
    def elsewhere(self) -> bool:
        """True if the caller requests a different address."""
        return self.fixed or self.dontunmap


def do_mremap(mm: MmStruct, call: Remap) -> int:
    """Resize or move a mapping; return its new first virtual page.

    :raises ModelledErrno: the system call's error
    """
    if (call.elsewhere and not call.maymove) or (call.dontunmap and call.old != call.new):
        raise ModelledErrno(errno.EINVAL)
    if call.new <= 0:
        raise ModelledErrno(errno.EINVAL)
    checks_first = mm.kernel.profile.mremap_checks_first
    if checks_first and call.elsewhere:
        _check_place(call)
    with mm.mmap_lock.write() as lock:
        to = (_mremap_checked_first if checks_first else _mremap_unmap_first)(mm, call, lock)
        grown = mm.vma_lookup(to + call.old) if call.new > call.old else None
        fills = grown is not None and grown.flags & VM_LOCKED
    if fills:
        mm_populate(mm, to + call.old, to + call.new)
    return to


def _mremap_unmap_first(mm: MmStruct, call: Remap, lock: RwLock) -> int:
    """The order of steps used up to 6.16."""
    vma = mm.vma_lookup(call.start)
    if vma is None:
        raise ModelledErrno(errno.EFAULT)
    if vma.flags & VM_SEALED:
        raise ModelledErrno(errno.EPERM)
    if call.elsewhere:
        _check_place(call)
        _check_count(mm)
        call = _clear_the_way(mm, call)
        vma = _vma_to_resize(mm, mm.vma_lookup(call.start), call)
        _check_copy(vma, call)
        return _move_vma(vma, call, _place(vma, call))
    return _resize(mm, vma, call, lock)


def _mremap_checked_first(mm: MmStruct, call: Remap, lock: RwLock) -> int:
    """The order of steps used since 6.17."""
    if call.elsewhere:
        _check_count(mm)
        if mm.kernel.profile.mremap_many_vmas and call.fixed and call.old == call.new:
            return _move_many(mm, call)
    vma = mm.vma_lookup(call.start)
    if vma is None:
        raise ModelledErrno(errno.EFAULT)
    if vma.flags & VM_SEALED:
        raise ModelledErrno(errno.EPERM)
    if not call.elsewhere:
        return _resize(mm, vma, call, lock)
    # The part that a shrink cuts off may extend beyond the VMA; the part that remains may not.
    _vma_to_resize(mm, vma, replace(call, old=min(call.old, call.new)))
    call = _clear_the_way(mm, call)
    vma = _source(mm, call)
    _check_copy(vma, call)
    return _move_vma(vma, call, _place(vma, call))


def _move_many(mm: MmStruct, call: Remap) -> int:
    """Same-size move (S5.8, since 6.17): move each VMA's part separately, preserving holes."""
    end = call.start + call.old
    first = mm.vma_lookup(call.start)
    if first is None:
        raise ModelledErrno(errno.EFAULT)
    at = call.start
    while at < end and (vma := mm.find_vma(at)) is not None and vma.start < end:
        start, stop = max(vma.start, at), min(vma.end, end)
        whole = start == call.start and stop == end
        if vma.file is not None and vma.file.own_placement and not whole:
            raise ModelledErrno(errno.EFAULT)
        if vma.flags & VM_SEALED:
            raise ModelledErrno(errno.EPERM)
        part = replace(call, start=start, old=stop - start, new=stop - start, to=call.to + start - call.start)
        _vma_to_resize(mm, vma, part)
        part = _clear_the_way(mm, part)
        vma = _source(mm, part)
        _check_copy(vma, part)
        _move_vma(vma, part, _place(vma, part))
        at = stop
    return call.to


def _check_place(call: Remap) -> None:
    """Check the destination address; since 6.17 this precedes taking mmap_lock."""
    if call.to + call.new > TASK_PAGES:
        raise ModelledErrno(errno.EINVAL)
    if call.fixed and call.start + call.old > call.to and call.to + call.new > call.start:
        raise ModelledErrno(errno.EINVAL)


def _check_count(mm: MmStruct) -> None:
    """Check the number of VMAs before changing anything."""
    if mm.map_count + 2 >= MAX_MAP_COUNT - 3:
        raise ModelledErrno(errno.ENOMEM)


def _clear_the_way(mm: MmStruct, call: Remap) -> Remap:
    """Unmap a fixed destination, and the tail of the source if it also shrinks."""
    if call.fixed:
        unmap_range(mm, call.to, call.to + call.new)
    if call.old > call.new:
        unmap_range(mm, call.start + call.new, call.start + call.old)
        return replace(call, old=call.new, shrunk=call.old - call.new)
    return call


def _place(vma: Vma, call: Remap) -> int:
    """get_unmapped_area: the given destination, or else a free address."""
    if vma.file is not None and vma.file.placement_errno:
        raise ModelledErrno(vma.file.placement_errno)
    return call.to if call.fixed else vma.mm.kernel.unmapped_area(vma.mm, call.new)


def _source(mm: MmStruct, call: Remap) -> Vma:
    """The source VMA after the destination was unmapped; EFAULT if its first page was unmapped with it."""
    vma = mm.vma_lookup(call.start)
    if vma is None:
        raise ModelledErrno(errno.EFAULT)
    return vma


def _vma_to_resize(mm: MmStruct, vma: Vma | None, call: Remap) -> Vma:
    """Check the source VMA, in the same order as the kernel (S5.8)."""
    if vma is None:
        raise ModelledErrno(errno.EFAULT)
    if call.old == 0 and not vma.flags & (VM_SHARED | VM_MAYSHARE):
        mm.kernel.pr_warn_once(
            f"{mm.kernel.current_comm} ({mm.kernel.current_pid}): attempted to duplicate a private "
            "mapping with mremap.  This is not supported."
        )
        raise ModelledErrno(errno.EINVAL)
    if call.dontunmap and vma.flags & (VM_DONTEXPAND | VM_PFNMAP):
        raise ModelledErrno(errno.EINVAL)
    if call.old > vma.end - call.start:
        raise ModelledErrno(errno.EFAULT)
    if call.new > call.old and vma.flags & (VM_DONTEXPAND | VM_PFNMAP):
        raise ModelledErrno(errno.EFAULT)
    if call.new > call.old and not may_expand_vm(mm, vma.flags, call.new - call.old):
        raise ModelledErrno(errno.ENOMEM)
    return vma


def _check_copy(vma: Vma, call: Remap) -> None:
    """Check the limit: if the source stays, the copy adds its whole size (S5.14.4); ENOMEM if exceeded."""
    if call.dontunmap and not may_expand_vm(vma.mm, vma.flags, call.old):
        raise ModelledErrno(errno.ENOMEM)


def _resize(mm: MmStruct, vma: Vma, call: Remap, lock: RwLock) -> int:
    """Resize with no destination given: shrink in place, grow in place, or grow elsewhere."""
    if call.old >= call.new:
        if call.old > call.new:
            unmap_range(mm, call.start + call.new, call.start + call.old, lock)
        return call.start
    _vma_to_resize(mm, vma, call)
    _, ceiling = mm.gap_around(vma.end, vma.end)
    if call.start + call.old == vma.end and call.start + call.new <= ceiling:
        if vma.special:
            # The kernel grows a VMA by merging the following pages into it; a VMA grown
            # this way never merges.
            if mm.kernel.profile.vain_growth_uncommits and not vma.flags & VM_ACCOUNT:
                mm.kernel.uncommit(call.new - call.old)
            raise ModelledErrno(errno.ENOMEM)
        if vma.flags & VM_ACCOUNT:
            mm.kernel.commit(call.new - call.old)
        with mm.relinked(vma):
            vma.end = call.start + call.new
        mm.merge_around(vma, "grown")
        return call.start
    if not call.maymove:
        raise ModelledErrno(errno.ENOMEM)
    return _move_vma(vma, call, mm.kernel.unmapped_area(mm, call.new))


def _move_vma(vma: Vma, call: Remap, to: int) -> int:
    """copy_vma, then move the entries and unmap the old range."""
    mm = vma.mm
    tracker = mm.kernel.tracker
    trace = mm.kernel.trace
    # The rest of the source must be allowed to exist on its own (vm_ops->may_split in the kernel).
    for at in (call.start, call.start + call.old):
        if call.old and vma.start < at < vma.end:
            mm.check_split(vma, at)
    if call.dontunmap and vma.flags & VM_LOCKED and not mm.kernel.profile.dontunmap_unlocks_all:
        vma = mm.isolate(vma, call.start, call.start + call.old)
    leaks = call.dontunmap and vma.flags & VM_LOCKED and mm.kernel.profile.dontunmap_unlocks_all
    locked = mm.locked if leaks else 0
    mm.start_write(vma)
    trace.event("copy_vma", to)
    # The source is uncommitted when it is unmapped.
    is_account = bool(vma.flags & VM_ACCOUNT)
    committed = (call.new + call.shrunk * mm.kernel.profile.shrunk_committed_again) * is_account
    mm.kernel.commit(committed)
    new = vma.dup(mm)
    new.start, new.end = to, to + call.new
    new.pgoff = vma.pgoff + call.start - vma.start
    if vma.is_anonymous and vma.anon_vma is None:
        new.pgoff = to
    excluded = vma if call.dontunmap and not mm.kernel.profile.dontunmap_joins_source else None
    merges = mm.would_merge(new, "copied", excluded)
    try:
        if not merges:
            # The copy checked here is the new VMA by now.
            vm_area_dup(vma, mm)
        new.tracked_like(vma)
    except ModelledErrno:
        mm.kernel.uncommit(committed)
        raise
    if new.file is not None and new.file.opened is not None:
        new.file.opened(new, vma)
    with nullcontext() if merges else mm.entering(new):
        mm.link(new)
        mm.start_write(new)
    if merges:
        new = mm.merge_around(new, "copied", excluded)
        # It may have merged with the source.
        source = mm.vma_lookup(call.start)
        assert source is not None
        vma = source
    moved = _move_entries(vma, new, call, to)
    if moved < call.old:
        # Everything that moved is moved back, as the tables still exist there, and the copy is unmapped
        # instead of the source.
        _move_entries(new, vma, replace(call, start=to, old=moved), call.start)
        tracker.move_vma(new, vma)
        unmap_range(mm, to, to + call.new)
        if is_account and not call.dontunmap and mm.kernel.profile.vain_growth_stays_committed:
            mm.kernel.commit(call.new - call.old)
        raise ModelledErrno(errno.ENOMEM)
    tracker.move_vma(vma, new)
    if call.dontunmap:
        if new is not vma and vma.start == call.start and vma.end == call.start + call.old:
            vma.anon_vma = None
        vma.flags &= ~VM_LOCKED
        if leaks:
            counted = call.new if mm.kernel.profile.dontunmap_counts_moved else 0
            mm.locked_leak += locked + counted - mm.locked
        if mm.kernel.profile.dontunmap_drops_account:
            vma.flags &= ~VM_ACCOUNT
    elif call.old:
        _unmap_source(vma, call)
    return to


def _move_entries(vma: Vma, new: Vma, call: Remap, to: int) -> int:
    """Move the page tables of the old range; return how many of its pages moved."""
    with vma.mm.kernel.processors.inside("move_page_tables"):
        vma.mm.kernel.trace.event("move_tables", call.start)
        back = _pages_in_front(vma, new, call, to)
        return max(0, move_page_tables(vma, call.start - back, call.old + back, to - back) - back)


def _unmap_source(vma: Vma, call: Remap) -> None:
    """Unmap the old range; if it cannot be split it stays, without entries, and the move still succeeds.

    From then on, neither it nor the rest of the VMA that contains it is accounted (VM_ACCOUNT).
    """
    mm, (start, end) = vma.mm, (vma.start, vma.end)
    try:
        unmap_range(mm, call.start, call.start + call.old)
    except ModelledErrno:
        if mm.kernel.profile.uncut_commits_any and not vma.flags & VM_ACCOUNT:
            mm.kernel.commit(call.old)
        for part in mm.vmas_in(start, end):
            part.flags &= ~VM_ACCOUNT


def _pages_in_front(vma: Vma, new: Vma, call: Remap, to: int) -> int:
    """The pages before a mapping that move along, so that its first page table can move whole (S5.8.12)."""
    back = call.start % _PTE_TABLE
    if not vma.mm.kernel.profile.mremap_aligns_down or not back or back != to % _PTE_TABLE:
        return 0
    reaches_end = call.old >= _PTE_TABLE - back
    sides = ((vma, call.start), (new, to))
    alone = all(side.start == at and not side.mm.vmas_in(at - back, at) for side, at in sides)
    return back if reaches_end and alone else 0
