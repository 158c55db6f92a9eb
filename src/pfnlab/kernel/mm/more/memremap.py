"""memremap and memremap_pages: map memory for the kernel, or use a device as memory (S9.7, S4.9)."""

import errno

from pfnlab.base.errors import ModelledErrno, no_rule
from pfnlab.base.units import PAGE_SIZE, PfnRange, pfn_to_phys
from pfnlab.kernel.hw.bits import PAGE_PAT
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.physmap import is_new_memtype_allowed
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.more.aperture import leaves_resource

#: Struct pages are created in sections of 128 MiB.
SECTION_PAGES = 1 << 15


def memremap(kernel: Kernel, pfns: PfnRange, mode: CacheMode) -> None:
    """Map *pfns* as memory: RAM is in the direct map already, anything else is ioremapped.

    :raises ModelledErrno: ENOMEM, for a NULL pointer
    """
    is_ram = _is_ram(kernel, pfns)
    start, size = pfn_to_phys(pfns.start), pfns.nr * PAGE_SIZE
    if is_ram is None:
        kernel.warn_once("kernel/iomem.c", f"memremap attempted on mixed range {start:#018x} size: {size:#x}")
        raise ModelledErrno(errno.ENOMEM)
    if not is_ram:
        ioremap(kernel, pfns, mode)
    elif mode is not CacheMode.WB:
        kernel.warn_once("kernel/iomem.c", f"memremap attempted on ram {start:#018x} size: {size:#x}")
        raise ModelledErrno(errno.ENOMEM)


def memunmap(kernel: Kernel, pfns: PfnRange) -> None:
    """Undo :func:`memremap`; the direct map stays."""
    if not _is_ram(kernel, pfns):
        iounmap(kernel, pfns)


def _is_ram(kernel: Kernel, pfns: PfnRange) -> bool | None:
    """True if *pfns* are System RAM, even below 1 MiB; None if only part of them is."""
    return kernel.platform.phys.region_intersects(pfn_to_phys(pfns.start), pfn_to_phys(pfns.end))


def memremap_pages(kernel: Kernel, pfns: PfnRange, mode: CacheMode, taken: bool = False) -> None:
    """Create struct pages for the device frames *pfns*, and reserve them like remap_pfn_range (S4.9).

    :param mode: the mode that this kind of memory requests
    :param taken: some of the frames already have struct pages
    :raises ModelledErrno: the memtype list's error: EBUSY if another mode is present, EINVAL if the granted
        mode is not acceptable; EEXIST if some frames are taken
    :raises Undecided: if they span more than one section, so that only some would be done
    """
    prot = kernel.platform.pat.cachemode2protval(mode)
    if kernel.tracker.memremap_pages(pfns, prot) & PAGE_PAT:
        # The direct map gets large entries, where this bit marks a leaf (prot_sethuge).
        kernel.warn_on_once("arch/x86/mm/init_64.c", "prot_sethuge")
    if taken:
        if pfns.nr > SECTION_PAGES:
            raise no_rule("struct pages of several sections that overlap others")
        kernel.warn_on_once("arch/x86/mm/init_64.c", "add_pages")
        kernel.tracker.memunmap_pages(pfns)
        raise ModelledErrno(errno.EEXIST)
    if kernel.profile.zone_device_announced:
        kernel.trace.printk(f"memmap_init_zone_device initialised {pfns.nr} pages in Nms", "debug")


def memunmap_pages(kernel: Kernel, pfns: PfnRange) -> None:
    """Remove the struct pages and their memtype entry."""
    kernel.tracker.memunmap_pages(pfns)


def warn_about_ram(kernel: Kernel) -> None:
    """Warn once that ordinary memory in use cannot be mapped again (S9.6)."""
    kernel.warn_once("arch/x86/mm/ioremap.c", "ioremap on RAM at 0x100000000 - 0x100000fff")


def ioremap(kernel: Kernel, pfns: PfnRange, mode: CacheMode) -> None:
    """Map *pfns* for the kernel, with *mode* or an acceptable one that the memtype list grants.

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
            f"ioremap error for {start:#x}-{end:#x}, requested {mode.value:#x}, got {granted.value:#x}", "err"
        )
        kernel.book.free(start, end, who=kernel.who)
        raise ModelledErrno(errno.ENOMEM)
    kernel.book.kernel_map_sync(start, pfns.nr * PAGE_SIZE, granted)
    if leaves_resource(kernel, pfns):
        kernel.trace.printk("caller CODE mapping multiple BARs")


def is_memory(kernel: Kernel, pfns: PfnRange) -> bool:
    """True if *pfns* are ordinary memory, which the direct map contains (S9.6.1).

    RAM below 1 MiB is not in use and may be mapped, so the memtype list's test is good enough.
    """
    return kernel.platform.phys.pat_pagerange_is_ram(pfn_to_phys(pfns.start), pfn_to_phys(pfns.end)) != 0


def iounmap(kernel: Kernel, pfns: PfnRange) -> None:
    """Remove the kernel's own mapping and its single entry; TLBs keep it for a while (S2.8.6)."""
    kernel.book.free(pfn_to_phys(pfns.start), pfn_to_phys(pfns.end), who=kernel.who)
    kernel.processors.unflushed = True
