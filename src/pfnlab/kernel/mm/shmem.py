"""Shared anonymous memory, i.e. pages of an unnamed file (S6.2.6)."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pfnlab.base.errors import no_rule
from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.entry import pte_dirty, pte_mkdirty, pte_mkwrite, pte_mkyoung, pte_write
from pfnlab.kernel.hw.pgtable import EntryRun, Page
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.vma import MappedFile, Vma

#: Size of the aligned block of pages that a read maps, where they exist (fault_around_bytes).
FAULT_AROUND = 16


@dataclass(eq=False)
class ShmemFile(MappedFile):
    """The file behind one mmap(MAP_SHARED | MAP_ANONYMOUS), shared with children.

    :param size: the file size in pages, which is the size of the mmap
    :ivar pages: every page ever touched, by offset in pages
    """

    size: int
    pages: dict[int, Page] = field(default_factory=dict)

    kind = "anon"
    mapping = "shmem"
    write_notify = False
    has_fault = True
    fsync_errno = 0
    fallocate_errno = 0

    def punch_hole(self, pages: PfnRange) -> None:
        """shmem_truncate_range(): remove these pages, given by offset; they read as zero from now on."""
        for offset in [offset for offset in self.pages if pages.start <= offset < pages.end]:
            del self.pages[offset]


def shmem_fault(vma: Vma, file: ShmemFile, vpn: int, write: bool) -> bool:
    """Map the page at *vpn*, creating it on first touch; a read also maps its neighbours.

    :return: False past the end of the file, where a read still maps the neighbours
    """
    mm, shift = vma.mm, vma.pgoff - vma.start
    inside = vpn + shift < file.size
    if inside:
        touched = file.pages.setdefault(vpn + shift, Page(0, anonymous=False))
        touched.maker = touched.maker or mm.kernel.processors.task
    first = vpn - vpn % FAULT_AROUND
    around = (vpn,) if write else range(max(first, vma.start), min(first + FAULT_AROUND, vma.end))
    found = [(place, page) for place in around if (page := file.pages.get(place + shift)) is not None]
    if found:
        mm.table_locks.pass_by(vpn)
    for place, page in found:
        if mm.tables.entry(place) is None:
            set_file_page(vma, place, page, write=write)
    return inside


def set_file_page(vma: Vma, vpn: int, page: Page, *, write: bool) -> None:
    """set_pte_range: map *page*, which is not anonymous, in an empty entry (S6.2.6, S6.2.7)."""
    profile = vma.mm.kernel.profile
    page.mapcount += 1
    page.dirty |= write
    bits = pte_mkyoung(vma.page_prot)
    if write:
        bits = pte_mkwrite(bits, profile.saved_dirty)
    if write or (page.dirty and pte_write(bits) and profile.dirty_file_pages_stay_so):
        bits = pte_mkdirty(bits, profile.saved_dirty)
    vma.mm.tables.set(EntryRun(vpn, vpn + 1, 0, bits, page))


def dirtied(cleared: Iterable[EntryRun]) -> bool:
    """Mark the file pages of dirty entries as dirty; True if there are any.

    By then, no translation may allow writing to such a page any more (S8.1.9).
    """
    dirty_runs = [run for run in cleared if is_dirty_file_page(run)]
    for run in dirty_runs:
        assert run.page is not None
        run.page.dirty = True
    return bool(dirty_runs)


def is_dirty_file_page(run: EntryRun) -> bool:
    """True for an entry through which a file page was written."""
    return run.page is not None and not run.page.anonymous and pte_dirty(run.bits)


def check_offsets_of_device(mm: MmStruct, start: int, end: int) -> None:
    """Refuse remap_file_pages on memory whose file offsets are not device pages, where its effect is unknown.

    :raises Undecided: if ``[start, end)`` contains such memory
    """
    if any(isinstance(vma.file, ShmemFile) for vma in mm.vmas_in(start, end)):
        raise no_rule("remap_file_pages of shared anonymous memory")
    if any(vma.file is not None and vma.file.mapping == "perf" for vma in mm.vmas_in(start, end)):
        raise no_rule("remap_file_pages of a buffer of perf")
