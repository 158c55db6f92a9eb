"""The memory BAR of a PCI device through sysfs and /proc/bus/pci (S9.2, S9.3)."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from pfnlab.errors import ModelledErrno
from pfnlab.hw.pgprot import pgprot_device, pgprot_writecombine
from pfnlab.mm.remap import remap_pfn_range
from pfnlab.mm.vma import AddressSpace, Vma
from pfnlab.units import PfnRange, pfn_to_phys


@dataclass(frozen=True)
class PciBar:
    """A BAR opened through one of its interfaces.

    :param bar: its pages
    :param proc: through /proc/bus/pci, where the offset is physical; else a sysfs resource file
    :param write_combine: the ``_wc`` file, or write combining switched on by ioctl
    :param fallocate_errno: see :class:`~pfnlab.mm.profile.Profile` ``fallocate_checks_op_first``
    """

    bar: PfnRange
    proc: bool
    write_combine: bool
    fallocate_errno: int
    mapping: AddressSpace = "iomem"
    has_access: bool = True
    fault: None = None
    huge_fault: None = None
    opened: None = None
    closed: None = None
    noexec: bool = True
    mmap_prepare: bool = False

    @property
    def kind(self) -> str:
        """``proc``, ``wc`` or ``uc``."""
        if self.proc:
            return "proc"
        return "wc" if self.write_combine else "uc"

    @property
    def write_notify(self) -> bool:
        """sysfs wraps the vm_ops and has page_mkwrite; /proc does not (S5.10.2)."""
        return not self.proc

    @property
    def has_fault(self) -> bool:
        """sysfs wraps the vm_ops and has a handler of its own."""
        return not self.proc

    @property
    def own_placement(self) -> bool:
        """/proc files place mappings themselves (S5.8)."""
        return self.proc

    @property
    def fsync_errno(self) -> int:
        """sysfs files sync to nothing, /proc files cannot."""
        return errno.EINVAL if self.proc else 0

    def base_pfn(self, vma: Vma) -> int:
        """vm_pgoff is the frame, since it was mapped."""
        return vma.pgoff

    def prepare(self, vma: Vma) -> None:
        """There is only one phase."""

    def mmap(self, vma: Vma) -> None:
        """pci_mmap_resource_range: the whole VMA at once, cache mode as the interface says.

        :raises ModelledErrno: EINVAL (sysfs) or ENODEV (/proc) beyond the BAR, EINVAL when claimed or
            in conflict
        """
        platform = vma.mm.kernel.platform
        start = vma.pgoff if self.proc else self.bar.start + vma.pgoff
        pfns = PfnRange(start, start + vma.nr)
        if not self.bar.contains(pfns):
            raise ModelledErrno(errno.ENODEV if self.proc else errno.EINVAL)
        if platform.iomem_is_exclusive(pfn_to_phys(self.bar.start)):
            raise ModelledErrno(errno.EINVAL)
        vma.pgoff = start
        if self.write_combine:
            replaces = vma.mm.kernel.profile.pgprot_replaces
            vma.page_prot = pgprot_writecombine(vma.page_prot, platform.pat, replaces)
        else:
            vma.page_prot = pgprot_device(vma.page_prot, platform.pat)
        remap_pfn_range(vma, vma.start, pfns, vma.page_prot)
