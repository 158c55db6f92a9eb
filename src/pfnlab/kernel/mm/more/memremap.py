"""memremap and memremap_pages: the kernel maps memory, or a device as memory (S9.7, S4.9)."""

from __future__ import annotations

import errno

from pfnlab.base.errors import ModelledErrno, Undecided, Why
from pfnlab.base.units import PAGE_SIZE, PfnRange, pfn_to_phys
from pfnlab.kernel.hw.bits import PAGE_PAT
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.more.ioremap import ioremap, iounmap

#: Struct pages are made section by section, of 128 MiB.
SECTION_PAGES = 1 << 15


def memremap(kernel: Kernel, pfns: PfnRange, mode: CacheMode) -> None:
    """Map *pfns* as memory: RAM has its place in the direct map already, anything else is ioremapped.

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
    """Undo :func:`memremap`: a place in the direct map stays."""
    if not _is_ram(kernel, pfns):
        iounmap(kernel, pfns)


def _is_ram(kernel: Kernel, pfns: PfnRange) -> bool | None:
    """True where *pfns* are System RAM, also below 1 MiB; None where only a part of them is."""
    return kernel.platform.phys.region_intersects(pfn_to_phys(pfns.start), pfn_to_phys(pfns.end))


def memremap_pages(kernel: Kernel, pfns: PfnRange, mode: CacheMode, taken: bool = False) -> None:
    """Make struct pages for *pfns* of a device, and book them as remap_pfn_range does (S4.9).

    :param mode: the mode that the kind of memory asks for
    :param taken: some of them have struct pages already
    :raises ModelledErrno: the error of the book: EBUSY beside another mode, EINVAL where the mode granted
        will not do; EEXIST where some are taken
    :raises Undecided: they lie in more than one section, of which some would be done
    """
    prot = kernel.platform.pat.cachemode2protval(mode)
    if kernel.tracker.memremap_pages(pfns, prot) & PAGE_PAT:
        # The direct map gets large entries, where this bit means that they are large (prot_sethuge).
        kernel.warn_on_once("arch/x86/mm/init_64.c", "prot_sethuge")
    if taken:
        if pfns.nr > SECTION_PAGES:
            raise Undecided(
                "the model has no rule for struct pages of several sections that overlap others", Why.NO_RULE
            )
        kernel.warn_on_once("arch/x86/mm/init_64.c", "add_pages")
        kernel.tracker.memunmap_pages(pfns)
        raise ModelledErrno(errno.EEXIST)
    if kernel.profile.zone_device_announced:
        kernel.trace.printk(f"memmap_init_zone_device initialised {pfns.nr} pages in Nms", "debug")


def memunmap_pages(kernel: Kernel, pfns: PfnRange) -> None:
    """The struct pages go, and their entry of the book."""
    kernel.tracker.memunmap_pages(pfns)
