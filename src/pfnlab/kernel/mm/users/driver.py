"""A driver that can map a device in every way: the model of the guest driver behind /dev/pfnlab."""

import errno
from dataclasses import dataclass, field

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange, pfn_to_phys
from pfnlab.kernel.hw.bits import PAGE_CACHE_MASK, PAGE_SPECIAL
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pgprot import pgprot_noncached, pgprot_writecombine, pgprot_writethrough
from pfnlab.kernel.hw.pgtable import LEAF_PAGES, EntryRun, Page
from pfnlab.kernel.hw.physmap import Resource
from pfnlab.kernel.mm.fault import Signal
from pfnlab.kernel.mm.flags import (
    VM_DONTDUMP,
    VM_DONTEXPAND,
    VM_IO,
    VM_MIXEDMAP,
    VM_PFNMAP,
    VM_REMAP,
    VM_SHARED,
    is_cow_mapping,
)
from pfnlab.kernel.mm.insert import vmf_insert_pfn, vmf_insert_pfn_leaf
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.more.memremap import (
    ioremap,
    iounmap,
    memremap,
    memremap_pages,
    memunmap,
    memunmap_pages,
)
from pfnlab.kernel.mm.remap import fill, remap_pfn_range
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.vma import AddressSpace, MappedFile, Vma
from pfnlab.kernel.mm.zap import revoke_iomem, zap_vma_ptes

#: The ordinary pages mapped by kinds that use no device: the first page, and how many.
RAM_PFN, RAM_PAGES = 0x4000, 16

#: The ways of mapping that use other frames than the offset selects.
OTHER_FRAMES = ("ram", "narrowed", "buffer", "fault_moved")

#: The offset at which ``fault_moved`` inserts: this many pages, XORed into the frame number.
MOVED_BY = 4


def prot_of(vma: Vma, mode: str) -> int:
    """Return vm_page_prot with the mode that the driver is asked for: ``asis``, ``wc``, ``uc-`` or ``wt``."""
    kernel = vma.mm.kernel
    pat, prot = kernel.platform.pat, vma.page_prot & ~PAGE_CACHE_MASK
    match mode:
        case "wc":
            return pgprot_writecombine(prot, pat, kernel.profile.pgprot_replaces)
        case "wt":
            return pgprot_writethrough(prot, pat, kernel.profile.pgprot_replaces)
        case "uc-":
            return pgprot_noncached(prot, pat)
    return vma.page_prot


class DriverDeviceFile(MappedFile):
    """An open /dev/pfnlab, whatever the way of mapping; offsets are physical pages.

    :ivar mode: the cache mode in vm_page_prot
    """

    mode: str
    kind = "driver"
    mapping: AddressSpace = "driver"
    has_access = True

    def mmap(self, vma: Vma) -> None:
        """The driver's mmap."""
        with vma.mm.kernel.processors.inside("pfnlab_mmap"):
            vma.page_prot = prot_of(vma, self.mode)
            self._fill(vma)

    def _fill(self, vma: Vma) -> None:
        """Fill entries, or leave that to faults."""
        raise NotImplementedError


@dataclass(frozen=True)
class DriverFile(DriverDeviceFile):
    """An open /dev/pfnlab, for a mapping with vm_ops.

    :param how: ``remap`` everything, ``part`` of the pages, ``halves`` in two calls, ``ram`` instead of the
        device (``narrowed``: page by page, narrowing the VMA to each; ``buffer``: at once, freed if that
        fails), ``apply`` without requesting a cache mode, on ``fault`` (``fault_prot`` with the driver's own
        mode, ``fault_pmd`` and ``fault_pud`` by leaves, ``fault_remap`` all at once, ``fault_moved`` all at
        mmap and other frames on fault, ``mixed`` in a VM_MIXEDMAP; ``fault_mkwrite`` and ``mixed_mkwrite`` if
        first writes call the driver), or ``refuse``; ``iomap_memory`` and ``export`` also map everything
    :param mode: the cache mode in vm_page_prot
    :param part: for ``part``: the first page, and the page after the last, counted from
        the start of the mapping
    """

    how: str
    mode: str
    part: tuple[int, int] = (0, 0)

    def _fill(self, vma: Vma) -> None:
        """Fill entries as ``how`` says."""
        device, half = vma.pgoff, vma.nr // 2
        match self.how:
            case "refuse":
                raise ModelledErrno(errno.ENXIO)
            case "remap" | "iomap_memory" | "fault_moved" | "export" | "stack":
                self._remap(vma, device, 0, vma.nr)
            case "part":
                self._remap(vma, device, *self.part)
            case "halves":
                self._remap(vma, device, 0, half)
                self._remap(vma, device, half, vma.nr)
            case "ram" | "narrowed" | "buffer" if vma.nr > RAM_PAGES:
                raise ModelledErrno(errno.EINVAL)
            case "ram":
                self._remap(vma, RAM_PFN, 0, vma.nr)
            case "buffer":
                _remap_buffer(vma)
            case "narrowed":
                _remap_narrowed(vma)
            case "apply":
                vma.flags |= VM_REMAP
                if not fill(vma, EntryRun(vma.start, vma.end, device, vma.page_prot | PAGE_SPECIAL)):
                    raise ModelledErrno(errno.ENOMEM)
            case "mixed" | "mixed_mkwrite":
                vma.flags |= VM_MIXEDMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP
            case "fault_pmd" | "fault_pud" if not vma.mm.kernel.profile.huge_pfnmap:
                raise ModelledErrno(errno.EOPNOTSUPP)
            case _:
                vma.flags |= VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP

    @property
    def has_pfn_mkwrite(self) -> bool:
        """Its vm_ops have pfn_mkwrite."""
        return self.how in ("fault_mkwrite", "mixed_mkwrite")

    def fault(self, vma: Vma, vpn: int, write: bool) -> None:
        """The driver's fault handler, the same for every kind: insert the frame at the offset, or all frames.

        :raises Signal: SIGBUS in a private mapping, where inserting would hit a BUG, or
            if remap_pfn_range fails
        """
        with vma.mm.kernel.processors.inside("pfnlab_fault"):
            if self.how == "fault_remap":
                self._remap_all(vma)
                return
            if not _may_insert(vma):
                raise Signal("SIGBUS", 2)
            pfn = vma.pgoff + vpn - vma.start
            if self.how == "fault_moved":
                pfn ^= MOVED_BY
            prot = prot_of(vma, "wc") if self.how == "fault_prot" else vma.page_prot
            mkwrite = self.how == "mixed_mkwrite" and write and bool(vma.flags & VM_SHARED)
            vmf_insert_pfn(vma, vpn, pfn, prot, mkwrite=mkwrite)

    def huge_fault(self, vma: Vma, vpn: int, level: int) -> bool:
        """The driver's handler for leaves; if no leaf fits, or this kind has none, small entries are used.

        :return: False to fall back to smaller entries
        """
        pages = LEAF_PAGES[level]
        start = vpn - vpn % pages
        kind = {"fault_pmd": 2, "fault_pud": 3}.get(self.how, 1)
        fits = vma.start <= start and start + pages <= vma.end
        pfn = vma.pgoff + start - vma.start
        if level > kind or not fits or pfn % pages or not _may_insert(vma):
            return False
        try:
            vmf_insert_pfn_leaf(vma, start, pfn, vma.page_prot, level)
        except ModelledErrno:
            return False
        return True

    def _remap_all(self, vma: Vma) -> None:
        """remap_pfn_range of the whole VMA; where entries exist, the kernel would hit a BUG."""
        if vma.mm.tables.runs(vma.start, vma.end):
            raise Signal("SIGBUS", 2)
        try:
            self._remap(vma, vma.pgoff, 0, vma.nr)
        except ModelledErrno:
            raise Signal("SIGBUS", 2) from None

    def _remap(self, vma: Vma, pfn: int, first: int, end: int) -> None:
        remap_pfn_range(vma, vma.start + first, PfnRange(pfn + first, pfn + end), vma.page_prot)


@dataclass(frozen=True)
class BareDriverFile(DriverDeviceFile):
    """An open /dev/pfnlab, for a mapping that is remapped at once and has no vm_ops (S6.2.5a)."""

    mode: str
    has_access = False

    def _fill(self, vma: Vma) -> None:
        """Remap everything."""
        remap_pfn_range(vma, vma.start, PfnRange(vma.pgoff, vma.pgoff + vma.nr), vma.page_prot)


def _remap_narrowed(vma: Vma) -> None:
    """Remap RAM page by page, each call seeing a VMA of just that page.

    dma_mmap_coherent() maps a whole VMA, so drivers with several buffers in one mapping (hfi1, comedi) narrow
    the VMA to each in turn.
    """
    start, end = vma.start, vma.end
    try:
        for page in range(end - start):
            vma.start, vma.end = start + page, start + page + 1
            remap_pfn_range(vma, vma.start, PfnRange(RAM_PFN + page, RAM_PFN + page + 1), vma.page_prot)
    finally:
        vma.start, vma.end = start, end


def _remap_buffer(vma: Vma) -> None:
    """Remap a RAM buffer. On failure the driver frees it, although entries may still map it (A18)."""
    try:
        remap_pfn_range(vma, vma.start, PfnRange(RAM_PFN, RAM_PFN + vma.nr), vma.page_prot)
    except ModelledErrno:
        if vma.mm.tables.runs(vma.start, vma.end):
            vma.mm.kernel.trace.printk("pfnlab: entries show memory that is freed")
        raise


def _may_insert(vma: Vma) -> bool:
    """True if vmf_insert_pfn does not hit a BUG, as it would in private PFN mappings."""
    return not is_cow_mapping(vma.flags) or bool(vma.flags & VM_MIXEDMAP)


_UNDO = {"ioremap": iounmap, "memremap": memunmap, "io_mapping": iounmap, "memremap_pages": memunmap_pages}


@dataclass
class DriverState:
    """The driver's state between calls: one claimed region, and its own mappings by kind, newest last.

    Methods that map something for the driver itself raise ENOMEM where the kernel returns a null pointer.

    :ivar pages: the driver's own pages that have ever been mapped as pages, by frame
    :ivar unlisted: ranges with struct pages that the kernel can no longer find by frame number (S4.9.1)
    """

    held: dict[str, list[PfnRange]] = field(default_factory=dict)
    unlisted: list[PfnRange] = field(default_factory=list)
    resource: Resource | None = None
    pages: dict[int, Page] = field(default_factory=dict)

    def request_mem_region(self, kernel: Kernel, pfns: PfnRange) -> None:
        """Claim *pfns*, revoking mappings of them through /dev/mem and the PCI files.

        :raises ModelledErrno: EBUSY if a region is already claimed, if another driver has claimed some of
            *pfns* (S9.1.6), or if a mapping of them must not be revoked
        """
        resource = Resource(pfn_to_phys(pfns.start), pfn_to_phys(pfns.end), "pfnlab", busy=True)
        if self.resource is not None or not kernel.may_claim(resource):
            raise ModelledErrno(errno.EBUSY)
        self.resource = resource
        kernel.claim(self.resource)
        try:
            revoke_iomem(kernel, pfns)
        except ModelledErrno:
            self.release_mem_region(kernel)
            raise

    def release_mem_region(self, kernel: Kernel) -> None:
        """Release the region that was claimed."""
        if self.resource is not None:
            kernel.release(self.resource)
            self.resource = None

    def ioremap(self, kernel: Kernel, pfns: PfnRange, mode: CacheMode) -> None:
        """Map *pfns* for the driver itself."""
        ioremap(kernel, pfns, mode)
        self._hold("ioremap", pfns)

    def memremap(self, kernel: Kernel, pfns: PfnRange, mode: CacheMode) -> None:
        """Map *pfns* for the driver, as memory."""
        memremap(kernel, pfns, mode)
        self._hold("memremap", pfns)

    def io_mapping_create_wc(self, kernel: Kernel, pfns: PfnRange) -> None:
        """Create an io_mapping, which on this processor is an ioremap_wc with a name (S4.10.1)."""
        ioremap(kernel, pfns, CacheMode.WC)
        self._hold("io_mapping", pfns)

    def memremap_pages(self, kernel: Kernel, pfns: PfnRange, p2pdma: bool) -> None:
        """Create struct pages for *pfns*.

        :raises ModelledErrno: ENOMEM if the first or last page already has one, EEXIST if other pages do;
            otherwise the memtype list's error
        """
        taken = [other for other in self.held.get("memremap_pages", ()) if pfns.overlaps(other)]
        listed = [other for other in taken if other not in self.unlisted]
        if any(other.start <= pfn < other.end for pfn in (pfns.start, pfns.end - 1) for other in listed):
            kernel.trace.printk("Conflicting mapping in same section")
            kernel.trace.printk("WARNING at mm/memremap.c")
            raise ModelledErrno(errno.ENOMEM)
        try:
            memremap_pages(kernel, pfns, CacheMode.UC_MINUS if p2pdma else CacheMode.WB, bool(taken))
        except ModelledErrno:
            # The whole range is unlisted, although some of it belonged to others.
            self.unlisted += listed
            raise
        self._hold("memremap_pages", pfns)

    def let_go(self, kernel: Kernel, kind: str) -> None:
        """Undo the newest mapping of a kind, which is named after the function that creates it.

        :raises ModelledErrno: ENOENT if no such mapping exists
        """
        if not self.held.get(kind):
            raise ModelledErrno(errno.ENOENT)
        pfns = self.held[kind].pop()
        _UNDO[kind](kernel, pfns)
        if kind == "memremap_pages" and pfns in self.unlisted:
            self.unlisted.remove(pfns)

    def _hold(self, kind: str, pfns: PfnRange) -> None:
        self.held.setdefault(kind, []).append(pfns)

    def zap(self, mm: MmStruct, start: int, end: int) -> None:
        """zap_vma_ptes for the VMA at *start*.

        :raises ModelledErrno: EFAULT if there is no VMA
        """
        with mm.mmap_lock.read():
            zap_vma_ptes(_vma_at(mm, start), start, end)

    def remap_pfn_range(self, mm: MmStruct, start: int, end: int, mode: str) -> None:
        """Repeat remap_pfn_range for the live VMA at *start*, with the frames at its offset.

        :raises ModelledErrno: EFAULT if there is no VMA, EINVAL if part of it is not the driver's,
            EBUSY if there are entries already, where the kernel would hit a BUG; otherwise the
            error from remap_pfn_range
        """
        with mm.mmap_lock.write():
            vma = _vma_at(mm, start)
            if not isinstance(vma.file, DriverFile) or end > vma.end:
                raise ModelledErrno(errno.EINVAL)
            if mm.tables.runs(start, end):
                raise ModelledErrno(errno.EBUSY)
            pfn = vma.pgoff + start - vma.start
            remap_pfn_range(vma, start, PfnRange(pfn, pfn + end - start), prot_of(vma, mode))


def _vma_at(mm: MmStruct, start: int) -> Vma:
    vma = mm.vma_lookup(start)
    if vma is None:
        raise ModelledErrno(errno.EFAULT)
    return vma
