"""The guest driver's own pages, which have a struct page and are mapped reference-counted (S5.7.3)."""

import errno
from dataclasses import dataclass

from pfnlab.base.errors import ModelledErrno
from pfnlab.kernel.hw.pgtable import Page
from pfnlab.kernel.mm.fault import FaultOom, Signal, finish_fault
from pfnlab.kernel.mm.flags import VM_DONTDUMP, VM_DONTEXPAND, VM_IO, VM_MIXEDMAP
from pfnlab.kernel.mm.insert import vm_insert_page, vmf_insert_pfn
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.remap import vm_flags_set
from pfnlab.kernel.mm.users.driver import RAM_PAGES, RAM_PFN, DriverDeviceFile, DriverState
from pfnlab.kernel.mm.vma import Vma


@dataclass(frozen=True)
class OwnPagesFile(DriverDeviceFile):
    """An open /dev/pfnlab, for a mapping of the driver's own pages through vm_insert_page and similar.

    :param how: ``insert_page`` one by one, ``insert_pages`` several at once, ``map_pages`` all that fit;
        ``page_mkwrite`` returns them to the kernel on fault, and first writes call the driver;
        ``mixed_pages`` inserts every second one on fault, with device frames in between
    :param mode: the cache mode in vm_page_prot
    :param first: the offset in pages of the file's first mapping, which is where the driver's pages begin
    """

    how: str
    mode: str
    first: int

    def _fill(self, vma: Vma) -> None:
        """Insert a page for every page of the mapping.

        :raises ModelledErrno: EINVAL if there are too few (ENXIO from vm_map_pages); ENOMEM if no
            page table can be allocated
        """
        at = vma.pgoff - self.first
        if not 0 <= at < RAM_PAGES:
            raise ModelledErrno(errno.EINVAL)
        if vma.nr > RAM_PAGES - at:
            raise ModelledErrno(errno.ENXIO if self.how == "map_pages" else errno.EINVAL)
        if self.has_page_mkwrite:
            vm_flags_set(vma, VM_MIXEDMAP)
            return
        if self.how == "mixed_pages":
            vm_flags_set(vma, VM_MIXEDMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP)
            return
        for number in range(vma.nr):
            vm_insert_page(vma, vma.start + number, own_page(vma.mm.kernel, at + number))

    @property
    def has_page_mkwrite(self) -> bool:
        """Its vm_ops have page_mkwrite."""
        return self.how == "page_mkwrite"

    def fault(self, vma: Vma, vpn: int, write: bool) -> None:
        """vmf_insert_page for the page that was mapped there before; an existing entry stays.

        In ``mixed_pages``, every second page is a device frame (vmf_insert_mixed). With page_mkwrite, the
        kernel maps the page that the handler returns.

        :raises Signal: SIGBUS if mremap has made the mapping larger than the number of
            pages that the driver has
        :raises FaultOom: if no page table could be allocated
        """
        with vma.mm.kernel.processors.inside("pfnlab_fault"):
            at = vma.pgoff + vpn - vma.start - self.first
            if not 0 <= at < RAM_PAGES:
                raise Signal("SIGBUS", 2)
            if self.how == "mixed_pages" and at % 2:
                vmf_insert_pfn(vma, vpn, self.first + at, vma.page_prot)
                return
            page = own_page(vma.mm.kernel, at)
            if not self.has_page_mkwrite:
                try:
                    vm_insert_page(vma, vpn, page)
                except ModelledErrno as error:
                    if error.errno == errno.ENOMEM:
                        raise FaultOom(vpn) from None
                return
        finish_fault(vma, vpn, page, write=write)


def own_page(kernel: Kernel, number: int) -> Page:
    """The driver's page *number*; other mappings of its frame see the same content."""
    if kernel.driver is None:
        kernel.driver = DriverState()
    pfn = RAM_PFN + number
    if pfn not in kernel.driver.pages:
        content = kernel.load(pfn)
        kernel.driver.pages[pfn] = Page(content, anonymous=False)
    return kernel.driver.pages[pfn]
