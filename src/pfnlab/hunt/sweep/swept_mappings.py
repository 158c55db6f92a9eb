"""The mappings of a sweep, by kind: the device, how its pages are mapped and reached, and what is done."""

from __future__ import annotations

from typing import NamedTuple

#: Pages of a leaf.
PAGES_2M, PAGES_1G = 1 << 9, 1 << 18


class SweptMapping(NamedTuple):
    """A kind of mapping.

    :param name: of it, in titles and tables
    :param device: the kind of device
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

_PLACES_1G = (
    ((PAGES_2M, 2 * PAGES_2M), (0, 2 * PAGES_1G)),
    ((3, 7), (PAGES_1G - 12, PAGES_1G + 20)),
)

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
    "triples": (
        _LEAF_2M._replace(kinds=_THRICE),
        _LEAF_1G._replace(kinds=_THRICE),
    ),
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
    ),
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
    ),
}
