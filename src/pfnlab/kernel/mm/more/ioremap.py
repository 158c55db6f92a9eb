"""ioremap: the kernel maps a device for itself, and books it like anybody else (S9.6)."""

from __future__ import annotations

import errno

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PAGE_SIZE, PfnRange, pfn_to_phys
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.physmap import is_new_memtype_allowed
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.more.aperture import leaves_resource


def warn_about_ram(kernel: Kernel) -> None:
    """Ordinary memory in use is not mapped a second time; the kernel says so once (S9.6)."""
    kernel.warn_once("arch/x86/mm/ioremap.c", "ioremap on RAM at 0x100000000 - 0x100000fff")


def ioremap(kernel: Kernel, pfns: PfnRange, mode: CacheMode) -> None:
    """Map *pfns* for the kernel; the book grants *mode* or another that will do.

    :raises ModelledErrno: ENOMEM, for a NULL pointer
    """
    start, end = pfn_to_phys(pfns.start), pfn_to_phys(pfns.end)
    if is_memory(kernel, pfns):
        warn_about_ram(kernel)
        raise ModelledErrno(errno.ENOMEM)
    try:
        granted = kernel.book.reserve(start, end, mode, who=kernel.who)
    except ModelledErrno as error:
        kernel.trace.printk(f"ioremap memtype_reserve failed {-error.errno}", "err")
        raise ModelledErrno(errno.ENOMEM) from None
    if granted != mode and not is_new_memtype_allowed(
        kernel.platform.phys, start, pfns.nr * PAGE_SIZE, mode, granted
    ):
        kernel.trace.printk(
            f"ioremap error for {start:#x}-{end:#x}, requested {mode.value:#x}, got {granted.value:#x}",
            "err",
        )
        kernel.book.free(start, end, who=kernel.who)
        raise ModelledErrno(errno.ENOMEM)
    kernel.book.kernel_map_sync(start, pfns.nr * PAGE_SIZE, granted)
    if leaves_resource(kernel, pfns):
        kernel.trace.printk("caller CODE mapping multiple BARs")


def is_memory(kernel: Kernel, pfns: PfnRange) -> bool:
    """True where *pfns* are ordinary memory, which has its place in the direct map (S9.6.1).

    RAM below 1 MiB is in no use, so that it may be mapped, and the book's test is good enough.
    """
    return kernel.platform.phys.pat_pagerange_is_ram(pfn_to_phys(pfns.start), pfn_to_phys(pfns.end)) != 0


def iounmap(kernel: Kernel, pfns: PfnRange) -> None:
    """The kernel's own mapping goes, and its one entry with it; TLBs keep it for a while (S2.8.6)."""
    kernel.book.free(pfn_to_phys(pfns.start), pfn_to_phys(pfns.end), who=kernel.who)
    kernel.processors.unflushed = True
