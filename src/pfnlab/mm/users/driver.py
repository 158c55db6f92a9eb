"""A driver that maps a device in every way a driver can: the model of the guest driver's /dev/pfnlab."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

from pfnlab.errors import ModelledErrno
from pfnlab.hw.bits import PAGE_CACHE_MASK
from pfnlab.hw.cachemode import CacheMode
from pfnlab.hw.entry import pte_present
from pfnlab.hw.pgprot import pgprot_noncached, pgprot_writecombine
from pfnlab.hw.physmap import Resource
from pfnlab.mm.flags import VM_DONTDUMP, VM_DONTEXPAND, VM_IO, VM_MIXEDMAP, VM_PFNMAP
from pfnlab.mm.insert import vmf_insert_pfn
from pfnlab.mm.ioremap import ioremap, iounmap
from pfnlab.mm.kernel import Kernel
from pfnlab.mm.remap import remap_pfn_range
from pfnlab.mm.space import MmStruct
from pfnlab.mm.vma import AddressSpace, Vma
from pfnlab.mm.zap import revoke_iomem, zap_vma_ptes
from pfnlab.units import PfnRange, pfn_to_phys

#: The ordinary pages the driver hands out for kind ``ram``.
RAM_PFN = 0x4000

#: Kinds that fill entries in the fault handler.
FAULTING = ("fault", "fault_prot", "mixed")


def prot_of(vma: Vma, mode: str) -> int:
    """vm_page_prot with the mode the driver was told instead of its own: ``asis``, ``wc`` or ``uc-``."""
    pat, plain = vma.mm.kernel.platform.pat, vma.page_prot & ~PAGE_CACHE_MASK
    if mode == "wc":
        return pgprot_writecombine(plain, pat, vma.mm.kernel.profile.pgprot_replaces)
    return pgprot_noncached(plain, pat) if mode == "uc-" else vma.page_prot


@dataclass(frozen=True)
class DriverFile:
    """/dev/pfnlab, opened; offsets are physical pages.

    :param how: ``remap`` all, ``part`` of the pages, ``halves`` in two calls, ``ram`` instead of the device,
        on ``fault`` (``fault_prot`` with a mode of its own, ``mixed`` in a VM_MIXEDMAP), or ``refuse``
    :param mode: cache mode of vm_page_prot
    :param part: for ``part``: first page and page behind the last, in pages of the mapping
    """

    how: str
    mode: str
    part: tuple[int, int] = (0, 0)
    kind: str = "driver"
    noexec: bool = False
    write_notify: bool = False
    own_placement: bool = False
    mmap_prepare: bool = False
    mapping: AddressSpace = "driver"
    has_fault: bool = True
    has_access: bool = True
    huge_fault: None = None
    opened: None = None
    closed: None = None
    base_pfn: None = None
    fsync_errno: int = errno.EINVAL
    fallocate_errno: int = errno.ENODEV

    def prepare(self, vma: Vma) -> None:
        """There is only one phase."""

    def mmap(self, vma: Vma) -> None:
        """The driver's mmap.

        :raises ModelledErrno: ENXIO for ``refuse``, else what remap_pfn_range answers
        """
        with vma.mm.kernel.processors.inside("pfnlab_mmap"):
            vma.page_prot = prot_of(vma, self.mode)
            self._fill(vma)

    def _fill(self, vma: Vma) -> None:
        device, half = vma.pgoff, vma.nr // 2
        match self.how:
            case "refuse":
                raise ModelledErrno(errno.ENXIO)
            case "remap":
                self._remap(vma, device, 0, vma.nr)
            case "part":
                self._remap(vma, device, *self.part)
            case "halves":
                self._remap(vma, device, 0, half)
                self._remap(vma, device, half, vma.nr)
            case "ram":
                self._remap(vma, RAM_PFN, 0, vma.nr)
            case "mixed":
                vma.flags |= VM_MIXEDMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP
            case _:
                vma.flags |= VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP

    def fault(self, vma: Vma, vpn: int) -> None:
        """The driver's fault handler: every kind has one, and it inserts the frame the offset names."""
        with vma.mm.kernel.processors.inside("pfnlab_fault"):
            pfn = vma.pgoff + vpn - vma.start
            prot = prot_of(vma, "wc") if self.how == "fault_prot" else vma.page_prot
            vmf_insert_pfn(vma, vpn, pfn, prot)

    def _remap(self, vma: Vma, pfn: int, first: int, behind: int) -> None:
        remap_pfn_range(vma, vma.start + first, PfnRange(pfn + first, pfn + behind), vma.page_prot)


@dataclass
class DriverState:
    """What the driver keeps between calls: one claimed region, and mappings of its own, newest last."""

    mapped: list[PfnRange] = field(default_factory=list)
    resource: Resource | None = None

    def request_mem_region(self, kernel: Kernel, pfns: PfnRange) -> None:
        """Claim *pfns*; mappings of them through /dev/mem and the PCI files are revoked.

        :raises ModelledErrno: EBUSY when something is claimed already; what forbids to revoke a mapping
        """
        if self.resource is not None:
            raise ModelledErrno(errno.EBUSY)
        self.resource = Resource(pfn_to_phys(pfns.start), pfn_to_phys(pfns.end), "pfnlab", busy=True)
        kernel.claim(self.resource)
        try:
            revoke_iomem(kernel, pfns)
        except ModelledErrno:
            self.release_mem_region(kernel)
            raise

    def release_mem_region(self, kernel: Kernel) -> None:
        """Give the claimed region back."""
        if self.resource is not None:
            kernel.release(self.resource)
            self.resource = None

    def ioremap(self, kernel: Kernel, pfns: PfnRange, mode: CacheMode) -> None:
        """Map *pfns* for the driver itself.

        :raises ModelledErrno: ENOMEM
        """
        ioremap(kernel, pfns, mode)
        self.mapped.append(pfns)

    def iounmap(self, kernel: Kernel) -> None:
        """Undo the driver's newest mapping.

        :raises ModelledErrno: ENOENT when there is none
        """
        if not self.mapped:
            raise ModelledErrno(errno.ENOENT)
        iounmap(kernel, self.mapped.pop())

    def zap(self, mm: MmStruct, start: int, end: int) -> None:
        """zap_vma_ptes on the VMA at *start*.

        :raises ModelledErrno: EFAULT without a VMA
        """
        with mm.mmap_lock.read():
            zap_vma_ptes(_vma_at(mm, start), start, end)

    def remap_pfn_range(self, mm: MmStruct, start: int, end: int, mode: str) -> None:
        """remap_pfn_range once more on the living VMA at *start*, with the frames its offset names.

        :raises ModelledErrno: EFAULT without a VMA; EINVAL where not all is the driver's, EBUSY over entries,
            where the kernel would stop; else what remap_pfn_range answers
        """
        with mm.mmap_lock.write():
            vma = _vma_at(mm, start)
            if not isinstance(vma.file, DriverFile) or end > vma.end:
                raise ModelledErrno(errno.EINVAL)
            if any(pte_present(run.bits) for run in mm.tables.runs(start, end)):
                raise ModelledErrno(errno.EBUSY)
            pfn = vma.pgoff + start - vma.start
            remap_pfn_range(vma, start, PfnRange(pfn, pfn + end - start), prot_of(vma, mode))


def _vma_at(mm: MmStruct, start: int) -> Vma:
    vma = mm.vma_lookup(start)
    if vma is None:
        raise ModelledErrno(errno.EFAULT)
    return vma
