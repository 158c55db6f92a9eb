"""/dev/mem (S9.1): physical memory by address; device ranges, and memory below 1 MiB."""

import errno
from dataclasses import dataclass, field

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PAGE_SIZE, PfnRange, pfn_to_phys
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pgprot import pgprot_set_cachemode
from pfnlab.kernel.mm.remap import remap_pfn_range
from pfnlab.kernel.mm.vma import MappedFile, Vma


@dataclass(frozen=True)
class DevMem(MappedFile):
    """An open /dev/mem.

    :param sync: opened with O_SYNC, so that mappings request UC- instead of write-back (S1.15)
    :param mmap_prepare: this kernel maps it in two phases (S4.7)
    """

    sync: bool
    # Without the default of other files.
    mmap_prepare: bool = field()

    kind = "mem"
    mapping = "iomem"
    write_notify = False
    has_access = True

    def base_pfn(self, vma: Vma) -> int:
        """The offset, which is also the frame number."""
        return vma.pgoff

    def prepare(self, vma: Vma) -> None:
        """Check the request before any page is mapped; the offset is the physical page.

        :raises ModelledErrno: EINVAL for impossible addresses, EPERM for memory that user space
            must not access (S9.1.2)
        """
        platform = vma.mm.kernel.platform
        pfns = PfnRange(vma.pgoff, vma.pgoff + vma.nr)
        if pfn_to_phys(pfns.end) - 1 >> platform.phys_bits:
            raise ModelledErrno(errno.EINVAL)
        if platform.strict_devmem and not platform.range_is_allowed(pfns.start, pfns.nr * PAGE_SIZE):
            raise ModelledErrno(errno.EPERM)
        self._phys_mem_access_prot_allowed(vma, pfns)

    def mmap(self, vma: Vma) -> None:
        """mmap_mem, or its second phase.

        :raises ModelledErrno: EAGAIN if the mapping itself fails; otherwise as :meth:`prepare`
        """
        if not self.mmap_prepare:
            self.prepare(vma)
        pfns = PfnRange(vma.pgoff, vma.pgoff + vma.nr)
        try:
            remap_pfn_range(vma, vma.start, pfns, vma.page_prot, prepared=self.mmap_prepare)
        except ModelledErrno:
            raise ModelledErrno(errno.EAGAIN) from None

    def _phys_mem_access_prot_allowed(self, vma: Vma, pfns: PfnRange) -> None:
        """Set the requested mode; up to 6.15, apply a second guard against aliases of RAM (S1.14, S1.15)."""
        kernel = vma.mm.kernel
        platform = kernel.platform
        guards = kernel.profile.devmem_guards_aliases
        if not platform.pat_enabled and not guards:
            return
        checks = guards and platform.pat_enabled and not platform.strict_devmem
        if checks and not platform.range_is_allowed(pfns.start, pfns.nr * PAGE_SIZE):
            raise ModelledErrno(errno.EINVAL)
        mode = CacheMode.UC_MINUS if self.sync else CacheMode.WB
        vma.page_prot = pgprot_set_cachemode(vma.page_prot, mode, platform.pat)
