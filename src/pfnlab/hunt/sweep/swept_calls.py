"""The operations that a sweep enumerates: the lines of a program for each kind, at a place of a mapping."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Spot(NamedTuple):
    """Pages to which an operation is applied.

    :param area: whose they are
    :param start: the first page; *end*: that behind the last
    :param via: the way to map the device, as a line of a program has it: ``wc``, ``driver remap wc``
    :param sharing: ``shared`` or ``private``
    :param free: the first page of the device that area ``a`` does not show; as many as it shows lie behind it
    :param second: whether it is the second operation of the cell, or the third; some then have other words
    :param name: the area that an operation makes, the task that it makes
    """

    area: str
    start: int
    end: int
    via: str
    sharing: str
    free: int
    second: bool
    name: str

    @property
    def pages(self) -> int:
        """How many pages it is."""
        return self.end - self.start

    @property
    def span(self) -> str:
        """The range, as a line has it."""
        return f"{self.area}[{self.start}:{self.end}]"

    @property
    def page(self) -> str:
        """The middle page of it."""
        return f"{self.area}[{(self.start + self.end) // 2}]"

    @property
    def other(self) -> str:
        """As many pages of the device that area ``a`` does not show, at the same place of a leaf."""
        return f"bar[{self.free + self.start}:{self.free + self.end}]"

    @property
    def shown(self) -> str:
        """The pages of the device that are mapped there at first."""
        return f"bar[{self.start}:{self.end}]"


#: The most pages of ordinary memory that a guest has room for.
_MOST_ANON = 1024


def _moved(spot: Spot, pages: int) -> list[str]:
    return [f"{spot.name} = mremap {spot.span} {pages} pages maymove fixed"]


def _over(spot: Spot) -> list[str]:
    if spot.second and spot.pages <= _MOST_ANON:
        return [f"mmap anon[0:{spot.pages}] private rw over {spot.span}"]
    return [f"mmap {spot.other} {spot.via} {spot.sharing} rw over {spot.span}"]


def _uncached(via: str) -> str:
    """The way *via* with another cache mode than write-combining."""
    way, _, mode = via.rpartition(" ")
    return f"{way} uc-" if way else {"wc": "uc"}[mode]


#: The lines of each kind of operation. A protection and the memory of an mmap differ where it is the second,
#: so that a kind twice is not the same twice.
CALLS: dict[str, Callable[[Spot], list[str]]] = {
    "munmap": lambda at: [f"munmap {at.span}"],
    "mprotect": lambda at: [f"mprotect {at.span} {'none' if at.second else 'r'}"],
    "move": lambda at: _moved(at, at.pages),
    "grow": lambda at: _moved(at, 2 * at.pages),
    "shrink": lambda at: [f"mremap {at.span} {at.pages // 2} pages"],
    "mmap over": _over,
    "dontneed": lambda at: [f"madvise {at.span} dontneed"],
    "dontfork": lambda at: [f"madvise {at.span} dontfork"],
    "populate": lambda at: [f"madvise {at.span} populate_write"],
    "mlock": lambda at: [f"mlock {at.span}"],
    "mseal": lambda at: [f"mseal {at.span}"],
    "write": lambda at: [f"write {at.page} {22 if at.second else 11}"],
    "mem_write": lambda at: [f"mem_write {at.page} {44 if at.second else 33}"],
    "process_vm": lambda at: [f"process_vm_readv {at.page}"],
    "remap pages": lambda at: [f"remap_file_pages {at.span} {at.other} {at.via}"],
    "smaps": lambda at: [f"smaps {at.span}"],
    "mbind": lambda at: [f"mbind {at.span} {'preferred' if at.second else 'bind'}"],
    "pkey": lambda at: [f"pkey_mprotect {at.span} {'r' if at.second else 'rw'} keyed"],
    "clear refs": lambda at: [f"clear_refs {'soft_dirty' if at.second else 'all'}"],
    "rollup": lambda at: [f"smaps_rollup {at.span}"],
    "numa maps": lambda at: [f"numa_maps {at.span}"],
    "fork exit": lambda at: [f"{at.name} = fork", f"{at.name}: exit"],
    "fork": lambda at: [f"{at.name} = fork"],
    "mmap": lambda at: [f"{at.name} = mmap {at.shown} {_uncached(at.via)} {at.sharing} rw"],
    "claim": lambda at: [f"request_mem_region bar[{at.start}:{at.end}]"],
    "zap": lambda at: [f"zap_vma_ptes {at.span}"],
    "unmap": lambda at: [f"unmap_mapping_range {at.shown}"],
    "remap": lambda at: [f"remap_pfn_range {at.span} wc"],
    "memory off": lambda at: ["memory_disable bar"],
    "memory on": lambda at: ["memory_enable bar"],
    "reset": lambda at: ["vfio_reset bar"],
}

#: That which leads the pages to another area, which the next operation follows at aligned places.
FOLLOWED = frozenset({"move"})
