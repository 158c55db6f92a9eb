"""The cache mode of a range nobody reserves: partial remaps and inserts ask the book (S3.1.2, S4.2)."""

from __future__ import annotations

import errno

from pfnlab.errors import ModelledErrno
from pfnlab.hw.pgprot import pgprot_set_cachemode
from pfnlab.mm.memtype import MemtypeBook
from pfnlab.units import PfnRange, pages_of, pfn_to_phys, phys_to_pfn


def lookup_prot(book: MemtypeBook, pfns: PfnRange, prot: int) -> int:
    """*prot* with the one cache mode every page of *pfns* looks up; what was asked for is ignored.

    :raises ModelledErrno: EINVAL when the pages disagree
    """
    if not book.platform.pat_enabled:
        return prot
    modes = {book.lookup(pfn_to_phys(pfn)) for pfn in _borders(book, pfns)}
    if len(modes) > 1:
        raise ModelledErrno(errno.EINVAL)
    return pgprot_set_cachemode(prot, modes.pop(), book.platform.pat)


def _borders(book: MemtypeBook, pfns: PfnRange) -> set[int]:
    """The pages of *pfns* at which the answer may change: its cost is the number of borders there."""
    edges = [(entry.start, entry.end) for entry in (*book.entries(), *book.ram_types())]
    edges += [(resource.start, resource.end) for resource in book.platform.phys.resources]
    borders = {pfns.start}
    for start, end in edges:
        borders |= {phys_to_pfn(start), pages_of(start), phys_to_pfn(end), pages_of(end)}
    # The ISA hole and the end of low memory answer by rules of their own (S1.11).
    borders |= {0xA0, 0x100}
    return {pfn for pfn in borders if pfns.start <= pfn < pfns.end}
