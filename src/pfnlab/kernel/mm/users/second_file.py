"""A second file of the guest driver's device, with an address space of its own, as a dma-buf has (S9.12)."""

import errno

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.remap import remap_pfn_range
from pfnlab.kernel.mm.users.driver import DriverFile, prot_of
from pfnlab.kernel.mm.vma import AddressSpace, Vma


class ExportFile(DriverFile):
    """/dev/pfnlab_export, opened: it maps as /dev/pfnlab does, and a revocation of that one misses it."""

    kind = "export"
    mapping: AddressSpace = "export"


class StackFile(ExportFile):
    """/dev/pfnlab_export, opened for a stacked mmap: it hands the VMA to a file of /dev/pfnlab."""

    def mmap(self, vma: Vma) -> None:
        """vma_set_file, and the mmap of that file.

        :raises ModelledErrno: EOPNOTSUPP where a kernel has no such files; else that mmap's error
        """
        with vma.mm.kernel.processors.inside("pfnlab_mmap"):
            if self.how == "stack_prepare" and not vma.mm.kernel.profile.devmem_mmap_prepare:
                raise ModelledErrno(errno.EOPNOTSUPP)
            inner = (PrepareFile if self.how == "stack_prepare" else DriverFile)("remap", self.mode)
            vma.file = inner
            # compat_vma_mmap() does both phases of a file that has two, one behind the other.
            if inner.mmap_prepare:
                inner.prepare(vma)
            inner.mmap(vma)


class PrepareFile(DriverFile):
    """/dev/pfnlab, opened by a stacked mmap as a file with mmap_prepare, and the kernel remaps (S4.7)."""

    mmap_prepare = True

    def prepare(self, vma: Vma) -> None:
        """The mode of its pages."""
        vma.page_prot = prot_of(vma, self.mode)

    def mmap(self, vma: Vma) -> None:
        """The second phase, which is the kernel's own.

        :raises ModelledErrno: as remap_pfn_range
        """
        frames = PfnRange(vma.pgoff, vma.pgoff + vma.nr)
        remap_pfn_range(vma, vma.start, frames, vma.page_prot, prepared=True)
