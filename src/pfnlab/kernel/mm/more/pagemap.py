"""Reading a page map: page by page, or as regions of equal pages (S7.5)."""

import errno
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple

from pfnlab.base.errors import ModelledErrno
from pfnlab.kernel.hw.entry import pte_soft_dirty
from pfnlab.kernel.hw.pgtable import LEAF_PAGES
from pfnlab.kernel.mm.copy_on_write import ZERO_PFN
from pfnlab.kernel.mm.flags import VM_SOFTDIRTY
from pfnlab.kernel.mm.more.readers import answers, split_leaves_between
from pfnlab.kernel.mm.page_by_page import page_by_page
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.mm.walk_policy import WalkerPolicy


class Pagemap(NamedTuple):
    """One page in /proc/PID/pagemap."""

    present: bool = False
    exclusive: bool = False
    file: bool = False
    softdirty: bool = False


def pagemap(mm: MmStruct, start: int, end: int) -> list[Pagemap]:
    """Entries of /proc/self/pagemap from *start* on, as many as there are pages in ``[start, end)``.

    PFN mappings appear as holes or, without ``skipped_are_holes``, not at all; in that case the entries of
    later pages take their place (pagemap_read, S7.5.4).

    :raises Undecided: if there are too many pages
    """
    count = len(page_by_page(start, end))
    with mm.mmap_lock.read():
        for vma in mm.vmas_in(start, end):
            walker = mm.kernel.walkers.walk_page_range
            split_leaves_between(vma, max(vma.start, start), min(vma.end, end), walker)
        return [_pagemap(mm, vpn) for vpn in islice(_reported(mm, start), count)]


def _reported(mm: MmStruct, start: int) -> Iterator[int]:
    """The pages that walk_page_range reports, from *start* on."""
    vpn = start
    while True:
        vma = mm.vma_lookup(vpn)
        if vma is not None and not answers(vma):
            vpn = vma.end
            continue
        yield vpn
        vpn += 1


def _pagemap(mm: MmStruct, vpn: int) -> Pagemap:
    vma = mm.vma_lookup(vpn)
    if vma is None:
        return Pagemap()
    softdirty = bool(vma.flags & VM_SOFTDIRTY)
    walker = mm.kernel.walkers.walk_page_range
    if not walker.walk_page_test(vma):
        return Pagemap(softdirty=softdirty)
    entry = mm.table_locks.entry(vpn)
    if entry is None:
        return Pagemap(softdirty=softdirty)
    softdirty |= mm.kernel.profile.configuration.soft_dirty and pte_soft_dirty(entry.bits)
    if entry.page is None or not walker.vm_normal_page(vma, entry):
        return Pagemap(present=True, softdirty=softdirty)
    return Pagemap(True, entry.page.mapcount == 1, not entry.page.anonymous, softdirty)


class Region(NamedTuple):
    """Pages ``[start, end)``, all in the same categories, found by PAGEMAP_SCAN.

    :param written: not write-protected as far as the kernel knows
    :param zero: the zero page (PAGE_IS_PFNZERO)
    :param huge: a leaf
    """

    start: int
    end: int
    present: bool = False
    file: bool = False
    written: bool = False
    zero: bool = False
    huge: bool = False
    softdirty: bool = False

    def categories(self) -> list[str]:
        """The categories as observations write them."""
        named = {
            "present": self.present,
            "file": self.file,
            "written": self.written,
            "pfnzero": self.zero,
            "huge": self.huge,
            "soft-dirty": self.softdirty,
        }
        return [word for word, is_set in named.items() if is_set]


def pagemap_scan(mm: MmStruct, start: int, end: int) -> list[Region]:
    """ioctl PAGEMAP_SCAN on /proc/self/pagemap, for pages in any category (S7.5.12).

    Equal neighbours form one region, even across the border between VMAs.

    :raises ModelledErrno: ENOTTY if the kernel does not support it
    """
    if not mm.kernel.profile.pagemap_scans:
        raise ModelledErrno(errno.ENOTTY)
    walker = mm.kernel.walkers.walk_page_range
    regions: list[Region] = []
    with mm.mmap_lock.read():
        for vma in mm.vmas_in(start, end):
            # pagemap_scan_test_walk: a VMA that this walk skips is not a hole.
            if not walker.walk_page_test(vma):
                continue
            first, last = max(vma.start, start), min(vma.end, end)
            split_leaves_between(vma, first, last, walker)
            mm.table_locks.in_pieces(first, last, partial(_scan, regions, vma, walker))
    return regions


def _scan(regions: list[Region], vma: Vma, walker: WalkerPolicy, start: int, end: int) -> None:
    """Add the regions found in pages ``[start, end)`` of *vma*."""
    for found in _scanned(vma, start, end, walker):
        if found.categories():
            _join(regions, found)


def _scanned(vma: Vma, start: int, end: int, walker: WalkerPolicy) -> Iterator[Region]:
    """pagemap_page_category: categorize pages by entry and VMA, one run of entries at a time."""
    tables, profile = vma.mm.tables, vma.mm.kernel.profile
    always, written = bool(vma.flags & VM_SOFTDIRTY), profile.scan_takes_present_for_written
    at = start
    for run in (*tables.runs(start, end), None):
        yield from _empty(vma, at, end if run is None else run.start)
        if run is None:
            return
        softdirty = always or (profile.configuration.soft_dirty and pte_soft_dirty(run.bits))
        zero = run.page is None and run.pfn == ZERO_PFN
        file = run.page is not None and not run.page.anonymous and walker.vm_normal_page(vma, run)
        yield Region(run.start, run.end, True, file, written, zero, run.level > 1, softdirty)
        at = run.end


def _empty(vma: Vma, start: int, end: int) -> Iterator[Region]:
    """Pages without an entry, one page table at a time, because it may matter whether the table exists."""
    softdirty, counts = bool(vma.flags & VM_SOFTDIRTY), vma.mm.kernel.profile.scan_takes_empty_for_written
    while start < end:
        stop = min(end, (start // LEAF_PAGES[2] + 1) * LEAF_PAGES[2]) if counts else end
        yield Region(start, stop, written=counts and vma.mm.tables.has_table(start, 1), softdirty=softdirty)
        start = stop


def _join(regions: list[Region], found: Region) -> None:
    """pagemap_scan_push_range."""
    if regions and regions[-1].end == found.start and regions[-1][2:] == found[2:]:
        found = found._replace(start=regions.pop().start)
    regions.append(found)
