"""pfnmap_track and pfnmap_untrack: frames are booked for whoever remembers them, and freed (S4.4)."""

from __future__ import annotations

from pfnlab.mm.kernel import Kernel
from pfnlab.units import PAGE_SIZE, PfnRange, pfn_to_phys


def pfnmap_track(kernel: Kernel, pfns: PfnRange, prot: int) -> int:
    """Book *pfns* for a mapping with the protection *prot*.

    :return: the protection to map with; its cache mode is the one granted
    :raises ModelledErrno: EINVAL when that one will not do, else what the book says
    """
    kernel.trace.event("track_pfn", pfns.start)
    return kernel.book.reserve_pfn_range(
        pfn_to_phys(pfns.start), pfns.nr * PAGE_SIZE, prot, strict=False, who=kernel.who
    )


def pfnmap_untrack(kernel: Kernel, pfns: PfnRange) -> None:
    """Free *pfns*, exactly as they were booked."""
    with kernel.processors.inside("pfnmap_untrack"):
        kernel.trace.event("untrack_pfn", pfns.start)
        kernel.book.free_pfn_range(pfn_to_phys(pfns.start), pfns.nr * PAGE_SIZE, who=kernel.who)
