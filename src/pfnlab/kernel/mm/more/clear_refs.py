"""/proc/PID/clear_refs, which marks pages as unused or unwritten (S7.7)."""

from pfnlab.kernel.hw.entry import pte_clear_soft_dirty, pte_mkold, pte_wrprotect
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.mm.flags import VM_SOFTDIRTY
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.vma import Vma


def clear_refs(mm: MmStruct, kind: str) -> None:
    """Clear the marks selected by *kind* (as programs write it) in all VMAs, under mmap_lock for writing."""
    with mm.mmap_lock.write():
        if kind == "peak":
            return
        if kind == "soft_dirty":
            _unmark(mm)
        for vma in mm:
            _clear(vma, kind)
        if kind == "soft_dirty":
            mm.flush_tlb()
        else:
            _forget(mm)


def _unmark(mm: MmStruct) -> None:
    """Remove the mark from every VMA, even a PFN mapping; new entries in shared ones are read-only."""
    for vma in mm:
        if vma.flags & VM_SOFTDIRTY:
            mm.start_write(vma)
            vma.flags &= ~VM_SOFTDIRTY
            vma.set_page_prot()


def _clear(vma: Vma, kind: str) -> None:
    """clear_refs_pte_range() for *vma*'s entries; the walk skips PFN mappings (walk_page_test)."""
    mm = vma.mm
    walker, configuration = mm.kernel.walkers.walk_page_range, mm.kernel.profile.configuration
    # The walk locks every VMA for writing (PGWALK_WRLOCK), even one that it skips.
    mm.start_write(vma)
    if not walker.walk_page_test(vma) or kind == ("anon" if vma.i_mapping is not None else "mapped"):
        return

    def new_bits(run: EntryRun) -> int:
        if kind != "soft_dirty":
            return pte_mkold(run.bits) if walker.vm_normal_page(vma, run) else run.bits
        if not configuration.soft_dirty:
            return run.bits
        return pte_clear_soft_dirty(pte_wrprotect(run.bits, mm.kernel.profile.saved_dirty))

    mm.table_locks.in_pieces(vma.start, vma.end, lambda first, stop: mm.tables.change(first, stop, new_bits))


def _forget(mm: MmStruct) -> None:
    """Forget translations: without a flush, a processor drops them only when it switches address spaces.

    That happens before the task's next operation unless every task has its own processor. In that case an
    access may find the entry cached (:func:`pfnlab.kernel.mm.fault.access`).
    """
    kernel = mm.kernel
    for task in kernel.tasks.values():
        if task.mm is not mm:
            continue
        if kernel.processors.driven:
            task.tlb.age(mm.tables)
        else:
            task.tlb.flush()
