"""The operations on devices: of the guest driver, of vfio-pci, and of a device's slot."""

from __future__ import annotations

from typing import Literal

import msgspec

from pfnlab.programs.lang.span import OnPages

#: How the driver maps: all at once (also without operations, or by vm_iomap_memory), a part or two halves,
#: ordinary RAM instead of the device (at once, or page by page with the VMA narrowed to each, as hfi1 and
#: comedi do), as i915 does (apply_to_page_range, where nobody is asked for a cache mode), page by page
#: on fault (with a mode of its own; by leaves of 2 MiB, or of 1 GiB too; by remap_pfn_range of all; where
#: first writes ask the driver; in a VM_MIXEDMAP, where they may do so too), its own pages as pages (one by
#: one, several at once, by vm_map_pages, or on fault, where first writes ask the driver; by turns with frames
#: of the device), or not at all.
DriverHow = Literal[
    "remap",
    "bare",
    "iomap_memory",
    "part",
    "halves",
    "ram",
    "narrowed",
    "apply",
    "fault",
    "fault_prot",
    "fault_pmd",
    "fault_pud",
    "fault_remap",
    "fault_mkwrite",
    "mixed",
    "mixed_mkwrite",
    "insert_page",
    "insert_pages",
    "map_pages",
    "page_mkwrite",
    "mixed_pages",
    "refuse",
]

#: Of these the ways that insert the driver's own pages as pages, which are counted, at once.
INSERTED: tuple[DriverHow, ...] = ("insert_page", "insert_pages", "map_pages")

#: The ways that map the driver's own pages as pages.
OWN_PAGES: tuple[DriverHow, ...] = (*INSERTED, "page_mkwrite", "mixed_pages")

#: Ways that map the driver's own pages of ordinary memory instead of the device's.
OWN_RAM: tuple[DriverHow, ...] = ("ram", "narrowed", *OWN_PAGES)

#: Ways to fill entries on fault for which the kernel stops when the mapping is private.
SHARED_ONLY: tuple[DriverHow, ...] = ("fault", "fault_prot", "fault_pmd", "fault_pud", "fault_mkwrite")

#: The cache mode the driver puts into vm_page_prot, with the number of ``enum pfnlab_mode``.
DriverMode = Literal["asis", "wc", "uc-", "wt"]
DRIVER_MODE_NUMBERS: dict[str, int] = {"asis": 0, "wc": 1, "uc-": 2, "wt": 3}

#: The cache mode a driver asks ioremap for, with the number of ``enum pfnlab_ioremap``.
IoremapMode = Literal["uc-", "wc", "wb", "uc", "wt"]
IOREMAP_NUMBERS: dict[str, int] = {"uc-": 0, "wc": 1, "wb": 2, "uc": 3, "wt": 4}

#: The cache mode a driver asks memremap for, with the kernel's flag.
MemremapMode = Literal["wb", "wt", "wc"]
MEMREMAP_NUMBERS: dict[str, int] = {"wb": 1, "wt": 2, "wc": 4}

#: The cache mode that set_memory_* and set_pages_array_* give the driver's own pages, with the number of
#: ``enum pfnlab_set_memory``.
SetMemoryMode = Literal["wb", "wc", "uc"]
SET_MEMORY_NUMBERS: dict[str, int] = {"wb": 0, "wc": 1, "uc": 2}

#: The name of the driver's own pages of ordinary memory, in the place of a device, and their number.
DRIVER_RAM = "ram"
DRIVER_RAM_PAGES = 16

#: The name of the second place of a BAR, where others name a device, and the most pages of one that has it.
MOVED_BAR = "moved"
MOVED_PAGES = 8192

#: Struct pages are made for whole sections of so many pages.
SECTION_PAGES = 512


class DriverMap(msgspec.Struct, frozen=True):
    """How the guest driver answers an mmap.

    :param part: for ``part``: first page and page behind the last, in pages of the mapping
    """

    how: DriverHow
    mode: DriverMode = "asis"
    part: tuple[int, int] | None = None


class ZapVmaPtes(OnPages, frozen=True, tag="zap_vma_ptes"):
    """The driver clears entries of a living VMA (zap_vma_ptes, zap_special_vma_range)."""


class UnmapMappingRange(OnPages, frozen=True, tag="unmap_mapping_range"):
    """The driver takes device pages out of every mapping of its file.

    :param span: device pages
    :param keep_cows: leave pages copied on write alone (even_cows = 0)
    :param to_end: not only these, which are the device's last, but all to the end of the file: truncation
    """

    keep_cows: bool = False
    to_end: bool = False


class RemapPfnRange(OnPages, frozen=True, tag="remap_pfn_range"):
    """The driver calls remap_pfn_range on a part of a living VMA."""

    mode: DriverMode = "asis"


class RequestMemRegion(OnPages, frozen=True, tag="request_mem_region"):
    """The driver claims device pages, which revokes other mappings of them."""


class ReleaseMemRegion(msgspec.Struct, frozen=True, tag="release_mem_region"):
    """The driver gives its claim back."""


class Ioremap(OnPages, frozen=True, tag="ioremap"):
    """The driver maps device pages for itself."""

    mode: IoremapMode


class Iounmap(msgspec.Struct, frozen=True, tag="iounmap"):
    """The driver undoes its newest ioremap."""


class Memremap(OnPages, frozen=True, tag="memremap"):
    """The driver maps pages, of a device or its own, as if they were memory."""

    mode: MemremapMode


class Memunmap(msgspec.Struct, frozen=True, tag="memunmap"):
    """The driver undoes its newest memremap."""


class IoMappingCreateWc(OnPages, frozen=True, tag="io_mapping_create_wc"):
    """The driver makes an io_mapping of device pages."""


class IoMappingFree(msgspec.Struct, frozen=True, tag="io_mapping_free"):
    """The driver frees its newest io_mapping."""


class ArchIoReserveMemtypeWc(OnPages, frozen=True, tag="arch_io_reserve_memtype_wc"):
    """The driver books pages as write-combining, so that later inserts find them so."""


class ArchIoFreeMemtypeWc(OnPages, frozen=True, tag="arch_io_free_memtype_wc"):
    """The driver frees a booking of exactly these pages, its own or another's."""


class ArchPhysWcAdd(OnPages, frozen=True, tag="arch_phys_wc_add"):
    """The driver asks for a write-combining MTRR, for kernels that have nothing better."""


class SetMemory(OnPages, frozen=True, tag="set_memory"):
    """The driver changes the cache mode of its own pages: ``set_memory_wc`` and the like.

    :param span: pages of :data:`DRIVER_RAM`
    """

    mode: SetMemoryMode


class SetPagesArray(OnPages, frozen=True, tag="set_pages_array"):
    """The driver does so with an array of its pages, as graphics drivers do: ``set_pages_array_wc``, ...

    :param span: pages of :data:`DRIVER_RAM`
    """

    mode: SetMemoryMode


class MemremapPages(OnPages, frozen=True, tag="memremap_pages"):
    """The driver has struct pages made for device pages (ZONE_DEVICE), whole sections of them.

    :param p2pdma: as MEMORY_DEVICE_PCI_P2PDMA, which asks for UC-, not as MEMORY_DEVICE_GENERIC
    """

    p2pdma: bool = False


class MemunmapPages(msgspec.Struct, frozen=True, tag="memunmap_pages"):
    """The driver removes its newest struct pages."""


class OnDevice(msgspec.Struct, frozen=True):
    """An operation on a pci device as a whole."""

    device: str


class Bind(OnDevice, frozen=True, tag="bind"):
    """The task binds the guest driver to a pci device (the driver's ``bind`` file): its BAR is claimed."""


class Unbind(OnDevice, frozen=True, tag="unbind"):
    """The task unbinds it again (the driver's ``unbind`` file): the claim is given back."""


#: The calls that the guest driver makes for a program.
DriverRequest = (
    ZapVmaPtes
    | UnmapMappingRange
    | RemapPfnRange
    | RequestMemRegion
    | ReleaseMemRegion
    | Ioremap
    | Iounmap
    | Memremap
    | Memunmap
    | IoMappingCreateWc
    | IoMappingFree
    | ArchIoReserveMemtypeWc
    | ArchIoFreeMemtypeWc
    | SetMemory
    | SetPagesArray
    | MemremapPages
    | MemunmapPages
)

#: The calls of a program that need the guest driver.
DriverCall = DriverRequest | ArchPhysWcAdd | Bind | Unbind


class MemoryDisable(OnDevice, frozen=True, tag="memory_disable"):
    """Clear the memory space bit in the command register of a pci device, through vfio-pci."""


class MemoryEnable(OnDevice, frozen=True, tag="memory_enable"):
    """Set the memory space bit again."""


class VfioReset(OnDevice, frozen=True, tag="vfio_reset"):
    """Reset a pci device through vfio-pci (VFIO_DEVICE_RESET)."""


class D3(OnDevice, frozen=True, tag="d3"):
    """Put a pci device to sleep through vfio-pci: power state D3hot."""


class D0(OnDevice, frozen=True, tag="d0"):
    """Wake a pci device through vfio-pci: power state D0."""


class VfioClose(OnDevice, frozen=True, tag="vfio_close"):
    """Close the descriptor of the device that vfio-pci gave; mappings keep it open."""


#: The calls of a program on a device that was opened through vfio-pci.
VfioCall = MemoryDisable | MemoryEnable | VfioReset | D3 | D0 | VfioClose


class Remove(OnDevice, frozen=True, tag="remove"):
    """The task writes 1 to the ``remove`` file of a pci device: the kernel forgets the device in its slot."""


class Rescan(OnDevice, frozen=True, tag="rescan"):
    """The task writes 1 to /sys/bus/pci/rescan, and the device that is found is enabled."""


class RescanMoved(OnDevice, frozen=True, tag="rescan_moved"):
    """The same while something else has the addresses of the BAR: it comes to those of :data:`MOVED_BAR`."""


class Unplug(OnDevice, frozen=True, tag="unplug"):
    """A pci device is unplugged (QEMU's ``device_del``); done when it is out of its slot."""


class Plug(OnDevice, frozen=True, tag="plug"):
    """Another device, whose memory is zero, is plugged into the slot (``device_add``) and enabled."""


#: The calls of a program on a device's slot.
SlotCall = Remove | Rescan | RescanMoved | Unplug | Plug
