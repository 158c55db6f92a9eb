"""Apertures that graphics drivers reserve before mapping anything (S2.7, S9.8), and set_memory (S2.9)."""

import errno

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange, pfn_to_phys
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.physmap import is_new_memtype_allowed
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.memtype import mem_text


def arch_io_reserve_memtype_wc(kernel: Kernel, pfns: PfnRange) -> None:
    """Reserve *pfns* as write-combining so that inserts use that mode (``memtype_reserve_io()``, S2.7).

    :raises ModelledErrno: EBUSY if they already have a weaker mode, or two different modes
    """
    book, start, end = kernel.book, pfn_to_phys(pfns.start), pfn_to_phys(pfns.end)
    if leaves_resource(kernel, pfns):
        book.warn_once("memtype_reserve_io")
    granted = book.reserve(start, end, CacheMode.WC, who=kernel.who)
    if not is_new_memtype_allowed(kernel.platform.phys, start, end - start, CacheMode.WC, granted):
        book.free(start, end, who=kernel.who)
        raise ModelledErrno(errno.EBUSY)
    book.kernel_map_sync(start, end - start, granted)


def arch_io_free_memtype_wc(kernel: Kernel, pfns: PfnRange) -> None:
    """Free an entry for exactly *pfns*, whoever owns it."""
    kernel.book.free(pfn_to_phys(pfns.start), pfn_to_phys(pfns.end), who=kernel.who)


def leaves_resource(kernel: Kernel, pfns: PfnRange) -> bool:
    """``iomem_map_sanity_check()``: True, with a log line, if a range crosses a resource's edge (S9.6.5)."""
    start, end = pfn_to_phys(pfns.start), pfn_to_phys(pfns.end)
    resource = kernel.platform.phys.iomem_map_sanity_check(start, end - start)
    if resource is not None and kernel.profile.spanning_told:
        kernel.trace.printk(
            f"resource: resource sanity check: requesting {mem_text(start, end)}, "
            f"which spans more than {resource.name}"
        )
    return resource is not None


def set_memory(kernel: Kernel, pfns: PfnRange, mode: CacheMode) -> None:
    """set_memory_wb, set_memory_wc or set_memory_uc on RAM pages: change the direct
    map and the types (S2.9.1).

    :param mode: UC reserves UC-; WB restores the direct map, then frees the reservation
    :raises ModelledErrno: EBUSY if any of them already has a mode
    """
    book, start, end = kernel.book, pfn_to_phys(pfns.start), pfn_to_phys(pfns.end)
    if mode is CacheMode.WB:
        book.change_direct_map(start, end, mode)
        book.free(start, end, who=kernel.who)
        return
    booked = CacheMode.UC_MINUS if mode is CacheMode.UC else mode
    book.reserve_exact(start, end, booked, who=kernel.who)
    book.change_direct_map(start, end, booked)


def set_pages_array(kernel: Kernel, pfns: PfnRange, mode: CacheMode) -> None:
    """set_pages_array_wb, _wc or _uc: types change page by page, the direct map all at once (S2.9.7).

    :param mode: as for :func:`set_memory`
    :raises ModelledErrno: EINVAL if any of them already has a mode
    """
    book = kernel.book
    pages = [(pfn_to_phys(pfn), pfn_to_phys(pfn + 1)) for pfn in range(pfns.start, pfns.end)]
    start, end = pages[0][0], pages[-1][1]
    if mode is CacheMode.WB:
        book.change_direct_map(start, end, mode)
        for page in pages:
            book.free(*page, who=kernel.who)
        return
    booked = CacheMode.UC_MINUS if mode is CacheMode.UC else mode
    for number, page in enumerate(pages):
        try:
            book.reserve_exact(*page, booked, who=kernel.who)
        except ModelledErrno:
            for earlier in pages[:number]:
                book.free(*earlier, who=kernel.who)
            raise ModelledErrno(errno.EINVAL) from None
    book.change_direct_map(start, end, booked)
