"""Memory accesses by the hardware, and the fault handler (S6.2, S6.4)."""

from dataclasses import dataclass

from pfnlab.base.errors import machine_decides, no_rule
from pfnlab.kernel.hw.bits import PAGE_SPECIAL
from pfnlab.kernel.hw.entry import pte_keyed, pte_mkyoung, pte_present, pte_write, pte_written
from pfnlab.kernel.hw.pgtable import LEAF_PAGES, EntryRun, Page
from pfnlab.kernel.hw.tlb import Tlb
from pfnlab.kernel.mm import copy_on_write
from pfnlab.kernel.mm.content import with_word, word
from pfnlab.kernel.mm.failures import pte_alloc
from pfnlab.kernel.mm.flags import VM_ACCESS, VM_HUGEPAGE, VM_MAYSHARE, VM_NOHUGEPAGE, VM_SHARED, VM_WRITE
from pfnlab.kernel.mm.shmem import ShmemFile, set_file_page, shmem_fault
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.vma import SpecialMapping, Vma


@dataclass(frozen=True)
class Signal(Exception):
    """A signal that ends an access.

    :param name: ``SIGSEGV`` or ``SIGBUS``
    :param code: si_code: 1 if there is no mapping; 2 if the access is not allowed (SEGV) or the address does
        not exist (BUS); 4 if a protection key blocks it
    """

    name: str
    code: int

    def __str__(self) -> str:
        return f"{self.name} code={self.code}"


@dataclass(frozen=True)
class FaultOom(Exception):
    """A fault that ends in VM_FAULT_OOM (S5.5.2b); the caller decides how to continue.

    :param vpn: the page on which it faulted
    """

    vpn: int


def access(mm: MmStruct, tlb: Tlb, vpn: int, store: int | None = None, *, user: bool = True) -> int:
    """Load the first word of page *vpn*, or store *store* there.

    :param tlb: the current processor's translations, used even if the page tables have changed
    :param user: the access is made by the task itself, not by the kernel on its behalf
    :return: the word loaded or stored
    :raises Signal: if the task gets a signal instead
    :raises FaultOom: if an access by the kernel found no memory for a page table
    :raises Undecided: if the processor may have cached an entry that has since been marked unused, and may
        not mark it again (S7.7.3); or if it cached one that has since changed, and was idle when other
        pages were flushed (S8.3.8)
    """
    writes = store is not None
    remembered = tlb.lookup(vpn, writes)
    if remembered is not None and tlb.seems_unused(vpn):
        raise machine_decides("the processor decides when it marks an entry as accessed that it may remember")
    if (
        remembered is not None
        and mm.kernel.processors.held
        and tlb.was_spared(vpn)
        and any(translation.start == vpn for translation in tlb.stale(mm.tables))
    ):
        raise machine_decides(
            "the machine decides whether a processor that was idle at a flush forgets other pages too"
        )
    entry = remembered or _walk(mm, tlb, vpn, writes, user)
    content = entry.page.value if entry.page is not None else mm.kernel.load(entry.pfn)
    if store is None:
        return word(content)
    if entry.page is not None:
        entry.page.value = with_word(content, store)
    else:
        mm.kernel.store(entry.pfn, with_word(content, store))
    return store


def _walk(mm: MmStruct, tlb: Tlb, vpn: int, writes: bool, user: bool) -> EntryRun:
    """The translation from the page tables, faulted in if necessary; the processor caches it."""
    # A handler may fill a private entry read-only; a write must then copy it, which takes one more fault.
    while (entry := mm.tables.entry(vpn)) is None or not _allows(entry, writes):
        if entry is not None and entry.level == 3 and pte_present(entry.bits):
            _mark_refused(mm, vpn)
        try:
            _fault(mm, vpn, writes, user, keyed=entry is not None and pte_keyed(entry.bits))
        except FaultOom:
            if not user:
                raise
            # pagefault_out_of_memory: no process is killed, and the access is retried (S5.5.2b).
            mm.kernel.trace.printk("Huh VM_FAULT_OOM leaked out to the #PF handler. Retrying PF")
    bits = pte_mkyoung(entry.bits)
    if writes:
        bits = pte_written(bits)
    if bits != entry.bits:
        mm.tables.change(vpn, vpn + 1, lambda run: bits)
    entry = entry._replace(bits=bits)
    tlb.fill(entry)
    return entry


def _mark_refused(mm: MmStruct, vpn: int) -> None:
    """Mark a 1 GiB leaf as accessed although it refuses the access, as some processors do (S12.1.5)."""
    if mm.kernel.platform.marks_refused_gigabytes:
        mm.tables.change(vpn, vpn + 1, lambda run: pte_mkyoung(run.bits))


def _fault(mm: MmStruct, vpn: int, write: bool, user: bool, *, keyed: bool) -> None:
    """Handle a page fault under mmap_lock, or under the VMA's own lock if no handler is called (S8.3.9)."""
    vma = mm.vma_lookup(vpn)
    if user and vma is not None and _has_own_lock(vma):
        contended = mm.mmap_lock.contended
        # A reverse map is created under mmap_lock, which is try-locked just for that (vmf_anon_prepare).
        if _needs_no_handler(vma, vpn) and not (contended and _lacks_reverse_map(vma, vpn, write)):
            with mm.vma_locks.read(vma):
                handle_mm_fault(mm, vpn, write, keyed=keyed)
            return
        if contended:
            with mm.vma_locks.read(vma):
                if _first_attempt(vma, vpn, write, keyed):
                    return
            user = False
    with mm.mmap_lock.read():
        handle_mm_fault(mm, vpn, write, user=user, keyed=keyed)


def _first_attempt(vma: Vma, vpn: int, write: bool, keyed: bool) -> bool:
    """If mmap_lock is contended, try the fault under the VMA's own lock; return True if that was enough.

    Before it needs mmap_lock, it creates page tables, and a leaf if one fits.
    """
    _check_access(vma, write, keyed)
    trace, tables = vma.mm.kernel.trace, vma.mm.tables
    trace.event("fault", vpn)
    if tables.entry(vpn) is not None:
        vma.mm.table_locks.pass_by(vpn)
        trace.event("wp_fault", vpn)
    elif vma.is_anonymous:
        tables.allocate(vpn, vpn + 1)
    else:
        if _huge_fault(vma, vpn):
            return True
        tables.allocate(vpn, vpn + 1, lowest=2)
    return False


def _has_own_lock(vma: Vma) -> bool:
    """True if the fault tries the VMA's own lock first, and gets it (lock_vma_under_rcu)."""
    return vma.mm.kernel.profile.faults_drop_the_vma_lock and not vma.mm.vma_locks.is_written(vma)


def _needs_no_handler(vma: Vma, vpn: int) -> bool:
    """True if the fault involves no driver: ordinary memory, a changed entry, or a file with no handler."""
    entry = vma.mm.tables.entry(vpn)
    if entry is None and _gives_nothing(vma):
        return True
    return vma.is_anonymous or (entry is not None and not _asks_driver(vma, entry))


def _gives_nothing(vma: Vma) -> bool:
    """True if empty entries stay empty because the file has no handler."""
    return vma.file is not None and not vma.file.has_fault


def _lacks_reverse_map(vma: Vma, vpn: int, write: bool) -> bool:
    """True if a write would create the VMA's first anonymous page."""
    if vma.flags & (VM_SHARED | VM_MAYSHARE) or vma.anon_vma is not None:
        return False
    return write and not (_gives_nothing(vma) and vma.mm.tables.entry(vpn) is None)


def _allows(entry: EntryRun, write: bool) -> bool:
    """True if the hardware performs the access without a fault."""
    return pte_present(entry.bits) and not pte_keyed(entry.bits) and (pte_write(entry.bits) or not write)


def handle_mm_fault(mm: MmStruct, vpn: int, write: bool, *, user: bool = False, keyed: bool = False) -> None:
    """Make the entry of page *vpn* ready for an access (S6.2).

    :param user: the access is the task's own
    :param keyed: a protection key blocked the access, whatever the VMA allows by now
    :raises Signal: SIGSEGV if there is no VMA or it forbids the access, SIGBUS if no handler fills the entry
    :raises FaultOom: if no page table could be allocated
    """
    vma = mm.vma_lookup(vpn)
    if vma is None:
        raise Signal("SIGSEGV", 1)
    _check_access(vma, write, keyed)
    fault_in(vma, vpn, write, user=user)


def _check_access(vma: Vma, write: bool, keyed: bool) -> None:
    """access_error(): SIGSEGV."""
    if keyed or vma.execute_only:
        raise Signal("SIGSEGV", 4)
    if not vma.flags & (VM_WRITE if write else VM_ACCESS):
        raise Signal("SIGSEGV", 2)


def fault_in(
    vma: Vma, vpn: int, write: bool, *, user: bool = False, unshare: bool = False, remote: bool = False
) -> None:
    """The fault proper, for an access that is allowed or forced.

    :param user: the access is the task's own, so the VMA's own lock is tried first
    :param unshare: make the page private to the task without accessing it (FAULT_FLAG_UNSHARE)
    :param remote: the access is made by another process, or a debugger (FAULT_FLAG_REMOTE)
    :raises Signal: SIGBUS if no handler fills the entry
    :raises FaultOom: if no page table could be allocated for it
    """
    mm = vma.mm
    mm.kernel.trace.event("fault", vpn)
    entry = mm.tables.entry(vpn)
    if entry is not None and mm.table_locks.changed(vpn, entry):
        # The access itself finds out whether it still needs to fault (S8.6.3).
        return
    if entry is not None and unshare:
        mm.kernel.trace.event("wp_fault", vpn)
        copy_on_write.unshare(vma, entry)
    elif entry is not None and write and not pte_write(entry.bits):
        mm.kernel.trace.event("wp_fault", vpn)
        if copy_on_write.meets_itself(vma, entry) or (user and _asks_driver(vma, entry)):
            mm.kernel.trace.event("fault", vpn)
            mm.kernel.trace.event("wp_fault", vpn)
        copy_on_write.do_wp_page(vma, entry)
    elif entry is not None:
        # Another fault has meanwhile made the entry allow the access (S6.2.4).
        mm.tables.change(vpn, vpn + 1, lambda run: pte_mkyoung(run.bits))
    elif vma.is_anonymous:
        _do_anonymous_page(vma, vpn, write)
    elif isinstance(vma.file, ShmemFile):
        mm.tables.allocate(vpn, vpn + 1, lowest=2)
        if not shmem_fault(vma, vma.file, vpn, write):
            raise Signal("SIGBUS", 2)
    elif vma.file is not None:
        if _huge_fault(vma, vpn):
            return
        # The tables down to the handler's level exist by now, even if the handler refuses (S12.3.5).
        mm.tables.allocate(vpn, vpn + 1, lowest=2)
        file = vma.file
        assert file is not None  # anonymous memory has been handled above
        if user and file.has_fault and _has_own_lock(vma):
            # The first attempt, under the VMA's own lock, may not call a handler, so the fault is repeated.
            mm.kernel.trace.event("fault", vpn)
        if file.fault is None:
            # A driver without a handler fills everything at mmap, so an empty entry stays empty (S6.2.3). If
            # the file has no handler, the kernel checks again; the sysfs handler simply refuses (S8.6.3).
            if not file.has_fault and mm.table_locks.changed(vpn, None):
                return
            raise Signal("SIGBUS", 2)
        if remote and isinstance(file, SpecialMapping) and file.refuses_remote:
            raise Signal("SIGBUS", 2)
        file.fault(vma, vpn, write)


def _huge_fault(vma: Vma, vpn: int) -> bool:
    """Ask the handler for leaves, largest first, if no lower table exists (S6.2.2)."""
    handler = vma.file.huge_fault if vma.file is not None else None
    if handler is None or not _allows_leaves(vma):
        return False
    tables = vma.mm.tables
    for level in (3, 2):
        if not tables.has_table(vpn, level - 1):
            tables.allocate(vpn, vpn + 1, lowest=level)
            if handler(vma, vpn, level):
                return True
    return False


def _allows_leaves(vma: Vma) -> bool:
    """thp_vma_allowable_orders(): advice and transparent_hugepage allow a leaf on a fault (S6.2.2)."""
    if vma.flags & VM_NOHUGEPAGE:
        return False
    if vma.file is not None and vma.mm.kernel.profile.huge_faults_ignore_thp:
        return True
    match vma.mm.kernel.platform.transparent_hugepage:
        case "always":
            return True
        case "madvise":
            return bool(vma.flags & VM_HUGEPAGE)
    return False


def _asks_driver(vma: Vma, entry: EntryRun) -> bool:
    """True if a first write calls the driver (S6.4.2a), which is impossible under the VMA's own lock.

    The first attempt is then abandoned; the second holds mmap_lock.
    """
    file = vma.file
    if not _has_own_lock(vma) or file is None or not vma.flags & VM_SHARED or entry.level > 1:
        return False
    return file.has_pfn_mkwrite if entry.page is None else file.has_page_mkwrite


def _do_anonymous_page(vma: Vma, vpn: int, write: bool) -> None:
    """First access to anonymous memory: map the zero page for a read, a new page for a write.

    :raises Signal: SIGBUS in a shared mapping, which here means that the file has no operations (S6.2.5a)
    :raises FaultOom: if no page table could be allocated
    :raises Undecided: if a huge page would fit and the setting allows it
    """
    if vma.flags & VM_SHARED:
        raise Signal("SIGBUS", 2)
    first = vpn - vpn % LEAF_PAGES[2]
    fits = vma.start <= first and first + LEAF_PAGES[2] <= vma.end
    if fits and not vma.special and not vma.mm.tables.has_table(vpn, 1) and _allows_leaves(vma):
        raise no_rule("huge pages of ordinary memory")
    if not pte_alloc(vma.mm, vpn):
        raise FaultOom(vpn)
    if write:
        copy_on_write.prepare_anon(vma)
    if vma.mm.table_locks.changed(vpn, None):
        return
    if write:
        copy_on_write.install_page(vma, vpn, 0, dirty=bool(vma.flags & VM_WRITE))
    else:
        vma.mm.tables.set(EntryRun(vpn, vpn + 1, copy_on_write.ZERO_PFN, vma.page_prot | PAGE_SPECIAL))


def finish_fault(vma: Vma, vpn: int, page: Page, *, write: bool) -> None:
    """Map the page that a handler returned: the page itself, or a copy for a private write (S6.2.7).

    Before a write to a shared mapping, page_mkwrite is called if the driver has it.
    """
    if vma.mm.table_locks.changed(vpn, None):
        return
    if write and not vma.flags & VM_SHARED:
        copy_on_write.install_page(vma, vpn, page.value)
    else:
        set_file_page(vma, vpn, page, write=write)
