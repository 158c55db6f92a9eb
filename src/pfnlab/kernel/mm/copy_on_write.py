"""Copy on write: writing to a page that must not be modified in place copies it (S6.4)."""

from pfnlab.base.errors import machine_decides, no_rule
from pfnlab.kernel.hw.bits import PAGE_ACCESSED
from pfnlab.kernel.hw.entry import pte_mkdirty, pte_mkwrite, pte_mkyoung
from pfnlab.kernel.hw.pgtable import EntryRun, Page
from pfnlab.kernel.mm.flags import VM_ACCESS, VM_MAYSHARE, VM_SHARED, VM_SOFTDIRTY, VM_WRITE
from pfnlab.kernel.mm.table_locks import PageTable
from pfnlab.kernel.mm.unmap import unmap_pages
from pfnlab.kernel.mm.vma import AnonVma, Vma

#: The zero page's frame in this model; no device uses it, and its content is 0.
ZERO_PFN = 0

#: A processor still has a cached translation to the page that a copy replaces.
COPIED, COPIED_UNFLUSHED = "copied a page", "copied a page that a processor remembers"


def do_wp_page(vma: Vma, entry: EntryRun) -> None:
    """Handle a write to a read-only entry (S6.4).

    :raises Signal: SIGBUS if the driver of a shared mapping does not allow the write (S6.4.2b)
    """
    saved_dirty = vma.mm.kernel.profile.saved_dirty
    page = entry.page
    if entry.level > 1:
        raise no_rule("a write to a leaf that is read-only")
    if vma.flags & (VM_SHARED | VM_MAYSHARE):
        reuse = True
        if vma.file is not None:
            vma.file.mkwrite(vma, entry.start)
    else:
        reuse = page is not None and page.anonymous and (page.exclusive or _sole_user(page))
    if reuse:
        if page is not None and page.anonymous:
            page.exclusive = True
        elif page is not None:
            page.dirty = True
        bits = pte_mkyoung(pte_mkdirty(pte_mkwrite(entry.bits, saved_dirty), saved_dirty))
        vma.mm.tables.change(entry.start, entry.end, lambda run: bits)
        return
    _copy(vma, entry)


def _sole_user(page: Page) -> bool:
    """wp_can_reuse_anon_folio(): only one entry refers to *page* (S6.4.3).

    :raises Undecided: if one entry maps it, but a batch may also refer to it because it was in a locked VMA
    """
    if page.mapcount == 1 and page.batched:
        raise machine_decides(
            "the processor's batch decides whether a page that left locked memory is copied"
        )
    return page.mapcount == 1


def unshare(vma: Vma, entry: EntryRun) -> None:
    """Make a page that may be shared private to the task; the entry stays read-only."""
    assert entry.page is not None
    if _sole_user(entry.page):
        entry.page.exclusive = True
    else:
        _copy(vma, entry, write=False)


def _copy(vma: Vma, entry: EntryRun, *, write: bool = True) -> None:
    """Replace a shared or special page with an ordinary one."""
    mm = vma.mm
    # A special entry has no struct page: the kernel copies through the user address (S6.4.3).
    value = mm.kernel.load(entry.pfn) if entry.page is None else entry.page.value
    prepare_anon(vma)
    with mm.table_locks.holding(PageTable.of(entry.start)):
        if mm.tables.entry(entry.start) != entry:
            # Another fault got there first.
            return
        mm.tables.clear(entry.start, entry.end)
        # ptep_clear_flush: before the new entry is set, so that the two are never cached at once (S8.1.10).
        mm.kernel.trace.event("pte_clear_flush", entry.start)
        if mm.kernel.profile.copy_flushes_first:
            mm.flush_tlb(entry.start, entry.end)
        mm.kernel.trace.misuses.add(COPIED)
        if any(task.mm is mm and task.tlb.remembers(entry.start) for task in mm.kernel.tasks.values()):
            mm.kernel.trace.misuses.add(COPIED_UNFLUSHED)
        install_page(vma, entry.start, value, write=write, dirty=write)
        # Only now: up to here, this entry still counts as a user of the page.
        unmap_pages(vma, [entry])


def meets_itself(vma: Vma, entry: EntryRun) -> bool:
    """True if copying a PFN page takes two faults.

    The kernel reads the page through its user address, which makes the hardware mark the entry as accessed if
    it was not yet. The entry then differs from the one that faulted, so the fault is repeated.
    """
    copies = not vma.flags & (VM_SHARED | VM_MAYSHARE) and entry.page is None and entry.pfn != ZERO_PFN
    return copies and not entry.bits & PAGE_ACCESSED


def prepare_anon(vma: Vma) -> None:
    """__anon_vma_prepare(): prepare a VMA for its first anonymous page (S5.3.2).

    If a neighbour differs at most in protection, the VMA shares the neighbour's reverse map so
    that they can merge later.
    """
    if vma.anon_vma is not None:
        return
    below, above = vma.mm.vma_lookup(vma.start - 1), vma.mm.vma_lookup(vma.end)
    if above is not None and above.continues(vma, VM_ACCESS | VM_SOFTDIRTY):
        vma.anon_vma = above.reusable_anon_vma()
    if vma.anon_vma is None and below is not None and vma.continues(below, VM_ACCESS | VM_SOFTDIRTY):
        vma.anon_vma = below.reusable_anon_vma()
    vma.anon_vma = vma.anon_vma or AnonVma()


def install_page(vma: Vma, vpn: int, value: int, *, write: bool = True, dirty: bool = True) -> None:
    """Install a new ordinary page; its cache bits come from vm_page_prot, not the earlier entry (S6.4.4)."""
    profile = vma.mm.kernel.profile
    saved_dirty = profile.saved_dirty
    prepare_anon(vma)
    page = Page(value)
    page.maker = vma.mm.kernel.processors.task
    page.mapcount = 1
    bits = pte_mkyoung(vma.page_prot if profile.copied_keeps_mode else vma.flags_page_prot())
    if write and vma.flags & VM_WRITE:
        bits = pte_mkwrite(bits, saved_dirty)
    if dirty:
        bits = pte_mkdirty(bits, saved_dirty)
    vma.mm.tables.set(EntryRun(vpn, vpn + 1, 0, bits, page))
