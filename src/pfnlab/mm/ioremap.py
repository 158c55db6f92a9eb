"""ioremap: the kernel maps a device for itself, and books it like anybody else (S9.6)."""

from __future__ import annotations

import errno

from pfnlab.errors import ModelledErrno
from pfnlab.hw.cachemode import CacheMode
from pfnlab.hw.physmap import is_new_memtype_allowed
from pfnlab.mm.kernel import Kernel
from pfnlab.units import PAGE_SIZE, PfnRange, pfn_to_phys


def ioremap(kernel: Kernel, pfns: PfnRange, mode: CacheMode) -> None:
    """Map *pfns* for the kernel; the book grants *mode* or another that will do.

    :raises ModelledErrno: ENOMEM, for a NULL pointer
    """
    if touches_ram(kernel, pfns):
        kernel.warn_once("arch/x86/mm/ioremap.c", f"ioremap on RAM at {_bytes(pfns)}")
        raise ModelledErrno(errno.ENOMEM)
    start, end = pfn_to_phys(pfns.start), pfn_to_phys(pfns.end)
    try:
        granted = kernel.book.reserve(start, end, mode, who=kernel.who)
    except ModelledErrno as refused:
        kernel.trace.printk(f"ioremap memtype_reserve failed {-refused.errno}")
        raise ModelledErrno(errno.ENOMEM) from None
    if granted != mode and not is_new_memtype_allowed(
        kernel.platform.phys, start, pfns.nr * PAGE_SIZE, mode, granted
    ):
        kernel.trace.printk(
            f"ioremap error for {start:#x}-{end:#x}, requested {mode.value:#x}, got {granted.value:#x}"
        )
        kernel.book.free(start, end, who=kernel.who)
        raise ModelledErrno(errno.ENOMEM)
    kernel.book.kernel_map_sync(start, pfns.nr * PAGE_SIZE, granted)


def touches_ram(kernel: Kernel, pfns: PfnRange) -> bool:
    """Whether *pfns* are memory, which has its place in the direct map (S9.6.1)."""
    return kernel.platform.phys.page_is_ram(pfns.start)


def _bytes(pfns: PfnRange) -> str:
    return f"{pfn_to_phys(pfns.start):#018x} - {pfn_to_phys(pfns.end) - 1:#018x}"


def iounmap(kernel: Kernel, pfns: PfnRange) -> None:
    """The kernel's own mapping goes, and its one entry with it."""
    kernel.book.free(pfn_to_phys(pfns.start), pfn_to_phys(pfns.end), who=kernel.who)
