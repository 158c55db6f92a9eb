"""A second file of the guest driver's device with a separate address space, like a dma-buf (S9.12)."""

import errno

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.remap import remap_pfn_range
from pfnlab.kernel.mm.users.driver import DriverFile, prot_of
from pfnlab.kernel.mm.vma import AddressSpace, Vma


class ExportFile(DriverFile):
    """An open /dev/pfnlab_export: it maps like /dev/pfnlab, but revoking that file's mappings misses it."""

    kind = "export"
    mapping: AddressSpace = "export"


class StackFile(ExportFile):
    """An open /dev/pfnlab_export for a stacked mmap: it passes the VMA on to a /dev/pfnlab file."""

    def mmap(self, vma: Vma) -> None:
        """vma_set_file, and then the other file's mmap.

        :raises ModelledErrno: EOPNOTSUPP if this kernel has no such files; otherwise the error from that mmap
        """
        with vma.mm.kernel.processors.inside("pfnlab_mmap"):
            profile = vma.mm.kernel.profile
            supported = {
                "stack_prepare": profile.devmem_mmap_prepare,
                "simple_ioremap": profile.simple_ioremap,
            }
            if not supported.get(self.how, True):
                raise ModelledErrno(errno.EOPNOTSUPP)
            inner = (PrepareFile if self.how in supported else DriverFile)("remap", self.mode)
            vma.file = inner
            # If a file has two phases, compat_vma_mmap() runs both, one after the other.
            if inner.mmap_prepare:
                inner.prepare(vma)
            inner.mmap(vma)


class PrepareFile(DriverFile):
    """/dev/pfnlab, opened by a stacked mmap as a file with mmap_prepare; the kernel does the remap (S4.7)."""

    mmap_prepare = True

    def prepare(self, vma: Vma) -> None:
        """Set the mode of its pages."""
        vma.page_prot = prot_of(vma, self.mode)

    def mmap(self, vma: Vma) -> None:
        """The second phase, done by the kernel itself.

        :raises ModelledErrno: as remap_pfn_range
        """
        frames = PfnRange(vma.pgoff, vma.pgoff + vma.nr)
        remap_pfn_range(vma, vma.start, frames, vma.page_prot, prepared=True)
