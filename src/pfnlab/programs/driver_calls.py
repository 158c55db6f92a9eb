"""What only a driver can do: how the guest driver maps, and what a program asks it and vfio-pci for."""

from __future__ import annotations

from typing import Literal

import msgspec

from pfnlab.programs.span import Span

#: How the guest driver maps: all at once, a part, in two halves, ordinary RAM instead of the device, page
#: by page on fault (with a mode of its own; in a VM_MIXEDMAP), or not at all.
DriverHow = Literal["remap", "part", "halves", "ram", "fault", "fault_prot", "mixed", "refuse"]

#: The cache mode the driver puts into vm_page_prot.
DriverMode = Literal["asis", "wc", "uc-"]

#: The cache mode a driver asks ioremap for.
IoremapMode = Literal["uc-", "wc", "wb", "uc", "wt"]


class DriverMap(msgspec.Struct, frozen=True):
    """How the guest driver answers an mmap.

    :param part: for ``part``: first page and page behind the last, in pages of the mapping
    """

    how: DriverHow
    mode: DriverMode = "asis"
    part: tuple[int, int] | None = None


class ZapVmaPtes(msgspec.Struct, frozen=True, tag="zap_vma_ptes"):
    """The driver clears entries of a living VMA (zap_vma_ptes, zap_special_vma_range)."""

    span: Span


class UnmapMappingRange(msgspec.Struct, frozen=True, tag="unmap_mapping_range"):
    """The driver takes device pages out of every mapping of its file.

    :param span: device pages
    :param keep_cows: leave pages copied on write alone (even_cows = 0)
    """

    span: Span
    keep_cows: bool = False


class RemapPfnRange(msgspec.Struct, frozen=True, tag="remap_pfn_range"):
    """The driver calls remap_pfn_range on a part of a living VMA."""

    span: Span
    mode: DriverMode = "asis"


class RequestMemRegion(msgspec.Struct, frozen=True, tag="request_mem_region"):
    """The driver claims device pages, which revokes other mappings of them."""

    span: Span


class ReleaseMemRegion(msgspec.Struct, frozen=True, tag="release_mem_region"):
    """The driver gives its claim back."""


class Ioremap(msgspec.Struct, frozen=True, tag="ioremap"):
    """The driver maps device pages for itself."""

    span: Span
    mode: IoremapMode


class Iounmap(msgspec.Struct, frozen=True, tag="iounmap"):
    """The driver undoes its own mapping."""


class MemoryDisable(msgspec.Struct, frozen=True, tag="memory_disable"):
    """Clear the memory space bit in the command register of a pci device, through vfio-pci."""

    device: str


class MemoryEnable(msgspec.Struct, frozen=True, tag="memory_enable"):
    """Set that bit again."""

    device: str


class VfioClose(msgspec.Struct, frozen=True, tag="vfio_close"):
    """Close the descriptor of the device that vfio-pci gave; mappings keep it open."""

    device: str
