"""mlock(2) and similar, msync(2), mseal(2): calls that mostly skip PFN mappings (S5.10)."""

import errno

from pfnlab.base.errors import ModelledErrno
from pfnlab.kernel.mm.flags import VM_LOCKED, VM_SEALED, VM_SHARED
from pfnlab.kernel.mm.populate import mm_populate
from pfnlab.kernel.mm.space import TASK_PAGES, MmStruct
from pfnlab.kernel.mm.vma import Vma

#: The error mlock returns if a page cannot be faulted in (__mlock_posix_error_return).
_POSIX_ERRNO = {errno.EFAULT: errno.ENOMEM, errno.ENOMEM: errno.EAGAIN}


def do_mlock(mm: MmStruct, start: int, end: int, *, locked: bool) -> None:
    """mlock or munlock pages ``[start, end)``; special VMAs silently stay unlocked (S5.10.1).

    :raises ModelledErrno: ENOMEM at a hole, and for memory that allows no access and so cannot be faulted in;
        EAGAIN if a page table is missing; the VMAs before it stay changed
    """
    with mm.mmap_lock.write():
        at = start
        while at < end:
            vma = mm.vma_lookup(at)
            if vma is None:
                raise ModelledErrno(errno.ENOMEM)
            stop = min(vma.end, end)
            _mlock_fixup(vma, at, stop, locked)
            at = stop
    if locked:
        try:
            mm_populate(mm, start, end, ignore_errors=False)
        except ModelledErrno as error:
            raise ModelledErrno(_POSIX_ERRNO[error.errno]) from None


def do_mlockall(mm: MmStruct) -> None:
    """mlockall(MCL_CURRENT | MCL_FUTURE)."""
    with mm.mmap_lock.write():
        mm.def_flags |= VM_LOCKED
        _mlock_fixup_all(mm, True)
    mm_populate(mm, 0, TASK_PAGES)


def do_munlockall(mm: MmStruct) -> None:
    """munlockall(2): unlock existing memory, and stop locking future memory (S5.10.1)."""
    with mm.mmap_lock.write():
        mm.def_flags &= ~VM_LOCKED
        _mlock_fixup_all(mm, False)


def _mlock_fixup_all(mm: MmStruct, locked: bool) -> None:
    for vma in mm:
        # The VMA below may have merged with it.
        if vma in mm.vmas:
            _mlock_fixup(vma, vma.start, vma.end, locked)


def _mlock_fixup(vma: Vma, start: int, end: int, locked: bool) -> None:
    flags = vma.flags | VM_LOCKED if locked else vma.flags & ~VM_LOCKED
    if flags == vma.flags or vma.special:
        return
    vma.mm.modify(vma, start, end, flags)
    # Existing pages are counted as locked or unlocked (mlock_vma_pages_range).
    vma.mm.table_locks.pass_all(start, end)
    vma.mm.kernel.mlock_batch.drain()


def do_msync(mm: MmStruct, start: int, end: int) -> None:
    """msync(MS_SYNC): sync the shared file parts in order; a hole returns ENOMEM at the end (S5.10.1).

    :raises ModelledErrno: the errno of the file's fsync, or ENOMEM
    """
    at, hole = start, False
    with mm.mmap_lock.read():
        while at < end:
            vma = mm.find_vma(at)
            if vma is None or vma.start >= end:
                hole = True
                break
            hole = hole or vma.start > at
            at = vma.end
            if vma.file is not None and vma.flags & VM_SHARED and vma.file.fsync_errno:
                raise ModelledErrno(vma.file.fsync_errno)
    if hole:
        raise ModelledErrno(errno.ENOMEM)


def do_mseal(mm: MmStruct, start: int, end: int) -> None:
    """mseal(2): all or nothing; VMAs are split at the ends of the range (S5.10.7).

    :raises ModelledErrno: ENOSYS before 6.10, ENOMEM at a hole
    """
    if not mm.kernel.profile.mseal:
        raise ModelledErrno(errno.ENOSYS)
    if start == end:
        return
    with mm.mmap_lock.write():
        at = start
        while at < end:
            vma = mm.vma_lookup(at)
            if vma is None:
                raise ModelledErrno(errno.ENOMEM)
            at = vma.end
        _mseal_apply(mm, start, end)


def _mseal_apply(mm: MmStruct, start: int, end: int) -> None:
    for vma in mm.vmas_in(start, end):
        if mm.vma_lookup(vma.start) is not vma:  # it has merged with the VMA below
            continue
        stop, flags = min(vma.end, end), vma.flags | VM_SEALED
        # The VMA below has merged with the sealed one after it. The kernel mistakes its old end for the start
        # of this VMA, which therefore merges with nothing.
        apart = start < vma.start and mm.kernel.profile.mseal_keeps_old_end
        if apart and flags != vma.flags:
            vma = mm.isolate(vma, vma.start, stop)
            mm.start_write(vma)
            vma.flags = flags
        elif flags != vma.flags:
            mm.modify(vma, max(vma.start, start), stop, flags)
        start = stop
