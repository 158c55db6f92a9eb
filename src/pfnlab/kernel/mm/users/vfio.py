"""A PCI device opened through vfio-pci (S9.4): faults fill its mappings, disabled memory empties them."""

import errno
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from pfnlab.base.errors import ModelledErrno, Undecided, Why
from pfnlab.base.units import PfnRange, pfn_to_phys
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pgprot import pgprot_noncached
from pfnlab.kernel.hw.pgtable import LEAF_PAGES
from pfnlab.kernel.hw.physmap import Resource
from pfnlab.kernel.mm.fault import Signal
from pfnlab.kernel.mm.flags import VM_ALLOW_ANY_UNCACHED, VM_REMAP, VM_SHARED
from pfnlab.kernel.mm.insert import vmf_insert_pfn, vmf_insert_pfn_leaf
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.locks import RwLock
from pfnlab.kernel.mm.more.lives import mmget
from pfnlab.kernel.mm.more.memremap import ioremap, iounmap
from pfnlab.kernel.mm.processors import Need
from pfnlab.kernel.mm.remap import remap_pfn_range
from pfnlab.kernel.mm.vma import AddressSpace, PlainFile, Vma
from pfnlab.kernel.mm.zap import revoke_iomem, unmap_mapping_range, zap_vma_ptes

#: The file offset of a BAR's first page, in pages: the high bits are the index of the region, here BAR2.
REGION_PAGES = 1 << 28
BAR_OFFSET = 2 * REGION_PAGES

#: The end of the BAR regions, and the start of the expansion ROM.
_ROM_OFFSET = 6 * REGION_PAGES

#: The end of the regions that every PCI device may have (VFIO_PCI_NUM_REGIONS).
_REGIONS_END = 9 * REGION_PAGES

#: The device's other BAR, its registers: a page far from the mapped BAR.
REGISTERS = PfnRange(0xFEBF0, 0xFEBF1)


@dataclass(eq=False)
class VfioDevice(PlainFile):
    """The open device; mappings keep it open when its descriptor is closed.

    Methods that need the descriptor raise EBADF if it is closed: ``set_memory``, ``set_power`` and ``reset``.

    :param bar: its only BAR
    :param pages: its first pages, which may be mapped
    :ivar memory: the memory space bit of its command register
    :ivar asleep: its power state is D3hot, not D0
    :ivar open: a descriptor is open
    :ivar claimed: its BAR, once it is claimed: when the device is opened, or at its first mapping
    :ivar mapped: ranges that its driver has mapped for itself, in the order of mapping
    :ivar refused: errno of the attempt to claim its BAR when the device was opened; 0 if it succeeded
    :ivar users: number of VMAs of its file, including those being created or removed
    :ivar filled: up to 6.9, the VMAs that faulted and were not zapped since, newest first
    :ivar zapping: up to 6.9, True while entries of filled VMAs are being removed
    :ivar memory_lock: held by a fault for reading, by a change of the command register for writing
    :ivar vma_lock: up to 6.9, a mutex around *filled*, also held by a fault
    """

    kernel: Kernel
    bar: PfnRange
    pages: PfnRange
    memory: bool = True
    asleep: bool = False
    open: bool = True
    claimed: Resource | None = None
    mapped: list[PfnRange] = field(default_factory=list)
    refused: int = 0
    users: int = 0
    filled: list[Vma] = field(default_factory=list)
    zapping: bool = False
    kind: str = "vfio"
    mapping: AddressSpace = "vfio"
    write_notify: bool = False
    has_pfn_mkwrite: bool = False
    has_page_mkwrite: bool = False
    own_placement: bool = False
    placement_errno: int = 0
    mmap_prepare: bool = False
    has_fault: bool = True
    has_access: bool = False
    fault_reconstructs: bool = True
    fsync_errno: int = errno.EINVAL
    fallocate_errno: int = errno.ENODEV

    def __post_init__(self) -> None:
        processors = self.kernel.processors
        if processors.held:
            raise Undecided(
                "the model has no rule for opening a vfio-pci device while a processor is held", Why.NO_RULE
            )
        self.memory_lock = RwLock(processors, Need.MEMORY)
        self.vma_lock = RwLock(processors, Need.VFIO_VMAS)
        # The agent opens it, unobserved.
        if self.kernel.profile.vfio_claims_when_opened:
            with self.kernel.trace.unseen():
                self._ioremap(REGISTERS)
                try:
                    self._claim()
                except ModelledErrno as error:
                    # The device is still opened, and mmap returns the error.
                    self.refused = error.errno

    @property
    def noexec(self) -> bool:
        """Its file system became noexec in some release."""
        return self.kernel.profile.anon_inodes_noexec

    def base_pfn(self, vma: Vma) -> int:
        """The frame at the offset within the BAR's region."""
        return self._pfn(vma, vma.start)

    def mmap(self, vma: Vma) -> None:
        """vfio_pci_core_mmap: fill nothing, but claim the BAR if this was not done before (S9.4.6).

        :raises ModelledErrno: EINVAL for private mappings or pages outside the BAR, EBUSY if another driver
            has the BAR, ENOMEM if the kernel cannot map it for itself
        :raises Undecided: if the kernel stops with an oops, because it assumes a region that does not exist
        """
        # A VMA whose mmap fails is closed too.
        self.users += 1
        first = vma.pgoff - BAR_OFFSET
        shared = bool(vma.flags & VM_SHARED)
        if shared and vma.pgoff >= _REGIONS_END and not self.kernel.profile.vfio_checks_region:
            raise Undecided("the kernel stops with an oops: vfio-pci maps a region that it lacks", Why.NO_END)
        if not shared or first < 0 or first + vma.nr > self.pages.nr:
            raise ModelledErrno(errno.EINVAL)
        if self.refused:
            raise ModelledErrno(self.refused)
        self._claim()
        vma.page_prot = pgprot_noncached(vma.page_prot, self.kernel.platform.pat)
        vma.flags |= VM_REMAP
        if self.kernel.profile.vfio_remaps:
            vma.pgoff = self.bar.start + first
        else:
            vma.flags |= VM_ALLOW_ANY_UNCACHED

    def _claim(self) -> None:
        """Claim the BAR for the driver: revoke other mappings, and map it for the driver itself."""
        if self.claimed is not None:
            return
        kernel = self.kernel
        resource = Resource(pfn_to_phys(self.bar.start), pfn_to_phys(self.bar.end), "vfio-pci", busy=True)
        if not kernel.may_claim(resource):
            raise ModelledErrno(errno.EBUSY)
        kernel.claim(resource)
        try:
            revoke_iomem(kernel, self.bar)
            self._ioremap(self.bar)
        except ModelledErrno:
            kernel.release(resource)
            raise
        self.claimed = resource

    def _ioremap(self, pfns: PfnRange) -> None:
        ioremap(self.kernel, pfns, CacheMode.UC_MINUS)
        self.mapped.append(pfns)

    def fault(self, vma: Vma, vpn: int, write: bool) -> None:
        """vfio_pci_mmap_fault: up to 6.9 remap the whole VMA, later insert only this page (S9.4.2).

        :raises Signal: SIGBUS while memory is disabled or the device is asleep
        """
        with self._vma_locked(), self.memory_lock.read():
            self._check_memory()
            self._fill(vma, vpn)

    def _fill(self, vma: Vma, vpn: int) -> None:
        """Fill the page, or up to 6.9 the whole VMA, which may already be filled without ``vfio_fills_once``.

        :raises Undecided: if it is already filled, so that the kernel stops with BUG
        """
        if not self.kernel.profile.vfio_remaps:
            vmf_insert_pfn(vma, vpn, self._pfn(vma, vpn), vma.page_prot)
            return
        if self.kernel.profile.vfio_fills_once and vma in self.filled:
            if vma.mm.tables.runs(vpn, vpn + 1):
                # Another fault, for which this one has waited, has filled it.
                return
            raise Undecided(
                "the fault repeats for ever: vfio-pci takes the mapping for filled already", Why.NO_END
            )
        pfn = self._pfn(vma, vma.start)
        try:
            remap_pfn_range(vma, vma.start, PfnRange(pfn, pfn + vma.nr), vma.page_prot)
        except ModelledErrno:
            zap_vma_ptes(vma, vma.start, vma.end)
            raise Signal("SIGBUS", 2) from None
        self.filled.insert(0, vma)

    def huge_fault(self, vma: Vma, vpn: int, level: int) -> bool:
        """vfio_pci_mmap_huge_fault: insert a leaf if it lies in the VMA and its frames are equally aligned.

        Kernels without ``vfio_checks_leaf_pfn`` accept any frames; those without ``vfio_aligns_leaf`` accept
        only a fault of the leaf's first page (S9.4.2a).

        :return: False to fall back to smaller entries
        :raises Signal: SIGBUS while memory is disabled or the device is asleep
        """
        pages = LEAF_PAGES[level]
        start = vpn - vpn % pages
        fits = vma.start <= start and start + pages <= vma.end
        profile = self.kernel.profile
        if profile.vfio_remaps or not fits or (vpn != start and not profile.vfio_aligns_leaf):
            return False
        if profile.vfio_checks_leaf_pfn and self._pfn(vma, start) % pages:
            return False
        if self.memory_lock.contended:
            # The first attempt requests leaves, under the VMA's own lock instead of mmap_lock.
            raise Undecided("the model has no rule for a fault of a leaf that waits for a lock", Why.NO_RULE)
        with self.memory_lock.read():
            self._check_memory()
            try:
                vmf_insert_pfn_leaf(vma, start, self._pfn(vma, start), vma.page_prot, level)
            except ModelledErrno:
                return False
            return True

    def opened(self, new: Vma, orig: Vma) -> None:
        """Handle a copied VMA: up to 6.9 the copy loses its entries (S9.4.5)."""
        self.users += 1
        if not self.kernel.profile.vfio_remaps:
            return
        if new in self.filled:
            # After a split, the lower part may be the new VMA; the object here is then the old one.
            self.filled[self.filled.index(new)] = orig
        zap_vma_ptes(new, new.start, new.end)

    def closed(self, vma: Vma) -> None:
        """Handle a freed VMA; with the last reference the device is closed."""
        self.users -= 1
        with self._vma_locked():
            if vma in self.filled:
                self.filled.remove(vma)
        self.kernel.later(self._release)

    def set_memory(self, enabled: bool) -> None:
        """Write the command register; entries are removed before decoding is off, or remains off (S9.4.4)."""
        with self._changed(zapped=not enabled):
            self.memory = enabled
            self.kernel.undecoded = () if enabled else (self.bar,)

    def set_power(self, *, asleep: bool) -> None:
        """Write the power state, D3hot or D0: like the memory bit, but the device keeps decoding (S9.4.8)."""
        with self._changed(zapped=asleep):
            self.asleep = asleep

    def reset(self) -> None:
        """VFIO_DEVICE_RESET: entries are removed, the device wakes, and its memory bit is kept (S9.4.9)."""
        with self._changed(zapped=True):
            self.asleep = False

    @contextmanager
    def _changed(self, *, zapped: bool) -> Iterator[None]:
        """Allow changes of the device within this context; if *zapped*, its entries are removed first.

        Without ``vfio_minds_memory`` they stay.
        """
        if not self.open:
            raise ModelledErrno(errno.EBADF)
        zapped = zapped and self.kernel.profile.vfio_minds_memory
        with self._none_filled() if zapped else nullcontext():
            self.memory_lock.take(write=True)
        try:
            if zapped and not self.kernel.profile.vfio_remaps:
                unmap_mapping_range(self.kernel, PfnRange(0, _ROM_OFFSET), "vfio", even_cows=True)
            yield
        finally:
            self.memory_lock.give(write=True)

    @contextmanager
    def _none_filled(self) -> Iterator[None]:
        """vfio_pci_zap_and_vma_lock: zap one address space after the other, until no VMA is listed.

        Up to 6.9 the list stays empty within this context.
        """
        while True:
            with self._vma_locked():
                if not self.filled:
                    yield
                    return
                mm = self.filled[0].mm
            with mmget(mm), mm.mmap_lock.read(), self._vma_locked():
                self.zapping = True
                for vma in [vma for vma in self.filled if vma.mm is mm]:
                    self.filled.remove(vma)
                    zap_vma_ptes(vma, vma.start, vma.end)
                self.zapping = False

    def close(self) -> None:
        """Close the descriptor.

        :raises ModelledErrno: EBADF if it is closed already
        """
        if not self.open:
            raise ModelledErrno(errno.EBADF)
        self.open = False
        self._release()

    def _release(self) -> None:
        """Close the device, once, when descriptor and mappings are gone: the driver releases its BARs."""
        if self.open or self.users:
            return
        if self.kernel.processors.held:
            raise Undecided(
                "the model has no rule for closing a vfio-pci device while a processor is held", Why.NO_RULE
            )
        while self.mapped:
            iounmap(self.kernel, self.mapped.pop(0))
        if self.claimed is not None:
            self.kernel.release(self.claimed)
            self.claimed = None

    def _check_memory(self) -> None:
        """SIGBUS unless __vfio_pci_memory_enabled; kernels without ``vfio_minds_memory`` do not check."""
        if self.kernel.profile.vfio_minds_memory and (not self.memory or self.asleep):
            raise Signal("SIGBUS", 2)

    def _vma_locked(self) -> AbstractContextManager[object]:
        """Hold vma_lock, up to 6.9.

        :raises Undecided: if entries are being removed, and the lock is released and retaken in between
        """
        if self.zapping and self.vma_lock.written:
            raise Undecided(
                "the model has no rule for who has vma_lock first while vfio-pci takes entries away",
                Why.NO_RULE,
            )
        return self.vma_lock.write() if self.kernel.profile.vfio_remaps else nullcontext()

    def _pfn(self, vma: Vma, vpn: int) -> int:
        offset = vma.pgoff + vpn - vma.start
        return offset if self.kernel.profile.vfio_remaps else self.bar.start + offset - BAR_OFFSET
