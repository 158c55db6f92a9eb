"""Operations on devices: by the guest driver, through vfio-pci, and on a device's slot."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from pfnlab.programs.lang.fields import Ending, Flag, Row, Shape, Word
from pfnlab.programs.lang.span import OnPages

#: The ways in which the driver maps: all at once (also without vm_ops, or by vm_iomap_memory); a part, or two
#: halves; ordinary RAM instead of the device (at once; page by page, narrowing the VMA to each page, like
#: hfi1 and comedi; or a buffer that is freed if mmap fails); like i915 (apply_to_page_range, which requests
#: no cache mode); page by page on fault (with the driver's own mode; by 2 MiB leaves, or 1 GiB leaves too;
#: with one remap_pfn_range for everything; with other frames than at mmap; with first writes reported to the
#: driver; in a VM_MIXEDMAP, also with first writes reported); the driver's own pages as pages (one by one,
#: several at once, by vm_map_pages, or on fault with first writes reported; alternating with device frames);
#: all at once by a second file of the device, or by an mmap that hands the VMA to the first file (which may
#: have mmap_prepare, and may request mmap_action_simple_ioremap there); or not at all.
DriverHow = Literal[
    "remap",
    "bare",
    "iomap_memory",
    "part",
    "halves",
    "ram",
    "narrowed",
    "buffer",
    "apply",
    "fault",
    "fault_prot",
    "fault_pmd",
    "fault_pud",
    "fault_remap",
    "fault_moved",
    "fault_mkwrite",
    "mixed",
    "mixed_mkwrite",
    "insert_page",
    "insert_pages",
    "map_pages",
    "page_mkwrite",
    "mixed_pages",
    "export",
    "stack",
    "stack_prepare",
    "simple_ioremap",
    "refuse",
]

#: Ways that insert all of the driver's own pages at once, as reference-counted pages.
INSERTED: tuple[DriverHow, ...] = ("insert_page", "insert_pages", "map_pages")

#: Ways that map the driver's own pages as pages.
OWN_PAGES: tuple[DriverHow, ...] = (*INSERTED, "page_mkwrite", "mixed_pages")

#: Ways that map the driver's own pages of ordinary memory instead of the device's pages.
OWN_RAM: tuple[DriverHow, ...] = ("ram", "narrowed", "buffer", *OWN_PAGES)

#: Ways in which one file's mmap hands the VMA to another file.
STACKED: tuple[DriverHow, ...] = ("stack", "stack_prepare", "simple_ioremap")

#: Ways in which a single remap_pfn_range maps everything, with the frames that the offset selects.
REMAPPED_WHOLE: frozenset[DriverHow] = frozenset(("remap", "export", *STACKED))

#: The guest driver's files, by their names in observations.
DRIVER_FILES = ("driver", "export")

#: Ways of filling entries on fault that stop the kernel if the mapping is private.
SHARED_ONLY: tuple[DriverHow, ...] = ("fault", "fault_prot", "fault_pmd", "fault_pud", "fault_mkwrite")

#: The cache mode that the driver puts into vm_page_prot, with its number in ``enum pfnlab_mode``.
DriverMode = Literal["asis", "wc", "uc-", "wt"]
DRIVER_MODE_NUMBERS: dict[str, int] = {"asis": 0, "wc": 1, "uc-": 2, "wt": 3}
_PROT_MODE = Word(DRIVER_MODE_NUMBERS, "cache mode", "wc", "asis", plainer=("asis", "wc", "uc-", "wt"))

#: The cache mode that a driver asks ioremap for, with its number in ``enum pfnlab_ioremap``.
IoremapMode = Literal["uc-", "wc", "wb", "uc", "wt"]
IOREMAP_NUMBERS: dict[str, int] = {"uc-": 0, "wc": 1, "wb": 2, "uc": 3, "wt": 4}
_IOREMAP_MODE = Word(IOREMAP_NUMBERS, "cache mode", "wc", plainer=("wc", "uc-", "uc", "wb", "wt"))

#: The cache mode that a driver asks memremap for, with the kernel's flag.
MemremapMode = Literal["wb", "wt", "wc"]
MEMREMAP_NUMBERS: dict[str, int] = {"wb": 1, "wt": 2, "wc": 4}
_MEMREMAP_MODE = Word(MEMREMAP_NUMBERS, "cache mode", "wc", plainer=("wc", "wt", "wb"), c="MEMREMAP_")

#: The cache mode that set_memory_* and set_pages_array_* give to the driver's own pages, with its number in
#: ``enum pfnlab_set_memory``.
SetMemoryMode = Literal["wb", "wc", "uc"]
SET_MEMORY_NUMBERS: dict[str, int] = {"wb": 0, "wc": 1, "uc": 2}
_SET_MODE = Ending(SET_MEMORY_NUMBERS, plainer=("wc", "uc", "wb"))

#: The name that stands for the driver's own pages of ordinary memory in place of a device, and their number.
DRIVER_RAM = "ram"
DRIVER_RAM_PAGES = 16

#: The name that stands for a BAR's second place in place of a device, and the largest size
#: of such a BAR in pages.
MOVED_BAR = "moved"
MOVED_PAGES = 8192

#: Struct pages are created for whole sections, which have this many pages.
SECTION_PAGES = 512


class DriverMap(msgspec.Struct, frozen=True):
    """The way in which the guest driver handles an mmap.

    :param part: for ``part``: the first page, and the page after the last, counted from
        the start of the mapping
    """

    how: DriverHow
    mode: DriverMode = "asis"
    part: tuple[int, int] | None = None


class ZapVmaPtes(OnPages, frozen=True, tag="zap_vma_ptes"):
    """The driver clears entries of a live VMA (zap_vma_ptes, zap_special_vma_range)."""

    row: ClassVar = Row((Shape.RANGE,), "driver zap", "S6.7", weight=8, seen=True, asks="zap({asked})")


class UnmapMappingRange(OnPages, frozen=True, tag="unmap_mapping_range"):
    """The driver removes device pages from every mapping of its file.

    :param span: device pages
    :param keep_cows: leave pages alone that were copied on write (even_cows = 0)
    :param to_end: also unmap everything after these pages, which are the device's last, up to the end of the
        file, as for a truncation
    """

    keep_cows: bool = False
    to_end: bool = False


class RemapPfnRange(OnPages, frozen=True, tag="remap_pfn_range"):
    """The driver calls remap_pfn_range for part of a live VMA."""

    row: ClassVar = Row((Shape.RANGE, _PROT_MODE), "driver remap", "S4.6", weight=4, seen=True)

    mode: DriverMode = "asis"


class RequestMemRegion(OnPages, frozen=True, tag="request_mem_region"):
    """The driver claims device pages; other mappings of them are revoked."""

    row: ClassVar = Row((Shape.DEVICE_PAGES,), "driver claim", "S9.9", weight=4, asks="claim({asked})")


class ReleaseMemRegion(msgspec.Struct, frozen=True, tag="release_mem_region"):
    """The driver releases its claim."""

    row: ClassVar = Row((), "driver release", "S9.9", weight=3, asks="release();")


class Ioremap(OnPages, frozen=True, tag="ioremap"):
    """The driver maps device pages for itself."""

    row: ClassVar = Row((Shape.MEMORY, _IOREMAP_MODE), "driver ioremap", "S9.6", weight=4)

    mode: IoremapMode


class Iounmap(msgspec.Struct, frozen=True, tag="iounmap"):
    """The driver undoes its latest ioremap."""

    row: ClassVar = Row((), "driver iounmap 0", "S9.6", weight=3, asks="let_go(undo_ioremap, 0, 0)")


class Memremap(OnPages, frozen=True, tag="memremap"):
    """The driver maps its own pages, or a device's, as memory."""

    row: ClassVar = Row(
        (Shape.MEMORY, _MEMREMAP_MODE),
        "driver memremap",
        "S9.7",
        weight=2,
        asks="hold(undo_memremap, {asked}, memremap({asked}, {mode}))",
    )

    mode: MemremapMode


class Memunmap(msgspec.Struct, frozen=True, tag="memunmap"):
    """The driver undoes its latest memremap."""

    row: ClassVar = Row((), "driver memunmap 0", "S9.7", weight=2, asks="let_go(undo_memremap, 0, 0)")


class IoMappingCreateWc(OnPages, frozen=True, tag="io_mapping_create_wc"):
    """The driver creates an io_mapping for device pages."""

    row: ClassVar = Row(
        (Shape.MEMORY,),
        "driver io-mapping",
        "S4.10",
        asks="hold(undo_io_mapping, {asked}, io_mapping_create_wc({asked}))",
    )


class IoMappingFree(msgspec.Struct, frozen=True, tag="io_mapping_free"):
    """The driver frees its latest io_mapping."""

    row: ClassVar = Row((), "driver io-mapping-free 0", "S4.10", asks="let_go(undo_io_mapping, 0, 0)")


class ArchIoReserveMemtypeWc(OnPages, frozen=True, tag="arch_io_reserve_memtype_wc"):
    """The driver reserves pages as write-combining so that later inserts use that mode."""

    row: ClassVar = Row((Shape.MEMORY,), "driver reserve-wc", "S9.8", weight=2, asks="reserve_wc({asked})")


class ArchIoFreeMemtypeWc(OnPages, frozen=True, tag="arch_io_free_memtype_wc"):
    """The driver frees a reservation for exactly these pages, whether its own or made by others."""

    row: ClassVar = Row((Shape.MEMORY,), "driver free-wc", "S9.8", weight=2, asks="free_wc({asked});")


class ArchPhysWcAdd(OnPages, frozen=True, tag="arch_phys_wc_add"):
    """The driver requests a write-combining MTRR, for kernels without PAT."""

    row: ClassVar = Row((Shape.MEMORY,), "driver phys-wc-add", "S9.8", weight=0.5)


class SetMemory(OnPages, frozen=True, tag="set_memory"):
    """The driver changes the cache mode of its own pages: ``set_memory_wc`` etc.

    :param span: pages of :data:`DRIVER_RAM`
    """

    row: ClassVar = Row(
        (Shape.OWN_PAGES, _SET_MODE),
        "driver set-memory",
        "S2.9",
        weight=2,
        asks="set_memory({mode}, {asked})",
    )

    mode: SetMemoryMode


class SetPagesArray(OnPages, frozen=True, tag="set_pages_array"):
    """The driver does the same to an array of its pages, as graphics drivers do: ``set_pages_array_wc`` etc.

    :param span: pages of :data:`DRIVER_RAM`
    """

    row: ClassVar = Row(
        (Shape.OWN_PAGES, _SET_MODE), "driver set-pages", "S2.9", asks="set_pages({mode}, {asked})"
    )

    mode: SetMemoryMode


class MemremapPages(OnPages, frozen=True, tag="memremap_pages"):
    """The driver creates struct pages for device pages (ZONE_DEVICE), in whole sections.

    :param p2pdma: use MEMORY_DEVICE_PCI_P2PDMA, which requests UC-, instead of MEMORY_DEVICE_GENERIC
    """

    row: ClassVar = Row(
        (
            Shape.SECTIONS,
            Flag("p2pdma", c=("MEMORY_DEVICE_GENERIC", "MEMORY_DEVICE_PCI_P2PDMA"), plainer=None),
        ),
        "driver memremap-pages",
        "S4.9",
        weight=2,
        asks="hold_pages({asked}, {p2pdma})",
        option="zone_device",
    )

    p2pdma: bool = False


class MemunmapPages(msgspec.Struct, frozen=True, tag="memunmap_pages"):
    """The driver removes the struct pages that it created last."""

    row: ClassVar = Row((), "driver memunmap-pages 0", "S4.9", asks="let_go(undo_pages, 0, 0)")


class OnDevice(msgspec.Struct, frozen=True):
    """An operation on a pci device as a whole."""

    device: str


class Bind(OnDevice, frozen=True, tag="bind"):
    """Bind the guest driver to a pci device (via the driver's ``bind`` file); this claims its BAR."""

    row: ClassVar = Row((Shape.DEVICE,), "bind", "S9.9", weight=3)


class Unbind(OnDevice, frozen=True, tag="unbind"):
    """Unbind the driver (via its ``unbind`` file); this releases the claim."""

    row: ClassVar = Row((Shape.DEVICE,), "unbind", "S9.9", weight=3)


#: The calls that the guest driver makes on behalf of a program.
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

#: The calls in a program that need the guest driver.
DriverCall = DriverRequest | ArchPhysWcAdd | Bind | Unbind


class MemoryDisable(OnDevice, frozen=True, tag="memory_disable"):
    """Clear the memory space bit in a pci device's command register, through vfio-pci."""

    row: ClassVar = Row((Shape.DEVICE,), "memory 0", "S9.4", weight=7, c="memory(false)")


class MemoryEnable(OnDevice, frozen=True, tag="memory_enable"):
    """Set the memory space bit again."""

    row: ClassVar = Row((Shape.DEVICE,), "memory 1", "S9.4", weight=6, c="memory(true)")


class VfioReset(OnDevice, frozen=True, tag="vfio_reset"):
    """Reset a pci device through vfio-pci (VFIO_DEVICE_RESET)."""

    row: ClassVar = Row((Shape.DEVICE,), "vfio-reset", "S9.4", weight=5, c="reset_vfio()")


class D3(OnDevice, frozen=True, tag="d3"):
    """Put a pci device to sleep through vfio-pci: power state D3hot."""

    row: ClassVar = Row((Shape.DEVICE,), "power 3", "S9.4", weight=6, c="power(3)")


class D0(OnDevice, frozen=True, tag="d0"):
    """Wake a pci device through vfio-pci: power state D0."""

    row: ClassVar = Row((Shape.DEVICE,), "power 0", "S9.4", weight=6, c="power(0)")


class VfioClose(OnDevice, frozen=True, tag="vfio_close"):
    """Close the device descriptor obtained from vfio-pci; mappings keep the device open."""

    row: ClassVar = Row((Shape.DEVICE,), "vfio-close", "S9.4", weight=2)


#: Calls that tell an owner, by returning, that its frames are free.
Revoking = UnmapMappingRange | MemoryDisable
REVOKING = (UnmapMappingRange, MemoryDisable)

#: The calls in a program on a device opened through vfio-pci.
VfioCall = MemoryDisable | MemoryEnable | VfioReset | D3 | D0 | VfioClose


class Remove(OnDevice, frozen=True, tag="remove"):
    """Write 1 to a pci device's ``remove`` file: the kernel forgets the device in that slot."""

    row: ClassVar = Row((Shape.DEVICE,), "remove", "S9.9", weight=6, c="remove_device()")


class Rescan(OnDevice, frozen=True, tag="rescan"):
    """Write 1 to /sys/bus/pci/rescan, and enable the device that it finds."""

    row: ClassVar = Row((Shape.DEVICE,), "rescan", "S9.9", weight=7)


class RescanMoved(OnDevice, frozen=True, tag="rescan_moved"):
    """Do the same while the BAR's addresses are occupied, so it moves to :data:`MOVED_BAR`."""

    row: ClassVar = Row((Shape.DEVICE,), "rescan-moved", "S9.9", weight=5)


class Unplug(OnDevice, frozen=True, tag="unplug"):
    """Unplug a pci device (QEMU's ``device_del``) and wait until it has left its slot."""

    row: ClassVar = Row((Shape.DEVICE,), "slot 0", "S9.9", weight=5, option="slots")


class Plug(OnDevice, frozen=True, tag="plug"):
    """Plug another device, with zeroed memory, into the slot (``device_add``) and enable it."""

    row: ClassVar = Row((Shape.DEVICE,), "slot 1", "S9.9", weight=9, option="slots")


#: The calls in a program on a device's slot.
SlotCall = Remove | Rescan | RescanMoved | Unplug | Plug
