"""The mappings of a sweep, by kind: how pages are mapped and reached, and the lines that then do it."""

from collections.abc import Callable
from typing import NamedTuple

#: Pages of a leaf.
PAGES_2M, PAGES_1G = 1 << 9, 1 << 18


class SweptMapping(NamedTuple):
    """A kind of mapping.

    :param pages: how many of them area ``a`` shows; the device has twice as many
    :param via: the way to map them, as a line of a program has it
    :param kinds: the kinds of operation that are done to it, rows and columns of its table
    :param aligned: pages for the first operation and for the others, at borders of the mapping or of leaves
    :param odd: the same, somewhere inside, so that the second range leaves the first one
    :param sharing: ``shared`` or ``private``
    :param reached: pages that are written before the first operation
    """

    name: str
    device: str
    pages: int
    via: str
    kinds: tuple[str, ...]
    aligned: tuple[tuple[int, int], tuple[int, int]] = ((4, 8), (0, 16))
    odd: tuple[tuple[int, int], tuple[int, int]] = ((3, 7), (5, 11))
    sharing: str = "shared"
    reached: tuple[int, ...] = (3, 5, 6, 8)


#: What is done to every mapping.
_COMMON = (
    *("munmap", "mprotect", "move", "grow", "shrink", "mmap over", "dontfork"),
    *("mseal", "write", "mem_write", "fork exit"),
)

#: What is done to a mapping of every process besides: what rarely changes one, and looks.
_ALL = (*_COMMON, "dontneed", "populate", "mlock", "process_vm", "smaps")

#: What is done to a leaf: it is split, moved, dropped or looked at.
_ON_LEAVES = ("munmap", "mprotect", "move", "shrink", "mmap over", "dontfork", "write", "mem_write", "smaps")

#: What is done to a mapping of a driver.
_DRIVEN = (*_COMMON, "zap", "unmap", "remap")

_PLACES_2M = ((0, PAGES_2M), (0, 2 * PAGES_2M)), ((3, 7), (PAGES_2M - 12, PAGES_2M + 20))
_PLACES_1G = (((PAGES_2M, 2 * PAGES_2M), (0, 2 * PAGES_1G)), ((3, 7), (PAGES_1G - 12, PAGES_1G + 20)))

_LEAF_2M = SweptMapping(
    *("2 MiB", "pci", 2 * PAGES_2M, "driver fault_pmd wc", (*_ON_LEAVES, "unmap", "fork exit")),
    *_PLACES_2M,
    reached=(5, PAGES_2M + 5),
)
_LEAF_1G = SweptMapping(
    *("1 GiB", "pci", 2 * PAGES_1G, "driver fault_pud wc", (*_ON_LEAVES, "unmap", "fork exit")),
    *_PLACES_1G,
    reached=(5, PAGES_1G + 5),
)

#: The scopes, each with its kinds of mapping.
MAPPINGS: dict[str, tuple[SweptMapping, ...]] = {
    "pci": (
        SweptMapping("UC-", "pci", 16, "uc", (*_ALL, "remap pages")),
        SweptMapping("WC", "pci", 16, "wc", (*_ALL, "remap pages")),
    ),
    "mem": (SweptMapping("/dev/mem", "lowmem", 16, "devmem", (*_ALL, "remap pages")),),
    "private": (SweptMapping("private", "pci", 16, "uc", _ALL, sharing="private"),),
    "driver": (
        SweptMapping("remap", "pci", 16, "driver remap wc", _DRIVEN),
        SweptMapping("apply", "pci", 16, "driver apply wc", _DRIVEN),
        SweptMapping("fault", "pci", 16, "driver fault wc", _DRIVEN),
        SweptMapping("mixed", "pci", 16, "driver mixed wc", _DRIVEN),
    ),
    "vfio": (SweptMapping("vfio", "pci", 16, "vfio", (*_COMMON, "memory off", "memory on", "reset")),),
    "leaves": (
        _LEAF_2M,
        _LEAF_1G,
        SweptMapping(
            *("vfio 2 MiB", "pci", 2 * PAGES_2M, "vfio", (*_ON_LEAVES, "memory off", "memory on")),
            *_PLACES_2M,
            reached=(5, PAGES_2M + 5),
        ),
    ),
}

#: What is done to a leaf three times.
_THRICE = ("munmap", "mprotect", "move", "write", "unmap")

#: The scopes of three operations in a row.
TRIPLES: dict[str, tuple[SweptMapping, ...]] = {
    "triples": (_LEAF_2M._replace(kinds=_THRICE), _LEAF_1G._replace(kinds=_THRICE))
}

#: What gives memory a policy, a protection key or other marks, what shows them, and what is done beside.
_MARKING = (
    *("munmap", "mprotect", "move", "mmap over", "write", "fork exit", "mlock"),
    *("mbind", "pkey", "clear refs", "rollup", "numa maps"),
)

#: The scopes of marks: `all` is without them.
MARKS: dict[str, tuple[SweptMapping, ...]] = {
    "marks": (
        SweptMapping("WC", "pci", 16, "wc", _MARKING),
        SweptMapping("private", "pci", 16, "uc", _MARKING, sharing="private"),
        _LEAF_2M._replace(kinds=_MARKING),
    )
}

#: What is done beside an operation that is held.
_BESIDE = ("munmap", "mprotect", "move", "mmap over", "mmap", "fork", "write", "mem_write")

#: The pages that are written there before: not the one that an operation writes.
_NOT_ALL = (3, 5, 8)

#: The scopes of an operation that is held, and another one beside it.
HOLDS: dict[str, tuple[SweptMapping, ...]] = {
    "holds": (
        SweptMapping("WC", "pci", 16, "wc", (*_BESIDE, "claim"), reached=_NOT_ALL),
        SweptMapping("remap", "pci", 16, "driver remap wc", (*_BESIDE, "zap", "unmap"), reached=_NOT_ALL),
        SweptMapping("fault", "pci", 16, "driver fault wc", (*_BESIDE, "zap", "unmap"), reached=_NOT_ALL),
    )
}


class Spot(NamedTuple):
    """Pages to which an operation is applied.

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
