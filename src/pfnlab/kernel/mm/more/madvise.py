"""madvise(2): what each advice does (S5.9)."""

from __future__ import annotations

import errno
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from pfnlab.base.errors import ModelledErrno, machine_decides, no_rule
from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.bits import PAGE_ACCESSED
from pfnlab.kernel.hw.pgtable import LEAF_PAGES
from pfnlab.kernel.mm.flags import (
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_HUGEPAGE,
    VM_IO,
    VM_LOCKED,
    VM_MAYWRITE,
    VM_NOHUGEPAGE,
    VM_PFNMAP,
    VM_RAND_READ,
    VM_READ,
    VM_SEALED,
    VM_SEQ_READ,
    VM_SHARED,
    VM_SPECIAL,
    VM_WIPEONFORK,
    VM_WRITE,
)
from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.mm.more.lives import mmget
from pfnlab.kernel.mm.populate import populate
from pfnlab.kernel.mm.shmem import ShmemFile
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.unmap import zap_vma
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.mm.zap import unmap_mapping_range

if TYPE_CHECKING:
    from pfnlab.kernel.hw.pgtable import Page
    from pfnlab.kernel.mm.kernel import Task

#: Advice that only changes flags: which ones to clear, and which to set.
_FLAG_ADVICE = {
    "normal": (VM_RAND_READ | VM_SEQ_READ, 0),
    "random": (VM_SEQ_READ, VM_RAND_READ),
    "sequential": (VM_RAND_READ, VM_SEQ_READ),
    "dontfork": (0, VM_DONTCOPY),
    "dofork": (VM_DONTCOPY, 0),
    "dontdump": (0, VM_DONTDUMP),
    "dodump": (VM_DONTDUMP, 0),
    "wipeonfork": (0, VM_WIPEONFORK),
    "keeponfork": (VM_WIPEONFORK, 0),
    "hugepage": (VM_NOHUGEPAGE, VM_HUGEPAGE),
    "nohugepage": (VM_HUGEPAGE, VM_NOHUGEPAGE),
}

_GUARD_ADVICE = ("guard_install", "guard_remove")

#: Advice that clears entries; since 6.16 the whole call uses one gather, even if it is refused.
_ZAPPING = ("dontneed", "dontneed_locked", "free")

#: Refused on every PFN mapping, in whatever state; `dofork` on every VM_IO mapping.
_REFUSED_SPECIAL = (
    "dontneed",
    "dontneed_locked",
    "free",
    "cold",
    "pageout",
    "populate_read",
    "populate_write",
    "collapse",
    "wipeonfork",
    "dofork",
    "dodump",
    *_GUARD_ADVICE,
)

#: The advice in this set that a VM_MIXEDMAP without VM_PFNMAP accepts.
_ALLOWED_MIXED = ("dontneed", "dontneed_locked", "cold", "pageout")

#: Advice that faults pages in; accepted by mappings with neither VM_IO nor VM_PFNMAP.
_POPULATING = ("populate_read", "populate_write")

#: Advice that a kernel without KSM, or without huge pages, does not support (S13.2, S13.3).
_MERGING_ADVICE = ("mergeable", "unmergeable")
_LEAF_ADVICE = ("hugepage", "nohugepage", "collapse")

#: Advice that discards contents: refused for sealed memory that is not writable (S5.10.7).
_DISCARDING = ("dontneed", "dontneed_locked", "free", "remove", "dontfork", "wipeonfork", "guard_install")

#: Accepted on a PFN mapping, but without effect.
_IGNORED_SPECIAL = ("willneed", "mergeable", "unmergeable")


#: Advice that one task may give for another's memory (process_madvise_remote_valid).
REMOTE_ADVICE = ("cold", "pageout", "willneed", "collapse")


def process_madvise(own: MmStruct, target: Task | None, start: int, end: int, advice: str) -> None:
    """Apply *advice* to the memory of any process (S5.15).

    :param own: the caller's own address space
    :param target: the target process; None if it does not exist
    :raises ModelledErrno: ESRCH if there is no such process, EINVAL for advice that a process may give only
        for itself; otherwise as do_madvise
    """
    if target is None:
        raise ModelledErrno(errno.ESRCH)
    with target.exec_update_lock.read():
        mm = target.mm
    remote = mm is not own
    if (remote or not mm.kernel.profile.own_memory_takes_any_advice) and advice not in REMOTE_ADVICE:
        raise ModelledErrno(errno.EINVAL)
    with mmget(mm) if remote else nullcontext():
        do_madvise(mm, start, end, advice, remote=remote)


def do_madvise(mm: MmStruct, start: int, end: int, advice: str, *, remote: bool = False) -> None:
    """Apply *advice* to pages ``[start, end)``, VMA by VMA.

    Every mapped part is processed. The first error ends the call. If there is no error but there is a hole,
    the call returns ENOMEM.

    :param remote: called by another process, which does not use per-VMA locks
    :raises ModelledErrno: the system call's error
    :raises Undecided: for advice on anonymous memory that the model has no rule for
    """
    if advice in _unknown_advice(mm):
        raise ModelledErrno(errno.EINVAL)
    if start == end:
        return
    by_vma = not remote and _locks_vmas(mm, advice)
    with nullcontext() if by_vma else _mmap_lock(mm, advice):
        once = advice in _ZAPPING and mm.kernel.profile.madvise_gathers_once
        tlb = MmuGather(mm, "madvise") if once else None
        vma = _lockable_vma(mm, start, end) if by_vma else None
        with mm.mmap_lock.read() if by_vma and vma is None else nullcontext():
            try:
                # The VMA's own lock is released before the flush; mmap_lock in its place after it.
                with nullcontext() if vma is None else mm.vma_locks.read(vma):
                    _walk(mm, start, end, advice, tlb)
            finally:
                if tlb is not None:
                    tlb.finish()


def _unknown_advice(mm: MmStruct) -> Collection[str]:
    """madvise_behavior_valid(): the advice not supported by this kernel's release or configuration."""
    profile, configuration = mm.kernel.profile, mm.kernel.profile.configuration
    known = (
        (_GUARD_ADVICE, profile.guard_regions),
        (_MERGING_ADVICE, configuration.ksm),
        (_LEAF_ADVICE, configuration.huge_pages),
    )
    return [advice for names, has in known if not has for advice in names]


def _locks_vmas(mm: MmStruct, advice: str) -> bool:
    """True if one VMA's own lock is enough to clear or guard entries within it."""
    profile = mm.kernel.profile
    return (advice in _ZAPPING and profile.zapping_advice_locks_vmas) or (
        advice in _GUARD_ADVICE and profile.guarding_advice_locks_vmas
    )


def _mmap_lock(mm: MmStruct, advice: str) -> AbstractContextManager[object]:
    """mmap_lock, for writing if *advice* changes VMAs."""
    changes = advice in _FLAG_ADVICE or advice in _MERGING_ADVICE
    return mm.mmap_lock.write() if changes else mm.mmap_lock.read()


def _lockable_vma(mm: MmStruct, start: int, end: int) -> Vma | None:
    """try_vma_read_lock: the VMA with all of ``[start, end)``; None if it is locked for writing."""
    vma = mm.vma_lookup(start)
    return vma if vma is not None and end <= vma.end and not mm.vma_locks.is_written(vma) else None


def _walk(mm: MmStruct, start: int, end: int, advice: str, tlb: MmuGather | None) -> None:
    """madvise_walk_vmas: go through the VMAs one by one, noting any holes."""
    at, hole = start, False
    while at < end:
        vma = mm.find_vma(at)
        if vma is None or vma.start >= end:
            hole = True
            break
        if vma.start > at:
            hole = True
            if advice.startswith("populate") and mm.kernel.profile.populate_stops_at_hole:
                break
            at = vma.start
        stop = min(vma.end, end)
        if vma.flags & VM_SEALED and advice in _DISCARDING and _guards_contents(vma):
            raise ModelledErrno(errno.EPERM)
        if vma.special:
            _advise_special(vma, at, stop, advice, tlb)
        else:
            _advise_ordinary(vma, at, stop, advice, tlb)
        at = stop
    if hole:
        raise ModelledErrno(errno.ENOMEM)


def _guards_contents(vma: Vma) -> bool:
    """True if the mapping is read-only and its contents are its own (is_ro_anon, can_madvise_modify)."""
    own = vma.is_anonymous if vma.mm.kernel.profile.seal_guards_anonymous else vma.i_mapping is None
    return own and not vma.flags & (VM_SHARED | VM_WRITE)


def _advise_special(vma: Vma, start: int, end: int, advice: str, tlb: MmuGather | None) -> None:
    if not vma.flags & VM_PFNMAP and advice in _ALLOWED_MIXED:
        if advice in ("dontneed", "dontneed_locked"):
            _zap(vma, start, end, tlb)
        else:
            _age(vma, start, end, advice)
        return
    if advice in _POPULATING and not vma.flags & (VM_IO | VM_PFNMAP):
        _populate(vma, start, end, advice)
        return
    if advice == "dofork" and not (vma.flags & VM_IO or vma.mm.kernel.profile.dofork_refuses_special):
        _change_flags(vma, start, end, advice)
        return
    if advice == "wipeonfork" and vma.i_mapping is None and not vma.flags & VM_SHARED:
        _change_flags(vma, start, end, advice)
        return
    if advice in _REFUSED_SPECIAL:
        raise ModelledErrno(errno.EINVAL)
    if advice in _IGNORED_SPECIAL:
        return
    if advice == "remove":
        _remove(vma, start, end)
        return
    _change_flags(vma, start, end, advice)


def _remove(vma: Vma, start: int, end: int) -> None:
    """MADV_REMOVE: call the file's fallocate, which only shared anonymous memory supports (S5.9)."""
    if vma.flags & VM_LOCKED or vma.file is None or vma.i_mapping is None:
        raise ModelledErrno(errno.EINVAL)
    if vma.flags & (VM_SHARED | VM_MAYWRITE) != VM_SHARED | VM_MAYWRITE:
        raise ModelledErrno(errno.EACCES)
    if not isinstance(vma.file, ShmemFile):
        raise ModelledErrno(vma.file.fallocate_errno)
    pages = PfnRange(*(vma.pgoff + vpn - vma.start for vpn in (start, end)))
    unmap_mapping_range(vma.mm.kernel, pages, "shmem", even_cows=False, file=vma.file)
    vma.file.punch_hole(pages)


def _advise_ordinary(vma: Vma, start: int, end: int, advice: str, tlb: MmuGather | None) -> None:
    """Programs use ordinary memory only to cover mappings with it, so only the advice
    needed for that has a rule.

    Shared anonymous memory belongs to a file, so nothing is freed or wiped, and pages are not merged.
    """
    shared = vma.file is not None
    if shared and advice in ("free", "wipeonfork"):
        raise ModelledErrno(errno.EINVAL)
    if advice == "willneed":
        if not shared:
            # The walk looks for the entries of swapped pages (swapin_walk_ops).
            vma.mm.table_locks.pass_all(start, end)
        vma.mm.kernel.mlock_batch.drain()
        return
    if advice == "collapse" and not _holds_leaf(vma):
        raise ModelledErrno(errno.EINVAL)
    if advice == "unmergeable" or (shared and advice == "mergeable"):
        return
    if advice == "dontneed":
        if vma.flags & VM_LOCKED:
            raise ModelledErrno(errno.EINVAL)
        _zap(vma, start, end, tlb)
    elif advice == "dontneed_locked":
        _zap(vma, start, end, tlb)
    elif advice == "cold" or advice == "pageout":
        if vma.flags & VM_LOCKED:
            raise ModelledErrno(errno.EINVAL)
        _age(vma, start, end, advice)
    elif advice == "remove":
        _remove(vma, start, end)
    elif advice in _POPULATING:
        _populate(vma, start, end, advice)
    elif advice == "dofork" and vma.flags & (VM_IO | VM_SPECIAL):
        raise ModelledErrno(errno.EINVAL)
    elif advice in _FLAG_ADVICE and (advice != "hugepage" or not _holds_leaf(vma)):
        _change_flags(vma, start, end, advice)
    else:
        raise no_rule(f"madvise {advice} on anonymous memory")


def _holds_leaf(vma: Vma) -> bool:
    """True if *vma* spans all pages of a 2 MiB leaf, which the kernel may create at any time."""
    return -(-vma.start // LEAF_PAGES[2]) * LEAF_PAGES[2] + LEAF_PAGES[2] <= vma.end


def _populate(vma: Vma, start: int, end: int, advice: str) -> None:
    """madvise_populate: fault the pages in as reads or writes would."""
    if not vma.flags & (VM_READ if advice == "populate_read" else VM_WRITE):
        raise ModelledErrno(errno.EINVAL)
    populate(vma, start, end, write=advice == "populate_write")


def _zap(vma: Vma, start: int, end: int, tlb: MmuGather | None) -> None:
    """zap_page_range_single_batched: zap the pages, in the call's gather or a separate one."""
    gather = tlb if tlb is not None else MmuGather(vma.mm, "madvise")
    zap_vma(gather, vma, start, end, empties=True)
    if tlb is None:
        gather.finish()
    vma.mm.kernel.mlock_batch.unmapped()


def _age(vma: Vma, start: int, end: int, advice: str) -> None:
    """madvise_cold, madvise_pageout: mark ordinary pages that are mapped once as unused.

    There is no swap, so nothing is paged out. walk_page_range() calls walk_page_test() for the VMA;
    walk_page_range_vma() does not (S5.9.7).
    """
    mm, profile = vma.mm, vma.mm.kernel.profile
    mm.kernel.mlock_batch.drain()
    tlb = MmuGather(mm, "madvise")
    tlb.flushes.tlb_start_vma(tlb, vma)
    if advice == "pageout" and vma.is_shmem and mm.tables.runs(start, end):
        raise no_rule("madvise pageout of shared anonymous memory")
    walks = not profile.aging_asks_page_test or mm.kernel.walkers.walk_page_range.walk_page_test(vma)
    if walks and (advice == "cold" or not profile.pageout_keeps_young):
        mm.table_locks.in_pieces(start, end, lambda first, stop: _age_entries(tlb, vma, first, stop))
    elif walks:
        mm.table_locks.pass_all(start, end)
    tlb.flushes.tlb_end_vma(tlb, vma)
    tlb.finish()


def _age_entries(tlb: MmuGather, vma: Vma, start: int, end: int) -> None:
    tables = vma.mm.tables
    for run in tables.runs(start, end):
        # A driver's page is not on an LRU list.
        page = run.page
        if page is None or not (page.anonymous or vma.is_shmem) or page.mapcount != 1:
            continue
        if run.bits & PAGE_ACCESSED:
            _check_listed(vma.mm, page)
            tables.change(run.start, run.end, lambda entry: entry.bits & ~PAGE_ACCESSED)
            tlb.extend(run.start, run.end)


def _check_listed(mm: MmStruct, page: Page) -> None:
    """Check that a page is on an LRU list, not in another processor's batch (S5.9.10).

    :raises Undecided: if it may be in a batch
    """
    processors = mm.kernel.processors
    if processors.driven and page.maker not in ("", processors.task):
        raise machine_decides(
            "the batch of another processor decides whether a page that was made there seems unused"
        )


def _change_flags(vma: Vma, start: int, end: int, advice: str) -> None:
    """madvise_update_vma: split at the ends of the range, but only if the flags really change (S5.9).

    :raises ModelledErrno: EAGAIN if a split fails with ENOMEM, which madvise reserves for holes
    """
    cleared, added = _FLAG_ADVICE[advice]
    flags = (vma.flags & ~cleared) | added
    if flags == vma.flags:
        return
    try:
        vma.mm.modify(vma, start, end, flags)
    except ModelledErrno as error:
        raise ModelledErrno(errno.EAGAIN if error.errno == errno.ENOMEM else error.errno) from None
