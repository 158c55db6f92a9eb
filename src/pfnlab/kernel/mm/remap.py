"""remap_pfn_range: fill a VMA's entries with consecutive frames (S3.3, S4.6)."""

import errno

from pfnlab.base.errors import ModelledErrno, no_end
from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.bits import PAGE_SPECIAL
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.mm.failures import absent_tables
from pfnlab.kernel.mm.flags import VM_REMAP, is_cow_mapping
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.mm.zap import zap_page_range_single


def remap_pfn_range(vma: Vma, start: int, pfns: PfnRange, prot: int, *, prepared: bool = False) -> None:
    """Map *pfns* at virtual page *start* of *vma*, with protection *prot*.

    Entries are always 4K, special and accessed. The tracker grants the cache mode; vm_page_prot keeps the
    driver's value (S3.3.4).

    :param prepared: the call is the second half of a two-phase mmap (remap_pfn_range_complete, S4.7)
    :raises ModelledErrno: EINVAL if the tracker refuses, or if a private mapping is only partly mapped;
        ENOMEM if no page table could be allocated
    """
    kernel = vma.mm.kernel
    if not pfns.nr:
        raise no_end("the kernel stops with BUG: remap_pfn_range of no pages")
    if prepared:
        _remap_pfn_range(vma, start, pfns, prot)
        return
    with kernel.failures.inside("remap_pfn_range"):
        kernel.trace.event("remap", start)
        _remap_pfn_range(vma, start, pfns, prot)


def _remap_pfn_range(vma: Vma, start: int, pfns: PfnRange, prot: int) -> None:
    kernel, tracker = vma.mm.kernel, vma.mm.kernel.tracker
    end = start + pfns.nr
    # A private mapping must be mapped whole, because its frames are identified by a single vm_pgoff.
    private = is_cow_mapping(vma.flags)
    partial_private = private and (start != vma.start or end != vma.end)
    if partial_private and kernel.profile.remap_prepares_first:
        raise ModelledErrno(errno.EINVAL)
    if kernel.profile.remap_prepares_first:
        _prepare(vma, start, pfns)
    prot = tracker.remap_pfn_range(vma, start, pfns, prot)
    if partial_private:
        _undo(vma, start, pfns)
        raise ModelledErrno(errno.EINVAL)
    if vma.mm.tables.runs(start, end):
        raise no_end("the kernel stops with BUG: remap_pfn_range over entries that are there")
    if not kernel.profile.remap_prepares_first:
        _prepare(vma, start, pfns)
    if not fill(vma, EntryRun(start, end, pfns.start, prot | PAGE_SPECIAL)):
        _undo(vma, start, pfns)
        raise ModelledErrno(errno.ENOMEM)
    tracker.remap_pfn_range_filled(vma, pfns)


def fill(vma: Vma, run: EntryRun) -> bool:
    """Fill the entries of *run*, one table after another.

    :return: False if a table could not be allocated; the entries before it are then filled
    """
    tables, end = vma.mm.tables, run.end
    made = vma.mm.kernel.failures.failing("__pte_alloc", absent_tables(vma.mm, run.start, end))
    if made is not None:
        end = tables.table_starts(run.start, end, present=False)[made]
        tables.allocate(end, end + 1, lowest=2)
    vma.mm.table_locks.in_pieces(run.start, end, lambda first, stop: tables.set(run.cut(first, stop)))
    return made is None


def vm_flags_set(vma: Vma, flags: int) -> None:
    """Set *flags* under the VMA's own lock (S3.3.2c)."""
    _lock_flags(vma)
    vma.flags |= flags


def vm_flags_clear(vma: Vma, flags: int) -> None:
    """Clear *flags* under the VMA's own lock."""
    _lock_flags(vma)
    vma.flags &= ~flags


def _lock_flags(vma: Vma) -> None:
    """Take the VMA's own lock, which requires mmap_lock for writing.

    A fault handler holds mmap_lock only for reading, which causes a warning.
    """
    mm = vma.mm
    if mm.kernel.profile.flags_assert_mmap_lock and not mm.mmap_lock.written:
        mm.kernel.trace.printk("WARNING at include/linux/rwsem.h")
        mm.start_write(vma)


def _prepare(vma: Vma, start: int, pfns: PfnRange) -> None:
    """Turn the VMA into a PFN mapping; a private one stores its first frame in vm_pgoff (S3.3.2, S4.6.1).

    Before 2.6.30, any VMA that is mapped whole does so (S3.6.6).
    """
    whole = start == vma.start and pfns.nr == vma.nr
    if is_cow_mapping(vma.flags) or (whole and not vma.mm.kernel.profile.vm_pat_flag):
        vma.pgoff = pfns.start
    vm_flags_set(vma, VM_REMAP)


def _undo(vma: Vma, start: int, pfns: PfnRange) -> None:
    """After a failure, zap the filled entries and make the tracker free the range (S3.3.3, S4.6.4)."""
    if vma.mm.kernel.profile.failed_remap_zaps:
        zap_page_range_single(vma, start, start + pfns.nr)
    vma.mm.kernel.tracker.remap_pfn_range_failed(vma, pfns)
