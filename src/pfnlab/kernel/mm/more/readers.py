"""Other ways of reading a mapping: page-table walkers, and reads by other processes (S7)."""

import errno
from contextlib import suppress
from typing import NamedTuple

from pfnlab.base.errors import ModelledErrno, machine_decides, no_rule
from pfnlab.base.units import PAGE_SIZE
from pfnlab.kernel.hw.entry import pte_dirty, pte_present
from pfnlab.kernel.hw.pgtable import LEAF_PAGES, EntryRun
from pfnlab.kernel.hw.tlb import Tlb
from pfnlab.kernel.mm.content import word
from pfnlab.kernel.mm.copy_on_write import ZERO_PFN
from pfnlab.kernel.mm.fault import FaultOom, Signal, access
from pfnlab.kernel.mm.flags import VM_IO, VM_LOCKED, VM_PFNMAP
from pfnlab.kernel.mm.more.gup import get_user_page_fast
from pfnlab.kernel.mm.more.smap_counts import SmapCounts
from pfnlab.kernel.mm.page_by_page import page_by_page
from pfnlab.kernel.mm.shmem import ShmemFile
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.table_locks import PageTable
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.mm.walk_policy import WalkerPolicy

#: A fault has restored a leaf between its being split and walked (S7.5.3a): the kernel stops with an oops.
WALKED_LEAF = "walked a leaf as a table"

#: Page size in kB.
_PAGE_KB = PAGE_SIZE // 1024


def pipe_write(mm: MmStruct, tlb: Tlb, vpn: int) -> int:
    """Write one word of the page to a pipe: copy_from_user, which faults like a load (S7.6.4).

    :raises ModelledErrno: EFAULT
    """
    for _ in range(2 if mm.kernel.profile.copies_fault_twice else 1):
        with suppress(Signal, FaultOom):
            return access(mm, tlb, vpn, user=False)
    raise ModelledErrno(errno.EFAULT)


def vmsplice(mm: MmStruct, vpn: int) -> int:
    """Put the page itself into a pipe (S7.2); return its first word.

    :raises ModelledErrno: EFAULT; EEXIST for an entry without a page
    """
    return _word(mm, get_user_page_fast(mm, vpn))


def futex_wake(mm: MmStruct, vpn: int) -> int:
    """Wake the waiters of a shared futex in the page; there are none here.

    The key is derived from the page, which must be writable; if it is not, a second attempt only reads it.

    :raises ModelledErrno: EFAULT; EEXIST for an entry without a page
    """
    try:
        entry = get_user_page_fast(mm, vpn, write=True)
    except ModelledErrno as error:
        if error.errno != errno.EFAULT:
            raise
        entry = get_user_page_fast(mm, vpn)
        if entry.page is None or entry.page.anonymous:
            # A private page, or the zero page, whose content could never change.
            raise
    vma = mm.vma_lookup(vpn)
    if entry.page is not None and not entry.page.anonymous and not (vma is not None and vma.has_file_pages):
        # A driver's page belongs to no file, so no key can be derived from it.
        raise ModelledErrno(errno.EFAULT)
    return 0


def move_pages(mm: MmStruct, start: int, end: int, *, moves: bool) -> list[str]:
    """move_pages(2): where each page is: ``node0``, or an errno (S7.5).

    :param moves: True to move pages to node 0, where they all are (do_pages_move); False to pass NULL as
        the nodes (do_pages_stat)
    :raises Undecided: if there are too many pages
    """
    pages = page_by_page(start, end)
    if moves:
        mm.kernel.lru_cache_disable()
        return [_moved_status(mm, vpn) for vpn in pages]
    with mm.mmap_lock.read():
        return [_status(mm, vpn) for vpn in pages]


def _moved_status(mm: MmStruct, vpn: int) -> str:
    """add_folio_for_migration: VMAs that are not migratable are refused, whatever they contain (S7.5.10)."""
    with mm.mmap_lock.read():
        vma = mm.vma_lookup(vpn)
        if vma is None or vma.flags & (VM_IO | VM_PFNMAP):
            return "EFAULT"
        return _status(mm, vpn)


def _status(mm: MmStruct, vpn: int) -> str:
    walker = mm.kernel.walkers.folio_walk_start
    vma = mm.vma_lookup(vpn)
    if vma is None:
        return "EFAULT"
    if not walker.walk_page_test(vma):
        return "ENOENT"
    entry = mm.table_locks.entry(vpn)
    if mm.kernel.profile.move_pages_walks_folios:
        if entry is not None and entry.page is None and entry.pfn == ZERO_PFN:
            return "EFAULT"
        return "node0" if entry is not None and walker.vm_normal_page(vma, entry) else "ENOENT"
    if entry is None:
        return "ENOENT" if vma.file is not None and vma.file.has_fault else "EFAULT"
    if not pte_present(entry.bits):
        return "ENOENT"
    return "node0" if walker.vm_normal_page(vma, entry) else "EFAULT"


class NumaCounts(NamedTuple):
    """The counts for one VMA in /proc/PID/numa_maps."""

    start: int
    pages: int
    anonymous: int
    dirty: int
    mapmax: int


def numa_maps(mm: MmStruct, start: int, end: int) -> list[NumaCounts]:
    """The VMAs beginning in ``[start, end)`` for which /proc/self/numa_maps counts any pages (S7.5).

    The task reads the whole file, so all VMAs are walked.
    """
    with mm.mmap_lock.read():
        vmas = list(mm)
        counts = []
        for vma in vmas:
            runs = _walked_runs(vma)
            if start <= vma.start < end:
                counts.append(_numa_counts(vma, runs))
    return [count for count in counts if count.pages]


def _numa_counts(vma: Vma, runs: list[EntryRun]) -> NumaCounts:
    pages = sum(run.end - run.start for run in runs)
    anonymous = sum(run.page is None or run.page.anonymous for run in runs)
    dirty = sum(pte_dirty(run.bits) or (run.page is not None and run.page.dirty) for run in runs)
    return NumaCounts(vma.start, pages, anonymous, dirty, max((map_count(run) for run in runs), default=0))


def normal_runs(vma: Vma, walker: WalkerPolicy, entries: list[EntryRun] | None = None) -> list[EntryRun]:
    """The runs of *vma*'s entries that *walker* treats as ordinary pages.

    :param entries: the entries to test; None means all
    """
    if not walker.walk_page_test(vma):
        return []
    if entries is None:
        entries = vma.mm.tables.runs(vma.start, vma.end)
    return [run for run in entries if walker.vm_normal_page(vma, run)]


def _walked_runs(vma: Vma) -> list[EntryRun]:
    """The ordinary pages that the smaps, smaps_rollup and numa_maps walk finds, one page table at a time.

    The walk ignores 1 GiB leaves (S7.5.3).
    """
    mm, walker = vma.mm, vma.mm.kernel.walkers.walk_page_vma
    if not walker.walk_page_test(vma):
        return []
    split_leaves_between(vma, vma.start, vma.end, walker)
    runs: list[EntryRun] = []
    mm.table_locks.in_pieces(
        vma.start,
        vma.end,
        lambda first, stop: runs.extend(normal_runs(vma, walker, mm.tables.runs(first, stop))),
    )
    return runs


def map_count(run: EntryRun) -> int:
    """Number of entries that map the page; a bare frame, which no walker should accept, counts as one."""
    return run.page.mapcount if run.page is not None else 1


def smap_counts(vma: Vma) -> SmapCounts:
    """The pages that smaps counts: ordinary ones, which not every kernel counts in PFN mappings (S7.5)."""
    return _counted(normal_runs(vma, vma.mm.kernel.walkers.walk_page_vma))


def memory_counts(vma: Vma) -> SmapCounts:
    """The same counts, from the pages themselves: a walker must not mistake a device frame for memory."""
    return _counted([run for run in vma.mm.tables.runs(vma.start, vma.end) if run.page is not None])


def _counted(runs: list[EntryRun]) -> SmapCounts:
    return SmapCounts.of(
        ((run.end - run.start, map_count(run)) for run in runs),
        anonymous=sum(run.page is not None and run.page.anonymous for run in runs),
    )


class Smap(NamedTuple):
    """A VMA in /proc/PID/smaps: pages ``[start, end)``, and Rss in kB."""

    start: int
    end: int
    rss: int


def smaps(mm: MmStruct, start: int, end: int) -> list[Smap]:
    """The VMAs overlapping ``[start, end)`` in /proc/self/smaps, which the task reads to the end (S7.5)."""
    return [found for found in _smaps(mm) if found.end > start and found.start < end]


def _smaps(mm: MmStruct) -> list[Smap]:
    """All VMAs one by one, under mmap_lock or under each VMA's own lock (S7.5.9)."""
    found: list[Smap] = []
    if not mm.kernel.profile.smaps_locks_vmas:
        with mm.mmap_lock.read():
            vmas = list(mm)
            for vma in vmas:
                found.append(_smap(vma))
        return found
    at = 0
    while (next_vma := mm.find_vma(at)) is not None:
        if not mm.vma_locks.is_written(next_vma):
            with mm.vma_locks.read(next_vma):
                found.append(_smap(next_vma))
        else:
            # It waits for the lock, by which time the VMA may be gone.
            with mm.mmap_lock.read():
                if (left := mm.find_vma(at)) is None:
                    return found
                found.append(_smap(left))
        at = found[-1].end
    return found


def _smap(vma: Vma) -> Smap:
    return Smap(vma.start, vma.end, _counted(_walked_runs(vma)).rss)


class Rollup(NamedTuple):
    """The amounts that some VMAs contribute to the sums in /proc/PID/smaps_rollup, in kB."""

    rss: int
    anonymous: int


def smaps_rollup(mm: MmStruct, start: int, end: int) -> Rollup:
    """The amounts that VMAs overlapping ``[start, end)`` contribute to /proc/self/smaps_rollup (S7.5.11).

    Every kernel walks all of the task's VMAs, holding mmap_lock throughout.
    """
    with mm.mmap_lock.read():
        vmas = list(mm)
        counts = []
        for vma in vmas:
            count = _counted(_walked_runs(vma))
            if vma.end > start and vma.start < end:
                counts.append(count)
    return Rollup(sum(count.rss for count in counts), sum(count.anonymous for count in counts))


def split_leaves(mm: MmStruct) -> None:
    """Split 1 GiB leaves, which the smaps, smaps_rollup and numa_maps walk cannot handle (S7.5.3)."""
    walker, vmas = mm.kernel.walkers.walk_page_vma, list(mm)
    for vma in vmas:
        split_leaves_between(vma, vma.start, vma.end, walker)


def split_leaves_between(vma: Vma, start: int, end: int, walker: WalkerPolicy) -> None:
    """Drop 1 GiB leaves, so that the next access faults; 2 MiB leaves are only read."""
    if not walker.walk_page_test(vma):
        return
    mm, pages = vma.mm, LEAF_PAGES[3]
    runs = [run for run in mm.tables.runs(start, end) if run.level == 3]
    leaves = [leaf for run in runs for leaf in range(run.start - run.start % pages, run.end, pages)]
    for leaf in leaves:
        while (found := mm.tables.entry(leaf)) is not None and found.level == 3:
            with mm.table_locks.holding(PageTable.of(leaf, 3)):
                mm.tables.clear(leaf, leaf + pages)
                mm.flush_tlb(leaf, leaf + pages)
            with mm.kernel.processors.inside("walk_pmd_range"):
                found = mm.tables.entry(leaf)
            if mm.kernel.profile.walk_trusts_split:
                if found is not None and found.level == 3:
                    mm.kernel.trace.misuses.add(WALKED_LEAF)
                break


def answers(vma: Vma) -> bool:
    """True if walk_page_range enters *vma*, or calls pte_hole for it (walk_page_test)."""
    kernel = vma.mm.kernel
    return kernel.profile.skipped_are_holes or kernel.walkers.walk_page_range.walk_page_test(vma)


def mincore(mm: MmStruct, start: int, end: int) -> tuple[int, str]:
    """mincore(2), with a vector filled with zeros (S7.5.6).

    :return: the errno, and one digit per page; at a hole, ENOMEM and the digits before it
    :raises Undecided: if the walk reports nothing for a VMA, or there are too many pages
    """
    digits: list[str] = []
    walker = mm.kernel.walkers.walk_page_range
    with mm.mmap_lock.read():
        for vpn in page_by_page(start, end):
            vma = mm.vma_lookup(vpn)
            if vma is None:
                return errno.ENOMEM, "".join(digits).ljust(end - start, "0")
            if vpn in (start, vma.start) and not mm.kernel.profile.mincore_walks:
                split_leaves_between(vma, vpn, min(vma.end, end), walker)
            if not (answers(vma) or mm.kernel.profile.mincore_walks):
                raise machine_decides("mincore returns uninitialised bytes for a mapping that the walk skips")
            if vma.file is not None and vma.i_mapping is None:
                # Only the file's owner may see which pages are in memory; without a file, this is
                # hidden (can_do_mincore).
                digits.append("1")
                continue
            walks = vma.file is None or mm.kernel.profile.mincore_walks or walker.walk_page_test(vma)
            resident = (walks and mm.table_locks.entry(vpn) is not None) or _in_memory(vma, vpn)
            digits.append("1" if resident else "0")
    return 0, "".join(digits)


def _in_memory(vma: Vma | None, vpn: int) -> bool:
    """True if the file has the page in memory, whether or not it is mapped here."""
    file = vma.file if vma is not None else None
    return vma is not None and isinstance(file, ShmemFile) and vma.pgoff + vpn - vma.start in file.pages


def userfaultfd(mm: MmStruct, start: int, end: int) -> None:
    """Register the pages with a userfaultfd for missing pages, then close it again.

    :raises ModelledErrno: EINVAL if any of the mapped memory is not ordinary, or if nothing is mapped
    :raises Undecided: if all of it is ordinary memory, as its VMAs would split and merge during the call
    """
    with mm.mmap_lock.write():
        vmas = mm.vmas_in(start, end)
        if not vmas or any(vma.special and not vma.is_anonymous for vma in vmas):
            raise ModelledErrno(errno.EINVAL)
    raise no_rule("a userfaultfd on ordinary memory")


class LockedMemory(NamedTuple):
    """Locked and pinned memory as shown in /proc/PID/status, in kB.

    :param locked: unknown (``None``) if mlockall has locked the program's own memory too
    """

    locked: int | None
    pinned: int


def status(mm: MmStruct) -> LockedMemory:
    """Return VmLck and VmPin; VmPin is 0 because nothing modelled pins pages."""
    if mm.def_flags & VM_LOCKED:
        return LockedMemory(None, 0)
    return LockedMemory((mm.locked + mm.locked_leak) * _PAGE_KB, 0)


def _word(mm: MmStruct, entry: EntryRun) -> int:
    """The first word of the page that an entry maps."""
    return word(entry.page.value if entry.page is not None else mm.kernel.load(entry.pfn))
