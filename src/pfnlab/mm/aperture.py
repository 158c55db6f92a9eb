"""Apertures that graphics drivers book before any mapping (S2.7, S9.8), and cache modes of memory (S2.9)."""

from __future__ import annotations

from pfnlab.hw.cachemode import CacheMode
from pfnlab.mm.kernel import Kernel
from pfnlab.units import PfnRange, pfn_to_phys


def arch_io_reserve_memtype_wc(kernel: Kernel, pfns: PfnRange) -> None:
    """Book *pfns* as write-combining, for inserts to find.

    :raises ModelledErrno: EBUSY where they have a weaker mode already, or two modes
    """
    kernel.book.reserve_io(pfn_to_phys(pfns.start), pfn_to_phys(pfns.end), CacheMode.WC, who=kernel.who)


def arch_io_free_memtype_wc(kernel: Kernel, pfns: PfnRange) -> None:
    """Free an entry of exactly *pfns*, of any owner."""
    kernel.book.free(pfn_to_phys(pfns.start), pfn_to_phys(pfns.end), who=kernel.who)


def set_memory(kernel: Kernel, pfns: PfnRange, mode: CacheMode) -> None:
    """set_memory_wb, set_memory_wc or set_memory_uc on pages of RAM.

    :raises ModelledErrno: EBUSY when one of them has a mode already
    """
    kernel.book.set_memory(pfn_to_phys(pfns.start), pfn_to_phys(pfns.end), mode, who=kernel.who)
