"""The kinds of operations, what they are called, and which follow each other."""

from __future__ import annotations

import msgspec

from pfnlab.programs.ops import (
    Call,
    Mmap,
    Mremap,
    Program,
)
from pfnlab.programs.span import Span
from pfnlab.programs.words import ANON

#: The kinds of operations and how often each is drawn, all else equal.
_USER_KINDS: dict[str, float] = {
    "mmap": 20,
    "mmap anon": 14,
    "mmap over": 9,
    "munmap": 18,
    "mremap": 6,
    "mremap to": 9,
    "mprotect": 10,
    "madvise": 14,
    "read": 7,
    "write": 11,
    "fork": 9,
    "exit": 6,
    "kill": 2,
    "exec": 1,
    "mlock": 3,
    "munlock": 2,
    "mlockall": 1,
    "msync": 3,
    "mseal": 4,
    "memtype_list": 0.5,
    "look": 0.5,
}

#: Kinds that need the guest driver, where a program may have them.
_DRIVER_KINDS: dict[str, float] = {
    "mmap driver": 16,
    "zap_vma_ptes": 8,
    "remap_pfn_range": 4,
    "unmap_mapping_range": 7,
    "request_mem_region": 4,
    "release_mem_region": 3,
    "ioremap": 4,
    "iounmap": 3,
    "memremap": 2,
    "memunmap": 2,
    "io_mapping_create_wc": 1,
    "io_mapping_free": 1,
    "arch_io_reserve_memtype_wc": 2,
    "arch_io_free_memtype_wc": 2,
    "set_memory": 2,
    "mincore": 2,
    "process_vm_readv": 2,
}

#: Kinds that concern no area, so that they follow and precede what was done in any.
EVERYWHERE = frozenset(
    {"fork", "exit", "kill", "exec", "mlockall", "memtype_list", "look", "release_mem_region"}
)
EVERYWHERE |= {"unmap_mapping_range", "request_mem_region", "ioremap", "iounmap", "memremap", "memunmap"}
EVERYWHERE |= {"io_mapping_create_wc", "io_mapping_free", "arch_io_reserve_memtype_wc"}
EVERYWHERE |= {"arch_io_free_memtype_wc", "set_memory"}

#: What often follows in a program that means something: a page is written, shared with a child and written
#: again; ordinary memory is touched and then changed. Chance alone comes by such rows too seldom.
PLANS: dict[str, tuple[tuple[str, ...], ...]] = {
    "mmap anon": (
        ("write", "mprotect"),
        ("write", "madvise", "fork"),
        ("madvise",),
        ("mlock",),
        ("mprotect", "read"),
    ),
    "mmap": (("write", "fork", "exit", "write"), ("fork", "munmap"), ("mmap", "fork"), ("munmap",)),
    "mmap over": (("write", "munmap"), ("fork",)),
    "mmap driver": (("write",), ("read", "zap_vma_ptes"), ("write", "unmap_mapping_range")),
    "mprotect": (("read",), ("write",)),
    "request_mem_region": (("mmap",), ("mmap", "write")),
    "write": (("fork", "write"), ("fork", "exit", "write"), ("mprotect", "read")),
}

#: Kinds that end tasks or make them, which has no place in the middle of a schedule.
NEVER_HELD = frozenset({"exit", "kill", "exec", "fork", "look"})

#: Kinds that are not repeated: a task ends once, and each has a name of its own; a release needs its hold.
ONCE = frozenset({"exit", "kill", "fork", "thread", "release"})

#: Kinds that end a task, or what it has.
ENDS = frozenset({"exit", "kill", "exec"})


class Vocabulary(msgspec.Struct, frozen=True):
    """What programs may say beside what every process may do.

    :param driver: operations of the guest driver
    :param schedules: threads, and processors that are held
    """

    driver: bool = False
    schedules: bool = False

    @property
    def kinds(self) -> dict[str, float]:
        """The kinds of operations and their weights."""
        return _USER_KINDS | (_DRIVER_KINDS if self.driver else {})


def kind_of(call: Call) -> str:
    """The kind of an operation, as pairs and weights name it."""
    if isinstance(call, Mmap):
        if call.over is not None:
            return "mmap over"
        if call.driver is not None:
            return "mmap driver"
        return "mmap anon" if call.source.name == ANON else "mmap"
    if isinstance(call, Mremap):
        return "mremap to" if call.fixed else "mremap"
    return str(type(call).__struct_config__.tag)


def areas_of(call: Call) -> tuple[str, ...]:
    """The areas an operation names."""
    named = [getattr(call, "name", None) if isinstance(call, (Mmap, Mremap)) else None]
    for field in ("span", "over"):
        span = getattr(call, field, None)
        if isinstance(span, Span) and kind_of(call) not in EVERYWHERE:
            named.append(span.name)
    return tuple(dict.fromkeys(name for name in named if name is not None))


def pairs_of(program: Program) -> set[str]:
    """Every pair of kinds that follow each other in one area, as ``munmap > mremap``."""
    last: dict[str, str] = {}
    found = set()
    for op in program.ops:
        kind = kind_of(op.call)
        names = tuple(last) if kind in EVERYWHERE else areas_of(op.call)
        found |= {f"{last[name]} > {kind}" for name in names if name in last}
        last |= dict.fromkeys(names, kind)
    return found
