"""The kinds of operations, their names, and the order in which they often follow each other."""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple, get_args

import msgspec

from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.device_ops import DriverCall, SlotCall, VfioCall
from pfnlab.programs.lang.fields import Shape
from pfnlab.programs.lang.ops import Call, Fork, Mmap, Mremap, Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import BY_WORD, NO_DEVICE, ROWS, word_of


class CallKind(NamedTuple):
    """A kind of operation, as programs draw it.

    :param seen: it does nothing but what the state shows, and returns
    """

    weight: float
    seen: bool


#: The kinds of operations with a form of their own, of which one may have several.
_BY_HAND: dict[str, CallKind] = {
    **{"mmap": CallKind(20, seen=True), "mmap anon": CallKind(14, seen=True)},
    **{"mmap perf": CallKind(4, seen=True), "mmap over": CallKind(9, seen=True)},
    **{"mmap driver": CallKind(16, seen=True), "mmap vfio": CallKind(22, seen=False)},
    **{"mremap": CallKind(6, seen=True), "mremap to": CallKind(9, seen=True)},
    **{"mremap vvar": CallKind(4, seen=True), "fork": CallKind(9, seen=False)},
    **{"fork refused": CallKind(1.5, seen=False), "walk": CallKind(8, seen=True)},
    **{"process_vm_readv": CallKind(2, seen=True), "remap_file_pages": CallKind(3, seen=True)},
    "unmap_mapping_range": CallKind(7, seen=True),
}

#: The order in which a seed draws them: those that are not here came later, and follow in the table's order.
_ORDER = (
    *("mmap", "mmap anon", "mmap perf", "mmap over", "munmap", "mremap", "mremap to", "mremap vvar"),
    *("mprotect", "pkey_mprotect", "madvise", "read", "write", "fork", "exit", "kill", "exec", "mlock"),
    *("munlock", "mlockall", "munlockall", "msync", "mseal", "mbind", "process_madvise", "walk", "mincore"),
    *("process_vm_readv", "remap_file_pages", "status", "clear_refs", "setrlimit", "process_mrelease"),
    *("fork refused", "memtype_list", "look", "mmap driver", "zap_vma_ptes", "remap_pfn_range"),
    *("unmap_mapping_range", "request_mem_region", "release_mem_region", "bind", "unbind", "ioremap"),
    *("iounmap", "memremap", "memunmap", "io_mapping_create_wc", "io_mapping_free"),
    *("arch_io_reserve_memtype_wc", "arch_io_free_memtype_wc", "arch_phys_wc_add", "set_memory"),
    *("set_pages_array", "memremap_pages", "memunmap_pages", "mmap vfio", "memory_disable"),
    *("memory_enable", "vfio_close", "vfio_reset", "d3", "d0"),
)


#: All kinds that are drawn.
_KNOWN = {
    **_BY_HAND,
    **{word_of(kind): CallKind(row.weight, row.seen) for kind, row in ROWS.items() if row.weight},
}


def _in_order(names: Iterable[str], without: Collection[str] = ()) -> dict[str, CallKind]:
    """The kinds of these names that are drawn, but those of *without*."""
    places = {name: place for place, name in enumerate(_ORDER)}
    drawn = [name for name in names if name in _KNOWN and name not in without]
    return {name: _KNOWN[name] for name in sorted(drawn, key=lambda name: places.get(name, len(places)))}


#: Kinds that need the guest driver, where a program may have them.
DRIVER_KINDS = _in_order(("mmap driver", *map(word_of, get_args(DriverCall))))

#: Those that need a device which can be reset and put to sleep: its guest is one of its own, which is booted
#: anew and slower.
RESET_KINDS = _in_order(("vfio_reset", "d3", "d0"))

#: Kinds that need a device opened through vfio-pci; a program has these or those of the driver.
VFIO_KINDS = _in_order(("mmap vfio", *map(word_of, get_args(VfioCall))), RESET_KINDS)

#: Kinds that remove or add a device; they need a guest of their own and a program with one device.
_SLOT_KINDS = _in_order(map(word_of, get_args(SlotCall)))

#: Driver kinds that such a program leaves out: a claim of a device that comes or goes has no rule.
_NO_SLOT = frozenset({"request_mem_region", "release_mem_region"})

#: The kinds of every process.
_USER_KINDS = _in_order(_KNOWN, {*DRIVER_KINDS, *VFIO_KINDS, *RESET_KINDS, *_SLOT_KINDS})

#: All kinds by name.
KINDS = _USER_KINDS | DRIVER_KINDS | VFIO_KINDS | RESET_KINDS | _SLOT_KINDS

#: Kinds that concern no single area: in pairs they follow and precede the kinds of every area. A release goes
#: on with an earlier operation.
EVERYWHERE = frozenset(
    word
    for word, kind in BY_WORD.items()
    if word != "release" and not any(field in (Shape.RANGE, Shape.ACCESS) for field in ROWS[kind].fields[:1])
)

EVERYWHERE |= {"fork", "fork refused", "unmap_mapping_range"}

#: The suffix of a kind in :data:`PLANS`: on all pages ever mapped in the area, holes included.
ALL = " all"

#: Kinds that often follow in realistic programs: a page is written, shared with a child and written again;
#: ordinary memory is touched and then changed. Random draws make such rows too seldom. A word of advice
#: stands for madvise with it, a protection for mprotect to it, a walker for a walk by it.
PLANS: dict[str, tuple[tuple[str, ...], ...]] = {
    "mmap anon": (
        ("write", "mprotect"),
        ("write", "mprotect", "read"),
        ("write", "wipeonfork", "fork"),
        ("write", "dontneed", "fork"),
        ("madvise",),
        *(("pkey_mprotect", "mprotect all"), ("write", "pkey_mprotect", "x", "rw")),
        *(("mbind", "mbind all"), ("write", "mbind", "fork", "mbind"), ("mbind", "mremap to", "mbind all")),
        ("random", "sequential"),
        ("dontfork", "mprotect"),
        ("mprotect", "madvise"),
        ("mlock",),
        ("mremap to",),
        ("mprotect", "read"),
        *(("rw all", "rwx", "populate_write all", "rw all"),) * 2,
        *(("rw all", "populate_write all", "write", "r", "fork", "rw all"),) * 3,
        *(("rw all", "read", "r", "populate_write all", "fork", "rw all"),) * 2,
        *(("r all", "mseal all", "dontneed"), ("r all", "mseal all", "dontfork")),
        *(("rw all", "write", "fork", "process_vm_readv"),) * 2,
        ("rw all", "write", "r", "futex_wake"),
        *(("write", "clear_refs", "rw all", "write"), ("clear_refs", "mremap to", "pagemap")),
        *(
            ("setrlimit", "mmap over", "rw all"),
            ("setrlimit", "mremap", "mremap to"),
            ("r", "setrlimit", "rw"),
        ),
    ),
    "mmap": (
        *(("write", "fork", "exit", "write"), ("fork", "munmap"), ("mmap", "fork"), ("munmap",)),
        *(("write", "walk"), ("walk",), ("mbind", "munmap"), ("pkey_mprotect", "mprotect", "munmap")),
        *(("write", "clear_refs", "mprotect", "rw", "write"), ("clear_refs", "mremap to")),
        *(("setrlimit", "mmap over", "munmap"), ("setrlimit", "mmap over", "mmap over", "rw all")),
    ),
    "mmap over": (
        *(("write", "munmap"), ("fork",), ("munmap all",), ("msync all",), ("madvise all",)),
        *(("mremap to all",), ("write", "mremap to all", "munmap all"), ("munmap", "mremap to all")),
        *(("mem_read",), ("mem_write", "mem_read")),
    ),
    "mmap driver": (
        *(("write",), ("read", "zap_vma_ptes"), ("zap_vma_ptes",), ("write", "unmap_mapping_range")),
        *(("mprotect", "read"), ("write", "unmap_mapping_range", "read"), ("madvise",)),
    ),
    "mmap vfio": (
        *(("read", "memory_disable", "read"), ("write", "fork", "memory_disable"), ("write", "munmap")),
        *(("read", "mprotect", "read"), ("read", "fork", "read"), ("read", "mremap to", "read"), ("munmap",)),
    ),
    "mmap perf": (
        *(("write", "fork", "read"), ("read", "walk"), ("dofork", "fork", "write"), ("munmap",), ("mremap",)),
        *(
            ("mprotect all", "write"),
            ("mremap to all", "write"),
            ("write", "dontneed", "read"),
            ("mlock all",),
        ),
        *(("write", "process_vm_readv"), ("mem_read",), ("write", "futex_wake"), ("write", "numa_maps")),
    ),
    "mremap vvar": (
        *(("read", "walk"), ("read", "fork", "read"), ("munmap all",), ("munmap",), ("read", "mprotect all")),
        *(("read", "mremap to all", "read"), ("mprotect", "read"), ("read", "dontneed", "read"), ("mlock",)),
        *(("process_vm_readv",), ("read", "process_vm_readv"), ("mem_read",), ("read", "mem_read")),
        *(
            ("populate_read",),
            ("read", "numa_maps"),
            ("clear_refs", "pagemap"),
            ("read", "munmap all", "fork"),
        ),
        *(("mlockall",), ("mmap over",), ("exec", "mremap vvar"), ("madvise all", "fork", "read")),
    ),
    "munmap": (("msync all",), ("random all",), ("madvise all",), ("mlock all",), ("mprotect all",)),
    "fork": (("mprotect", "mprotect", "write"), ("walk",), ("read",)),
    "zap_vma_ptes": (("remap_pfn_range",), ("read",)),
    "memory_disable": (("read",), ("memory_enable", "read")),
    "d3": (("read",), ("d0", "read")),
    "vfio_reset": (("read",),),
    "mprotect": (("read",), ("write",)),
    "mseal": (("munmap",), ("mmap over",), ("mprotect",), ("dontneed",), ("dontfork",)),
    "bind": (("unbind", "mmap"), ("read",), ("write",), ("mmap", "unbind"), ("fork", "read")),
    "request_mem_region": (("mmap",), ("mmap", "write"), ("read",), ("write",)),
    "write": (
        *(("fork", "write"), ("fork", "exit", "write"), ("mprotect", "read")),
        *(("fork", "process_vm_readv"), ("r", "futex_wake")),
    ),
}

#: What follows when a leaf was made: operations that split it, move it, take it away or look at it, with
#: weights. A word of advice, a protection and a walker stand for what they do in :data:`PLANS`.
AFTER_LEAF: dict[str, float] = {
    **{"mprotect": 6, "r": 3, "munmap": 6, "mremap to": 6, "mremap": 3, "fork": 6, "mmap over": 4},
    **{"unmap_mapping_range": 6, "zap_vma_ptes": 4, "memory_disable": 6, "memory_enable": 2},
    **{"vfio_reset": 4, "d3": 4, "d0": 2},
    **{"dontneed": 2, "dontfork": 2, "random": 2, "wipeonfork": 1, "populate_read": 2, "madvise": 4},
    **{"smaps": 3, "smaps_rollup": 2, "numa_maps": 3, "pagemap": 2, "pagemap_scan": 2},
    **{"mincore": 2, "walk": 6, "process_vm_readv": 1},
    **{"mlock": 2, "msync": 1, "mseal": 1, "remap_file_pages": 1, "exit": 2, "exec": 0.5, "mlockall": 1},
    **{
        **{"vfio_close": 1, "request_mem_region": 1, "bind": 1, "remap_pfn_range": 1},
        **{"mmap driver": 2, "mmap vfio": 2},
    },
}

#: Kinds that are not drawn in the middle of a schedule, such as those that end or make tasks.
NEVER_HELD = frozenset({"exit", "kill", "exec", "fork", "fork refused", "look"})

#: Kinds that are not repeated: a task ends once and has a name of its own, a release needs its hold, and a
#: slot is full or empty.
ONCE = frozenset(
    {"exit", "kill", "process_madvise", "fork", "fork refused", "thread", "release", *_SLOT_KINDS}
)

#: Kinds that end a task or its mappings.
ENDS = frozenset({"exit", "kill", "exec"})


class Vocabulary(msgspec.Struct, frozen=True):
    """The operations that programs may have in addition to those of every process.

    :param driver: operations of the guest driver
    :param schedules: threads, and processors that are held
    :param vfio: devices opened through vfio-pci
    :param slots: devices that come and go
    :param leaves: every program has a device that leaves fit into, and a mapping that has some
    :param fixed: every program has a device at a fixed place, ``isa`` or ``top``
    """

    driver: bool = False
    schedules: bool = False
    vfio: bool = False
    slots: bool = False
    leaves: bool = False
    fixed: bool = False

    @property
    def has_leaves(self) -> bool:
        """True where any program may have leaves: mappings of the driver and of vfio-pci have."""
        return self.driver or self.vfio

    @property
    def kinds(self) -> dict[str, float]:
        """The kinds of operations and their weights."""
        driver = DRIVER_KINDS if self.driver else {}
        vfio = VFIO_KINDS | RESET_KINDS if self.vfio else {}
        # To move the device, the guest driver keeps its first place for nobody.
        slot = {
            name: kind
            for name, kind in _SLOT_KINDS.items()
            if self.slots and (self.driver or name != "rescan_moved")
        }
        return {name: kind.weight for name, kind in (_USER_KINDS | driver | vfio | slot).items()}

    def kinds_of(self, *, vfio: bool, slot: bool, resets: bool) -> dict[str, float]:
        """The kinds of one program: a guest has the driver or vfio-pci, and perhaps a slot.

        :param vfio: whether it has a device opened through vfio-pci
        :param slot: whether its device comes and goes
        :param resets: whether its device can be reset and put to sleep
        """
        excluded = set(DRIVER_KINDS if vfio else VFIO_KINDS) | (_NO_SLOT if slot else set(_SLOT_KINDS))
        if not (vfio and resets):
            excluded |= set(RESET_KINDS)
        return {kind: weight for kind, weight in self.kinds.items() if kind not in excluded}


def kind_of(call: Call) -> str:
    """The kind of an operation, as pairs and weights name it."""
    if isinstance(call, Mmap):
        if call.over is not None:
            return "mmap over"
        if call.driver is not None:
            return "mmap driver"
        if call.via == "vfio":
            return "mmap vfio"
        return f"mmap {call.source.name}" if call.source.name in NO_DEVICE else "mmap"
    if isinstance(call, Mremap):
        if call.span.name == VVAR:
            return "mremap vvar"
        return "mremap to" if call.fixed else "mremap"
    if isinstance(call, Fork) and call.refused is not None:
        return "fork refused"
    return word_of(type(call))


def areas_of(call: Call) -> tuple[str, ...]:
    """The areas an operation names."""
    names = [getattr(call, "name", None) if isinstance(call, (Mmap, Mremap)) else None]
    for field in ("span", "over"):
        span = getattr(call, field, None)
        if isinstance(span, Span) and kind_of(call) not in EVERYWHERE:
            names.append(span.name)
    return tuple(dict.fromkeys(name for name in names if name not in (None, VVAR)))


def pairs_of(program: Program) -> set[str]:
    """Every pair of kinds that follow each other in one area, as ``munmap > mremap``."""
    last: dict[str, str] = {}
    pairs = set()
    for op in program.ops:
        kind = kind_of(op.call)
        names = tuple(last) if kind in EVERYWHERE else areas_of(op.call)
        pairs |= {f"{last[name]} > {kind}" for name in names if name in last}
        last |= dict.fromkeys(names, kind)
    return pairs


def rows_of(before: str, kind: str) -> Iterator[str]:
    """The pair and the triple that *kind* makes with the kinds before it.

    :param before: one or two kinds, ``mmap > fork``
    """
    yield f"{before.rpartition(' > ')[2]} > {kind}"
    if " > " in before:
        yield f"{before} > {kind}"
