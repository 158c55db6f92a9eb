"""A PCI device opened through vfio-pci (S9.4): faults fill its mappings, disabling memory empties them."""

import errno
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from pfnlab.base.errors import ModelledErrno, no_end, no_rule
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
from pfnlab.kernel.mm.vma import MappedFile, Vma
from pfnlab.kernel.mm.zap import revoke_iomem, unmap_mapping_range, zap_vma_ptes

#: The file offset of a BAR's first page, in pages: the high bits are the region index, here BAR2.
REGION_PAGES = 1 << 28
BAR_OFFSET = 2 * REGION_PAGES

#: The end of the BAR regions, where the expansion ROM begins.
_ROM_OFFSET = 6 * REGION_PAGES

#: The end of the regions that every PCI device may have (VFIO_PCI_NUM_REGIONS).
_REGIONS_END = 9 * REGION_PAGES

#: The device's other BAR, its registers: one page, far from the BAR that is mapped.
REGISTERS = PfnRange(0xFEBF0, 0xFEBF1)


@dataclass(eq=False)
class VfioDevice(MappedFile):
    """The open device; mappings keep it open after its descriptor is closed.

    Methods that need the descriptor, ``set_memory``, ``set_power`` and ``reset``,
    raise EBADF if it is closed.

    :param bar: its only BAR
    :param pages: its first pages, which may be mapped
    :ivar memory: the memory space bit in its command register
    :ivar asleep: its power state is D3hot, not D0
    :ivar open: there is an open descriptor
    :ivar claimed: the BAR, once claimed, which is when the device is opened or first mapped
    :ivar mapped: ranges that the driver has mapped for itself, in order
    :ivar refused: the errno from trying to claim the BAR when the device was opened; 0 if that succeeded
    :ivar users: how many VMAs its file has, including those being created or removed
    :ivar filled: up to 6.9: the VMAs that have faulted and not been zapped since, newest first
    :ivar zapping: up to 6.9: True while entries of filled VMAs are being removed
    :ivar memory_lock: held for reading by a fault, for writing by a change to the command register
    :ivar vma_lock: up to 6.9: the mutex that protects *filled*, also held by a fault
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

    kind = "vfio"
    mapping = "vfio"
    write_notify = False
    has_fault = True
    fault_reconstructs = True

    def __post_init__(self) -> None:
        processors = self.kernel.processors
        if processors.held:
            raise no_rule("opening a vfio-pci device while a processor is held")
        self.memory_lock = RwLock(processors, Need.MEMORY)
        self.vma_lock = RwLock(processors, Need.VFIO_VMAS)
        # The agent opens the device, which is not observed.
        if self.kernel.profile.vfio_claims_when_opened:
            with self.kernel.trace.unseen():
                self._ioremap(REGISTERS)
                try:
                    self._claim()
                except ModelledErrno as error:
                    # The device is opened all the same, and mmap returns the error.
                    self.refused = error.errno

    @property
    def noexec(self) -> bool:
        """Some release made its file system noexec."""
        return self.kernel.profile.anon_inodes_noexec

    def base_pfn(self, vma: Vma) -> int:
        """The frame at the given offset within the BAR region."""
        return self._pfn(vma, vma.start)

    def mmap(self, vma: Vma) -> None:
        """vfio_pci_core_mmap: fill nothing, but claim the BAR if that has not been done yet (S9.4.6).

        :raises ModelledErrno: EINVAL for private mappings and for pages outside the BAR, EBUSY if another
            driver has the BAR, ENOMEM if the kernel cannot map it for itself
        :raises Undecided: if the kernel stops with an oops because it assumes a region that does not exist
        """
        # A VMA whose mmap fails is closed too.
        self.users += 1
        first = vma.pgoff - BAR_OFFSET
        shared = bool(vma.flags & VM_SHARED)
        if shared and vma.pgoff >= _REGIONS_END and not self.kernel.profile.vfio_checks_region:
            raise no_end("the kernel stops with an oops: vfio-pci maps a region that it lacks")
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
        """Claim the BAR for the driver, which revokes other mappings, and map it for the driver itself."""
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
        """vfio_pci_mmap_fault: up to 6.9 remap the whole VMA, later insert just this page (S9.4.2).

        :raises Signal: SIGBUS while memory is disabled or the device is asleep
        """
        with self._vma_locked(), self.memory_lock.read():
            self._check_memory()
            self._fill(vma, vpn)

    def _fill(self, vma: Vma, vpn: int) -> None:
        """Fill the page or, up to 6.9, the whole VMA, even if already filled unless ``vfio_fills_once``.

        :raises Undecided: if it is already filled, so the kernel stops with a BUG
        """
        if not self.kernel.profile.vfio_remaps:
            vmf_insert_pfn(vma, vpn, self._pfn(vma, vpn), vma.page_prot)
            return
        if self.kernel.profile.vfio_fills_once and vma in self.filled:
            if vma.mm.tables.runs(vpn, vpn + 1):
                # Another fault, for which this one waited, has filled it.
                return
            raise no_end("the fault repeats for ever: vfio-pci takes the mapping for filled already")
        pfn = self._pfn(vma, vma.start)
        try:
            remap_pfn_range(vma, vma.start, PfnRange(pfn, pfn + vma.nr), vma.page_prot)
        except ModelledErrno:
            zap_vma_ptes(vma, vma.start, vma.end)
            raise Signal("SIGBUS", 2) from None
        self.filled.insert(0, vma)

    def huge_fault(self, vma: Vma, vpn: int, level: int) -> bool:
        """vfio_pci_mmap_huge_fault: insert a leaf if it fits into the VMA and its frames are equally aligned.

        Kernels without ``vfio_checks_leaf_pfn`` accept any frames. Those without ``vfio_aligns_leaf`` accept
        only faults on the leaf's first page (S9.4.2a).

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
            # The first attempt asks for leaves, under the VMA's own lock instead of mmap_lock.
            raise no_rule("a fault of a leaf that waits for a lock")
        with self.memory_lock.read():
            self._check_memory()
            try:
                vmf_insert_pfn_leaf(vma, start, self._pfn(vma, start), vma.page_prot, level)
            except ModelledErrno:
                return False
            return True

    def opened(self, new: Vma, orig: Vma) -> None:
        """Handle a copied VMA: up to 6.9, the copy loses its entries (S9.4.5)."""
        self.users += 1
        if not self.kernel.profile.vfio_remaps:
            return
        if new in self.filled:
            # After a split, the new VMA may be the lower part; the object here is then the old one.
            self.filled[self.filled.index(new)] = orig
        zap_vma_ptes(new, new.start, new.end)

    def closed(self, vma: Vma) -> None:
        """Handle a freed VMA; dropping the last reference closes the device."""
        self.users -= 1
        with self._vma_locked():
            if vma in self.filled:
                self.filled.remove(vma)
        self.kernel.later(self._release)

    def set_memory(self, enabled: bool) -> None:
        """Write the command register; entries are removed before decoding is off, or stays off (S9.4.4)."""
        with self._changed(zapped=not enabled):
            self.memory = enabled
            self.kernel.undecoded = () if enabled else (self.bar,)

    def set_power(self, *, asleep: bool) -> None:
        """Write the power state, D3hot or D0: like the memory bit, but the device keeps decoding (S9.4.8)."""
        with self._changed(zapped=asleep):
            self.asleep = asleep

    def reset(self) -> None:
        """VFIO_DEVICE_RESET: entries are removed, the device wakes up, its memory bit is kept (S9.4.9)."""
        with self._changed(zapped=True):
            self.asleep = False

    @contextmanager
    def _changed(self, *, zapped: bool) -> Iterator[None]:
        """Allow the device to be changed within this context; if *zapped*, its entries are removed first.

        Without ``vfio_minds_memory``, they stay.
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
        """vfio_pci_zap_and_vma_lock: zap one address space after another until no VMA is listed.

        Up to 6.9, the list stays empty within this context.
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

        :raises ModelledErrno: EBADF if it is already closed
        """
        if not self.open:
            raise ModelledErrno(errno.EBADF)
        self.open = False
        self._release()

    def _release(self) -> None:
        """Close the device, once the descriptor and all mappings are gone; the driver releases its BARs."""
        if self.open or self.users:
            return
        if self.kernel.processors.held:
            raise no_rule("closing a vfio-pci device while a processor is held")
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

        :raises Undecided: if entries are being removed, and the lock is released and taken again in between
        """
        if self.zapping and self.vma_lock.written:
            raise no_rule("who has vma_lock first while vfio-pci takes entries away")
        return self.vma_lock.write() if self.kernel.profile.vfio_remaps else nullcontext()

    def _pfn(self, vma: Vma, vpn: int) -> int:
        offset = vma.pgoff + vpn - vma.start
        return offset if self.kernel.profile.vfio_remaps else self.bar.start + offset - BAR_OFFSET
