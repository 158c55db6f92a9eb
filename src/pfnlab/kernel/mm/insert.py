"""vmf_insert_pfn and related functions: a driver fills a single entry (S5.4 .. S5.7).

The tracker supplies the cache mode: at this point, both trackers found in kernels look the frame up in the
memtype list (S3.2, S4.3).
"""

import errno

from pfnlab.base.errors import ModelledErrno, no_end
from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.bits import PAGE_PAT, PAGE_SPECIAL
from pfnlab.kernel.hw.entry import pte_mkdirty, pte_mkwrite, pte_mkyoung
from pfnlab.kernel.hw.pgtable import LEAF_PAGES, EntryRun, Page
from pfnlab.kernel.mm.failures import pte_alloc
from pfnlab.kernel.mm.fault import FaultOom, Signal
from pfnlab.kernel.mm.flags import VM_MIXEDMAP, VM_PFNMAP, is_cow_mapping
from pfnlab.kernel.mm.remap import vm_flags_set
from pfnlab.kernel.mm.vma import Vma


def vmf_insert_pfn(vma: Vma, vpn: int, pfn: int, prot: int, *, mkwrite: bool = False) -> None:
    """Map *pfn* at page *vpn* if the entry is empty; an existing entry is kept (S5.5.2a).

    If another fault has meanwhile filled a leaf, there is no table for the entry (S5.5.2b).

    :param prot: the requested protection (vm_page_prot, or the driver's own with vmf_insert_pfn_prot)
    :param mkwrite: make the new entry writable and dirty at once (vmf_insert_mixed_mkwrite, S5.7.2)
    :raises Undecided: if the kernel would hit a BUG because the VMA is private or not marked as a PFN mapping
    :raises Signal: SIGBUS if the tracker refuses, which no real kernel's tracker does
    :raises FaultOom: if a leaf is in the table's place, or no table could be allocated
    """
    if not vma.flags & (VM_PFNMAP | VM_MIXEDMAP) or (vma.flags & VM_PFNMAP and is_cow_mapping(vma.flags)):
        raise no_end("the kernel stops with BUG: vmf_insert_pfn in a private mapping")
    with vma.mm.kernel.processors.inside("vmf_insert_pfn_prot"):
        try:
            prot = vma.mm.kernel.tracker.vmf_insert_pfn(vma, vpn, PfnRange(pfn, pfn + 1), prot)
        except ModelledErrno:
            raise Signal("SIGBUS", 2) from None
        entry = vma.mm.table_locks.entry(vpn)
        if entry is not None and entry.level > 1:
            raise FaultOom(vpn)
        if entry is None:
            if not pte_alloc(vma.mm, vpn):
                raise FaultOom(vpn)
            bits = _writable(vma, prot) if mkwrite else prot
            vma.mm.tables.set(EntryRun(vpn, vpn + 1, pfn, bits | PAGE_SPECIAL))


def _writable(vma: Vma, prot: int) -> int:
    """maybe_mkwrite(pte_mkdirty(pte_mkyoung())), for an access that the VMA allows."""
    saved_dirty = vma.mm.kernel.profile.saved_dirty
    return pte_mkwrite(pte_mkdirty(pte_mkyoung(prot), saved_dirty), saved_dirty)


def vm_insert_page(vma: Vma, vpn: int, page: Page) -> None:
    """Map *page*, which has a struct page, at page *vpn*, without looking up a cache mode (S5.7.3).

    :raises ModelledErrno: EBUSY if an entry exists, ENOMEM if there is no page table
    """
    if not vma.flags & VM_MIXEDMAP:
        vm_flags_set(vma, VM_MIXEDMAP)
    if not pte_alloc(vma.mm, vpn):
        raise ModelledErrno(errno.ENOMEM)
    if vma.mm.table_locks.entry(vpn) is not None:
        raise ModelledErrno(errno.EBUSY)
    page.mapcount += 1
    vma.mm.tables.set(EntryRun(vpn, vpn + 1, 0, vma.page_prot, page))


def vmf_insert_pfn_leaf(vma: Vma, start: int, pfn: int, prot: int, level: int) -> None:
    """vmf_insert_pfn_pmd, vmf_insert_pfn_pud: fill an empty entry above the lowest level (S5.6).

    A leaf entry has no room for the low bits of an unaligned frame, so it maps frames from the preceding
    aligned one on (pfn_pmd, pfn_pud), with the mode of *pfn*. The PAT bit is not moved to its place in a
    leaf: it becomes the bit that marks a leaf, so write-through turns into UC.

    :param level: 2 for a 2 MiB leaf, 3 for 1 GiB; it is installed at *start* and maps frames from *pfn* on
    :raises ModelledErrno: if the tracker refuses; smaller entries may still succeed
    """
    pages = LEAF_PAGES[level]
    pfns = PfnRange(pfn, pfn + pages)
    with vma.mm.kernel.processors.inside("vmf_insert_pfn_leaf"):
        granted = vma.mm.kernel.tracker.vmf_insert_pfn(vma, start, pfns, prot)
        if level == 3 and vma.mm.kernel.profile.pud_forgets_mode:
            granted = prot
        if vma.mm.tables.entry(start) is not None:
            # Another fault has meanwhile filled it with the same leaf.
            return
        bits = granted & ~PAGE_PAT | PAGE_SPECIAL
        vma.mm.tables.set(EntryRun(start, start + pages, pfn - pfn % pages, bits, level=level))
