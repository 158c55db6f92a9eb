"""pfnmap_track and pfnmap_untrack: reserve and free frames for a caller that keeps track of them (S4.4).

Partial remaps and inserts reserve nothing and only look up the cache mode (S3.1.2, S4.2).
"""

import errno

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PAGE_SIZE, PfnRange, pages_of, pfn_to_phys, phys_to_pfn
from pfnlab.kernel.hw.pgprot import pgprot_set_cachemode
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.memtype import MemtypeBook


def pfnmap_track(kernel: Kernel, pfns: PfnRange, prot: int) -> int:
    """Reserve *pfns* for a mapping with protection *prot*.

    :return: the protection to map with, containing the granted cache mode
    :raises ModelledErrno: EINVAL if that mode is not acceptable, otherwise the memtype list's error;
        ENOMEM if forced to fail
    """
    if kernel.failures.fails("pfnmap_track"):
        raise ModelledErrno(errno.ENOMEM)
    kernel.trace.event("track_pfn", pfns.start)
    return kernel.book.reserve_pfn_range(
        pfn_to_phys(pfns.start), pfns.nr * PAGE_SIZE, prot, strict=False, who=kernel.who
    )


def pfnmap_untrack(kernel: Kernel, pfns: PfnRange) -> None:
    """Free *pfns*, which must be exactly the range that was reserved."""
    with kernel.processors.inside("pfnmap_untrack"):
        kernel.trace.event("untrack_pfn", pfns.start)
        kernel.book.free_pfn_range(pfn_to_phys(pfns.start), pfns.nr * PAGE_SIZE, who=kernel.who)


def pfnmap_is_tracked(kernel: Kernel, pfns: PfnRange) -> bool:
    """True if calling :func:`pfnmap_track` for exactly these frames creates a memtype entry.

    It creates none without PAT, for the ISA range, or for a range containing any RAM. No kernel tests this.
    Pass the whole range: a part of it without RAM would seem to have an entry (S2.10.2).
    """
    platform, start, end = kernel.book.platform, pfn_to_phys(pfns.start), pfn_to_phys(pfns.end)
    return (
        platform.pat_enabled
        and not platform.phys.is_untracked(start, end)
        and not platform.phys.pat_pagerange_is_ram(start, end)
    )


def lookup_prot(book: MemtypeBook, pfns: PfnRange, prot: int) -> int:
    """*prot* with the one cache mode that the lookup finds for all of *pfns*; the requested mode is ignored.

    :raises ModelledErrno: EINVAL if pages have different modes
    """
    if not book.platform.pat_enabled:
        return prot
    modes = {book.lookup(pfn_to_phys(pfn)) for pfn in _borders(book, pfns)}
    if len(modes) > 1:
        raise ModelledErrno(errno.EINVAL)
    return pgprot_set_cachemode(prot, modes.pop(), book.platform.pat)


def _borders(book: MemtypeBook, pfns: PfnRange) -> set[int]:
    """The pages in *pfns* where the cache mode may change; the cost is proportional to their number."""
    edges = [(entry.start, entry.end) for entry in (*book.entries(), *book.ram_types())]
    edges += [(resource.start, resource.end) for resource in book.platform.phys.resources]
    borders = {pfns.start}
    for start, end in edges:
        borders |= {phys_to_pfn(start), pages_of(start), phys_to_pfn(end), pages_of(end)}
    # The ISA hole and the end of low memory have special rules (S1.11).
    borders |= {0xA0, 0x100}
    return {pfn for pfn in borders if pfns.start <= pfn < pfns.end}
