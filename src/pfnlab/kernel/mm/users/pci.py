"""A PCI device's BAR in sysfs and /proc/bus/pci (S9.2, S9.3); the device's driver and removal (S9.9)."""

import errno
from dataclasses import dataclass, field

from pfnlab.base.errors import ModelledErrno, no_rule
from pfnlab.base.units import PfnRange, pfn_to_phys
from pfnlab.kernel.hw.pgprot import pgprot_device, pgprot_writecombine
from pfnlab.kernel.hw.physmap import Resource
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.remap import remap_pfn_range
from pfnlab.kernel.mm.vma import AddressSpace, MappedFile, Vma
from pfnlab.kernel.mm.zap import revoke_iomem, unmap_mapping_range


@dataclass(eq=False)
class PciDevice:
    """A device in a slot, as one bus enumeration finds it; the next enumeration creates a new object.

    :param bar: the pages of its BAR
    :ivar known: the kernel knows the device, and its files exist
    :ivar bound: the guest driver is bound to it, or is just being bound
    :ivar claimed: the resource that the driver claimed for the BAR
    """

    bar: PfnRange
    known: bool = True
    bound: bool = False
    claimed: Resource | None = None

    def open(self) -> None:
        """Open one of its files.

        :raises ModelledErrno: ENOENT if the kernel no longer knows the device
        """
        if not self.known:
            raise ModelledErrno(errno.ENOENT)

    def bind(self, kernel: Kernel) -> None:
        """bind_store: the driver's probe function claims the BAR, which revokes other
        mappings of it (S9.9.1).

        :raises ModelledErrno: ENODEV if the kernel does not know the device; EBUSY if a driver is bound, or
            has claimed pages of the BAR, or if a mapping of them must not be revoked
        """
        if not self.known:
            raise ModelledErrno(errno.ENODEV)
        with kernel.device_lock.write():
            if self.bound:
                raise ModelledErrno(errno.EBUSY)
            self.bound = True
            try:
                self._probe(kernel)
            except ModelledErrno:
                self._let_go(kernel)
                raise

    def _probe(self, kernel: Kernel) -> None:
        resource = Resource(pfn_to_phys(self.bar.start), pfn_to_phys(self.bar.end), "pfnlab", busy=True)
        if not kernel.may_claim(resource):
            raise ModelledErrno(errno.EBUSY)
        kernel.claim(resource)
        self.claimed = resource
        revoke_iomem(kernel, self.bar)

    def unbind(self, kernel: Kernel) -> None:
        """unbind_store: the driver's remove function releases the BAR (S9.9.2).

        :raises ModelledErrno: ENODEV unless the driver is bound, or about to be
        """
        if not self.bound:
            raise ModelledErrno(errno.ENODEV)
        with kernel.device_lock.write():
            self._let_go(kernel)

    def _let_go(self, kernel: Kernel) -> None:
        self.bound = False
        if self.claimed is not None:
            kernel.release(self.claimed)
            self.claimed = None

    def remove(self, kernel: Kernel) -> None:
        """pci_stop_and_remove_bus_device: call the driver's remove function and remove the device's files.

        :raises ModelledErrno: ENOENT if it is gone already
        :raises Undecided: if a driver has claimed pages of the BAR
        """
        self.open()
        _check_unclaimed(kernel)
        self._let_go(kernel)
        self.known = False
        # kernfs_drain_open_files uses the address space object of each file's own inode;
        # /proc has no equivalent.
        for mapping in _SYSFS_FILES:
            unmap_mapping_range(kernel, self.bar, mapping, even_cows=True)


def found_again(kernel: Kernel, bar: PfnRange, before: PfnRange | None = None) -> PciDevice:
    """Scan the bus and find a device; its BAR is assigned the pages *bar* (S9.2.8).

    :param before: the pages it had before; None for a new device
    :raises Undecided: if a driver has claimed pages of it
    """
    _check_unclaimed(kernel)
    if before is not None and before != bar:
        kernel.undecoded = (*(pfns for pfns in kernel.undecoded if pfns != bar), before)
        contents = {pfn: value for pfn, value in kernel.memory.items() if before.start <= pfn < before.end}
        for pfn, value in contents.items():
            del kernel.memory[pfn]
            kernel.memory[pfn - before.start + bar.start] = value
    return PciDevice(bar)


def unplugged(kernel: Kernel, bar: PfnRange) -> None:
    """Empty the slot: nothing responds at *bar*, and the memory there is gone."""
    kernel.undecoded = (*kernel.undecoded, bar)
    for pfn in [pfn for pfn in kernel.memory if bar.start <= pfn < bar.end]:
        del kernel.memory[pfn]


def plugged(kernel: Kernel, bar: PfnRange) -> None:
    """Add a new device at *bar*, with zeroed memory."""
    kernel.undecoded = tuple(pfns for pfns in kernel.undecoded if pfns != bar)


def _check_unclaimed(kernel: Kernel) -> None:
    driver = kernel.driver
    if driver is not None and (driver.resource is not None or driver.held.get("memremap_pages")):
        raise no_rule("a device that comes or goes while a driver claims pages")


#: The resource files for a BAR, in the order in which they are removed.
_SYSFS_FILES: tuple[AddressSpace, ...] = ("uc", "wc")


@dataclass(frozen=True)
class PciBar(MappedFile):
    """A BAR opened through one of its interfaces.

    :param bar: its pages
    :param proc: opened through /proc/bus/pci, with physical offsets; otherwise a sysfs resource file
    :param write_combine: the ``_wc`` file, or write combining was enabled by ioctl
    :param fallocate_errno: see ``fallocate_checks_op_first`` in :class:`~pfnlab.kernel.mm.profile.Profile`
    :param device: the device that has the BAR; None if it is never removed
    :param revoked: see ``pci_files_revoked`` there: its mappings are among those of all physical memory
    """

    bar: PfnRange
    proc: bool
    write_combine: bool
    # Without the default of other files.
    fallocate_errno: int = field()
    revoked: bool = True
    device: PciDevice | None = None

    noexec = True

    @property
    def kind(self) -> str:
        """``proc``, ``wc`` or ``uc``."""
        if self.proc:
            return "proc"
        return "wc" if self.write_combine else "uc"

    @property
    def mapping(self) -> AddressSpace:
        """The address space object of all physical memory, or the one of the file's inode."""
        if self.revoked:
            return "iomem"
        if self.proc:
            return "proc"
        return "wc" if self.write_combine else "uc"

    @property
    def has_page_mkwrite(self) -> bool:
        """True for sysfs, which wraps the vm_ops; /proc has none (S5.10.2).

        The wrapper has no pfn_mkwrite, so a frame becomes writable without a call.
        """
        return not self.proc

    @property
    def has_fault(self) -> bool:
        """True for sysfs, which wraps the vm_ops and has a handler of its own."""
        return not self.proc

    @property
    def own_placement(self) -> bool:
        """True for /proc files, which choose where they are mapped (S5.8)."""
        return self.proc

    @property
    def placement_errno(self) -> int:
        """proc_reg_get_unmapped_area does not call a file that has been removed."""
        return errno.EIO if self._gone and self.own_placement else 0

    @property
    def has_access(self) -> bool:
        """generic_access_phys; the sysfs wrapper does not call it for a file that has been removed."""
        return self.proc or not self._gone

    @property
    def _gone(self) -> bool:
        return self.device is not None and not self.device.known

    @property
    def fsync_errno(self) -> int:
        """fsync does nothing for sysfs files and fails for /proc files."""
        return errno.EINVAL if self.proc else 0

    def base_pfn(self, vma: Vma) -> int:
        """vm_pgoff, which is the frame once it is mapped."""
        return vma.pgoff

    def mmap(self, vma: Vma) -> None:
        """pci_mmap_resource_range: map the whole VMA at once, with the interface's cache mode.

        :raises ModelledErrno: EINVAL (sysfs) or ENODEV (/proc) beyond the BAR, EINVAL if claimed or in
            conflict, ENODEV if the file was removed
        """
        if self._gone:
            raise ModelledErrno(errno.ENODEV)
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
