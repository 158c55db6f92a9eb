"""The operations of the program language as methods.

`python tools/draw_operations.py --write` makes this file. Arguments are those of the
structures in ``programs/lang``, where each is explained; ``docs/programs.md`` has the whole language.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from pfnlab.api.arguments import typed_class
from pfnlab.api.pages import Bytes, Where, byte_range
from pfnlab.api.step import StepSeen
from pfnlab.programs.lang.device_ops import (
    D0,
    D3,
    ArchIoFreeMemtypeWc,
    ArchIoReserveMemtypeWc,
    ArchPhysWcAdd,
    Bind,
    DriverMode,
    IoMappingCreateWc,
    IoMappingFree,
    Ioremap,
    IoremapMode,
    Iounmap,
    MemoryDisable,
    MemoryEnable,
    Memremap,
    MemremapMode,
    MemremapPages,
    Memunmap,
    MemunmapPages,
    Plug,
    ReleaseMemRegion,
    RemapPfnRange,
    Remove,
    RequestMemRegion,
    Rescan,
    RescanMoved,
    SetMemory,
    Unbind,
    UnmapMappingRange,
    Unplug,
    VfioClose,
    VfioReset,
    ZapVmaPtes,
)
from pfnlab.programs.lang.ops import (
    Call,
    Exec,
    Exit,
    Kill,
    Look,
    Madvise,
    Mlock,
    Mlockall,
    Mprotect,
    Mseal,
    Msync,
    Munlock,
    Munlockall,
    Munmap,
    Read,
    ReadMemtypeList,
    Release,
    RemapFilePages,
    Via,
    Write,
)
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import Mincore, ProcessVmReadv, Status, Walk


@typed_class
class Operations(ABC):
    """The operations on a machine: each method is one, and returns the observation after it.

    :raises Misuse: it is no correct operation here; nothing was done
    :raises Undecided: the model has no rule for it; nothing was done
    """

    @abstractmethod
    def _do(self, call: Call) -> StepSeen:
        """Do *call* and see."""

    @abstractmethod
    def _span(self, where: Where) -> Span:
        """The pages meant by *where*."""

    def munmap(self, span: Where) -> StepSeen:
        """munmap(2)."""
        return self._do(Munmap(self._span(span)))

    def mprotect(self, span: Where, prot: str) -> StepSeen:
        """mprotect(2); ``prot`` as in ``mmap``."""
        return self._do(Mprotect(self._span(span), prot))

    def madvise(self, span: Where, advice: str) -> StepSeen:
        """madvise(2); ``advice`` is a key of :data:`ADVICE`."""
        return self._do(Madvise(self._span(span), advice))

    def mlock(self, span: Where) -> StepSeen:
        """mlock(2)."""
        return self._do(Mlock(self._span(span)))

    def munlock(self, span: Where) -> StepSeen:
        """munlock(2)."""
        return self._do(Munlock(self._span(span)))

    def mlockall(self) -> StepSeen:
        """mlockall(MCL_CURRENT | MCL_FUTURE)."""
        return self._do(Mlockall())

    def munlockall(self) -> StepSeen:
        """munlockall(2)."""
        return self._do(Munlockall())

    def msync(self, span: Where) -> StepSeen:
        """msync(MS_SYNC)."""
        return self._do(Msync(self._span(span)))

    def mseal(self, span: Where) -> StepSeen:
        """mseal(2), since 6.10."""
        return self._do(Mseal(self._span(span)))

    def read(self, span: Where) -> StepSeen:
        """A 32-bit load from the start of page ``span.start`` (one page)."""
        return self._do(Read(self._span(span)))

    def write(self, span: Where, value: int) -> StepSeen:
        """A 32-bit store of ``value`` to the start of page ``span.start`` (one page)."""
        return self._do(Write(self._span(span), value))

    def exec(self) -> StepSeen:
        """execve(2) of a small program: the old address space goes, the task stays."""
        return self._do(Exec())

    def exit(self) -> StepSeen:
        """_exit(2) of the acting task, waited for."""
        return self._do(Exit())

    def kill(self) -> StepSeen:
        """SIGKILL to the acting task, waited for."""
        return self._do(Kill())

    def zap_vma_ptes(self, span: Where) -> StepSeen:
        """The driver clears entries of a living VMA (zap_vma_ptes, zap_special_vma_range)."""
        return self._do(ZapVmaPtes(self._span(span)))

    def unmap_mapping_range(self, span: Where, *, keep_cows: bool = False, to_end: bool = False) -> StepSeen:
        """The driver takes device pages out of every mapping of its file."""
        return self._do(UnmapMappingRange(self._span(span), keep_cows=keep_cows, to_end=to_end))

    def remap_pfn_range(self, span: Where, mode: DriverMode = "asis") -> StepSeen:
        """The driver calls remap_pfn_range on a part of a living VMA."""
        return self._do(RemapPfnRange(self._span(span), mode))

    def request_mem_region(self, span: Where) -> StepSeen:
        """The driver claims device pages, which revokes other mappings of them."""
        return self._do(RequestMemRegion(self._span(span)))

    def release_mem_region(self) -> StepSeen:
        """The driver gives its claim back."""
        return self._do(ReleaseMemRegion())

    def ioremap(self, span: Where, mode: IoremapMode) -> StepSeen:
        """The driver maps device pages for itself."""
        return self._do(Ioremap(self._span(span), mode))

    def iounmap(self) -> StepSeen:
        """The driver undoes its newest ioremap."""
        return self._do(Iounmap())

    def memremap(self, span: Where, mode: MemremapMode) -> StepSeen:
        """The driver maps pages, of a device or its own, as if they were memory."""
        return self._do(Memremap(self._span(span), mode))

    def memunmap(self) -> StepSeen:
        """The driver undoes its newest memremap."""
        return self._do(Memunmap())

    def io_mapping_create_wc(self, span: Where) -> StepSeen:
        """The driver makes an io_mapping of device pages."""
        return self._do(IoMappingCreateWc(self._span(span)))

    def io_mapping_free(self) -> StepSeen:
        """The driver frees its newest io_mapping."""
        return self._do(IoMappingFree())

    def arch_io_reserve_memtype_wc(self, span: Where) -> StepSeen:
        """The driver books pages as write-combining, so that later inserts find them so."""
        return self._do(ArchIoReserveMemtypeWc(self._span(span)))

    def arch_io_free_memtype_wc(self, span: Where) -> StepSeen:
        """The driver frees a booking of exactly these pages, its own or another's."""
        return self._do(ArchIoFreeMemtypeWc(self._span(span)))

    def arch_phys_wc_add(self, span: Where) -> StepSeen:
        """The driver asks for a write-combining MTRR, for kernels that have nothing better."""
        return self._do(ArchPhysWcAdd(self._span(span)))

    def set_memory_wb(self, span: Where) -> StepSeen:
        """The driver changes the cache mode of its own pages to ``wb``."""
        return self._do(SetMemory(self._span(span), "wb"))

    def set_memory_wc(self, span: Where) -> StepSeen:
        """The driver changes the cache mode of its own pages to ``wc``."""
        return self._do(SetMemory(self._span(span), "wc"))

    def set_memory_uc(self, span: Where) -> StepSeen:
        """The driver changes the cache mode of its own pages to ``uc``."""
        return self._do(SetMemory(self._span(span), "uc"))

    def memremap_pages(self, span: Where, *, p2pdma: bool = False) -> StepSeen:
        """The driver has struct pages made for device pages (ZONE_DEVICE), whole sections of them."""
        return self._do(MemremapPages(self._span(span), p2pdma=p2pdma))

    def memunmap_pages(self) -> StepSeen:
        """The driver removes its newest struct pages."""
        return self._do(MemunmapPages())

    def bind(self, device: str) -> StepSeen:
        """The task binds the guest driver to a pci device (the driver's ``bind`` file): its BAR is
        claimed.
        """
        return self._do(Bind(device))

    def unbind(self, device: str) -> StepSeen:
        """The task unbinds it again (the driver's ``unbind`` file): the claim is given back."""
        return self._do(Unbind(device))

    def memory_disable(self, device: str) -> StepSeen:
        """Clear the memory space bit in the command register of a pci device, through vfio-pci."""
        return self._do(MemoryDisable(device))

    def memory_enable(self, device: str) -> StepSeen:
        """Set the memory space bit again."""
        return self._do(MemoryEnable(device))

    def vfio_reset(self, device: str) -> StepSeen:
        """Reset a pci device through vfio-pci (VFIO_DEVICE_RESET)."""
        return self._do(VfioReset(device))

    def d3(self, device: str) -> StepSeen:
        """Put a pci device to sleep through vfio-pci: power state D3hot."""
        return self._do(D3(device))

    def d0(self, device: str) -> StepSeen:
        """Wake a pci device through vfio-pci: power state D0."""
        return self._do(D0(device))

    def vfio_close(self, device: str) -> StepSeen:
        """Close the descriptor of the device that vfio-pci gave; mappings keep it open."""
        return self._do(VfioClose(device))

    def remove(self, device: str) -> StepSeen:
        """The task writes 1 to the ``remove`` file of a pci device: the kernel forgets the device in its
        slot.
        """
        return self._do(Remove(device))

    def rescan(self, device: str) -> StepSeen:
        """The task writes 1 to /sys/bus/pci/rescan, and the device that is found is enabled."""
        return self._do(Rescan(device))

    def rescan_moved(self, device: str) -> StepSeen:
        """The same while something else has the addresses of the BAR: it comes to those of
        :data:`MOVED_BAR`.
        """
        return self._do(RescanMoved(device))

    def unplug(self, device: str) -> StepSeen:
        """A pci device is unplugged (QEMU's ``device_del``); done when it is out of its slot."""
        return self._do(Unplug(device))

    def plug(self, device: str) -> StepSeen:
        """Another device, whose memory is zero, is plugged into the slot (``device_add``) and enabled."""
        return self._do(Plug(device))

    def process_vm_readv(self, span: Where, *, bytes: Bytes = None) -> StepSeen:
        """The task reads page ``span.start`` of itself with process_vm_readv(2)."""
        return self._do(ProcessVmReadv(self._span(span), byte_range(bytes)))

    def mincore(self, span: Where) -> StepSeen:
        """mincore(2): the value is a digit a page."""
        return self._do(Mincore(self._span(span)))

    def mem_read(self, span: Where, *, bytes: Bytes = None) -> StepSeen:
        """The kernel looks at pages ``span`` of the task in another way than the task itself:
        ``mem_read``.
        """
        return self._do(Walk("mem_read", self._span(span), bytes=byte_range(bytes)))

    def mem_write(self, span: Where, value: int, *, bytes: Bytes = None) -> StepSeen:
        """The kernel looks at pages ``span`` of the task in another way than the task itself:
        ``mem_write``.
        """
        return self._do(Walk("mem_write", self._span(span), value, bytes=byte_range(bytes)))

    def process_vm_writev(self, span: Where, value: int, *, bytes: Bytes = None) -> StepSeen:
        """The kernel looks at pages ``span`` of the task in another way than the task itself:
        ``process_vm_writev``.
        """
        return self._do(Walk("process_vm_writev", self._span(span), value, bytes=byte_range(bytes)))

    def pipe_write(self, span: Where) -> StepSeen:
        """The kernel looks at pages ``span`` of the task in another way than the task itself:
        ``pipe_write``.
        """
        return self._do(Walk("pipe_write", self._span(span)))

    def vmsplice(self, span: Where) -> StepSeen:
        """The kernel looks at pages ``span`` of the task in another way than the task itself:
        ``vmsplice``.
        """
        return self._do(Walk("vmsplice", self._span(span)))

    def futex_wake(self, span: Where) -> StepSeen:
        """The kernel looks at pages ``span`` of the task in another way than the task itself:
        ``futex_wake``.
        """
        return self._do(Walk("futex_wake", self._span(span)))

    def move_pages(self, span: Where) -> StepSeen:
        """The kernel looks at pages ``span`` of the task in another way than the task itself:
        ``move_pages``.
        """
        return self._do(Walk("move_pages", self._span(span)))

    def pagemap(self, span: Where) -> StepSeen:
        """The kernel looks at pages ``span`` of the task in another way than the task itself: ``pagemap``."""
        return self._do(Walk("pagemap", self._span(span)))

    def numa_maps(self, span: Where) -> StepSeen:
        """The kernel looks at pages ``span`` of the task in another way than the task itself:
        ``numa_maps``.
        """
        return self._do(Walk("numa_maps", self._span(span)))

    def smaps(self, span: Where) -> StepSeen:
        """The kernel looks at pages ``span`` of the task in another way than the task itself: ``smaps``."""
        return self._do(Walk("smaps", self._span(span)))

    def userfaultfd(self, span: Where) -> StepSeen:
        """The kernel looks at pages ``span`` of the task in another way than the task itself:
        ``userfaultfd``.
        """
        return self._do(Walk("userfaultfd", self._span(span)))

    def remap_file_pages(self, span: Where, source: Where, via: Via) -> StepSeen:
        """remap_file_pages(2): pages ``span`` of a shared mapping show other pages of its file."""
        return self._do(RemapFilePages(self._span(span), self._span(source), via))

    def status(self) -> StepSeen:
        """The task reads VmLck and VmPin of its /proc/PID/status."""
        return self._do(Status())

    def memtype_list(self) -> StepSeen:
        """The task reads debugfs' pat_memtype_list to its end, and keeps nothing of it."""
        return self._do(ReadMemtypeList())

    def release(self) -> StepSeen:
        """The processor that is held goes on; its operation and all that waited for it finish."""
        return self._do(Release())

    def look(self) -> StepSeen:
        """Do nothing: a step that only observes."""
        return self._do(Look())
