"""The violations that are known: what a kernel does there, and since or until when."""

from __future__ import annotations

from typing import NamedTuple

from pfnlab.policies.releases import series_key, series_of
from pfnlab.programs.lang.device_ops import DriverCall
from pfnlab.programs.lang.ops import Call, DeviceKind, Mmap, Op, Program
from pfnlab.programs.lang.walk_ops import Walk
from pfnlab.programs.model.model_machine import END


class Known(NamedTuple):
    """
    A violation that is explained.

    :param name: of the property
    :param why: the explanation, with an id of docs/bugs.md or a step of docs/semantics.md
    :param until: the first series without it; None for a rule of all
    :param words: the operations during which it shows; all when empty
    :param driver: only where the guest driver maps or books something in the program
    :param device: only where the program has a device of this kind
    :param after: only during or after one of these operations; anywhere when empty
    :param since: the first series with it; None for one that all have had
    """

    name: str
    why: str
    until: str | None = None
    words: tuple[str, ...] = ()
    driver: bool = False
    device: DeviceKind | None = None
    after: tuple[str, ...] = ()
    since: str | None = None


_PIECES = "A06: the pieces of a split VMA free what was never reserved"
_ZAPPED = "A08: zapping a part drops the whole reservation"
_FOREIGN = "S4.10: a driver frees what another has booked"
_LOCKED_TWICE = "S5.8.9: a locked mapping that MREMAP_DONTUNMAP moves is counted in locked_vm twice"
_RAM = "S4.10: RAM cannot be mapped so by a driver"
_SECTION = "S4.10: two ranges in one section"
_FIRST_PAGE = "S9.2.6: a claim stops a mapping only where it has the first page of the BAR"
_ESCAPES = "S9.9.4: an mmap was allowed before the claim, and made after the revocation"
_COPIED = "S9.4.5: a mapping of vfio-pci that is copied loses its reservation"
_KEPT = "D02: pages that were unmapped stay reserved until the last VMA goes"
_ASSERTED = "S6.3.8: a leaf is cut without mmap_lock, and the kernel asserts it"
_LEAVES = "S7.5.3: smaps and numa_maps drop leaves of 1 GiB"
_ACCESS = "S7.6.3: access_phys maps what the entry shows, also ordinary RAM"
_HOLE = "C09: in the ISA hole nothing is reserved, and a range over its border is reserved whole"
_DIRECT = "S2.10.2: what is not reserved may have any mode, and the direct map does not follow"
_SET = "S2.9.6: the direct map goes from write-combining to UC, where UC- was reserved"
_LOW = "S9.1.5: below 1 MiB a claim revokes nothing"
_SPANS = "S9.6.5: a range that leaves a resource is warned about"
_TWICE = "A17: a remap that fails halfway untracks twice"

#: Every known violation; the first that fits explains.
KNOWN: tuple[Known, ...] = (
    Known("looks_only", _LEAVES, None, ("smaps", "numa_maps")),
    Known("no_leak", _PIECES, "6.16"),
    Known("freed_once", _PIECES, "6.16"),
    Known("no_loss", _ZAPPED, "6.16"),
    Known("direct_map", _ZAPPED, "6.16", after=("zap_vma_ptes",)),
    Known("fork_whole", "A04: a fork that fails untracks the parent's mapping", "6.16"),
    Known("no_warning", _TWICE, "6.16", ("mmap", "remap_pfn_range")),
    Known("no_warning", "A10: an entry is untracked without mmap_lock", "6.16", ("release",)),
    Known("no_warning", _ASSERTED, "7.2", ("unmap_mapping_range", "request_mem_region")),
    Known("no_warning", _COPIED, "6.10", ("mremap",)),
    Known("memory_off", "S9.4.5: vfio-pci finds only the VMAs that it has filled", "6.10"),
    Known("no_leak", _FOREIGN, None, ("arch_io_free_memtype_wc",), driver=True),
    Known("mm_counts", _LOCKED_TWICE, "7.2", ("mremap",), since="6.16"),
    Known("no_loss", _FOREIGN, None, driver=True, after=("arch_io_free_memtype_wc",)),
    Known("freed_once", _FOREIGN, None, driver=True, after=("arch_io_free_memtype_wc",)),
    Known("no_warning", _RAM, None, ("ioremap", "memremap", "io_mapping_create_wc"), driver=True),
    Known("no_warning", _SECTION, None, ("memremap_pages",), driver=True),
    Known("no_warning", _ACCESS, None, ("mem_read", "mem_write")),
    Known("direct_map_back", "S2.8: freeing a reservation does not turn the direct map back"),
    Known("claimed_free", _KEPT),
    Known("claimed_unmapped", _FIRST_PAGE, None, ("mmap",), driver=True),
    Known("claimed_unmapped", _ESCAPES, None, ("release",), driver=True),
    Known("removed_unmapped", "S9.3: /proc/bus/pci has no address space of its own"),
    Known("claimed_unmapped", _LOW, device="isa"),
    Known("no_warning", _SPANS, None, ("arch_io_reserve_memtype_wc",), device="isa"),
    Known("direct_map", _DIRECT, driver=True, device="isa"),
    Known("direct_map", _SET, device="isa"),
    Known("one_mode", _HOLE, device="isa"),
    Known("one_mode", "C01: a driver maps with the mode it likes, nobody asks the book", driver=True),
)

#: Why a program that makes the kernel leave a call out breaks properties.
LEFT_OUT = "the program left a call out"


def known(program: Program, step: int, name: str, series: str | None) -> str:
    """
    Why kernels of *series* break the property *name* here; empty where nobody knows.

    :param step: index of the step that breaks it; after the last operation stands the end
    :param series: None for a kernel of unknown version, for which only rules of all hold
    """
    ops = program.ops[: step + 1]
    if any(op.skip is not None for op in ops):
        return LEFT_OUT
    word = _word(ops[step].call) if step < len(program.ops) else END
    driver = any(map(_of_driver, ops))
    words = {_word(op.call) for op in ops}
    kinds = {device.kind for device in program.devices}
    for entry in KNOWN:
        if entry.name != name or (entry.driver and not driver):
            continue
        if entry.device is not None and entry.device not in kinds:
            continue
        if (entry.words and word not in entry.words) or (entry.after and not words & {*entry.after}):
            continue
        if _has(entry, series):
            return entry.why
    return ""


def _has(entry: Known, series: str | None) -> bool:
    """True where kernels of *series* break the property so."""
    if series is None:
        return entry.since is None and entry.until is None
    key = series_key(series_of(series))
    since = entry.since is None or series_key(entry.since) <= key
    return since and (entry.until is None or key < series_key(entry.until))


def _word(call: Call) -> str:
    """The word of an operation in a program; of a walk its walker."""
    return call.walker if isinstance(call, Walk) else str(type(call).__struct_config__.tag)


def _of_driver(op: Op) -> bool:
    """True where the guest driver is asked for something."""
    return isinstance(op.call, DriverCall) or (isinstance(op.call, Mmap) and op.call.driver is not None)
