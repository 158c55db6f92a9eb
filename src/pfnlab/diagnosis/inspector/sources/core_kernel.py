"""Facts about a kernel, from its memory: PAT, MTRRs, its own mappings, its log and boot options.

Each reader raises LensError if the data is missing, cannot be read, or has a loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pfnlab.base.units import PAGE_SIZE
from pfnlab.diagnosis.inspector.host_snapshot import DirectAlias, IomemLine, MtrrRegister, Reservation
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.mtrr import MtrrType
from pfnlab.kernel.hw.pat import PatConfig
from pfnlab.lab.lens.own_types import MAX_TEXT, ioremap_areas, text_at

if TYPE_CHECKING:
    from pfnlab.lab.lens.page_runs import RunReader
    from pfnlab.lab.lens.view import KernelView

#: The symbols these readers need, if the kernel has them.
SYMBOLS = (
    *("__pte2cachemode_tbl", "mtrr_state", "prb", "saved_command_line", "x86_hyper_type", "boot_cpu_data"),
    *("dmi_ident", "vmap_area_list", "vmap_nodes", "nr_vmap_nodes", "vmalloc_base"),
)

#: Below this, every machine has legacy mappings.
_LEGACY_END = 1 << 20
_SLOTS = 8
# The flag of a vmalloc area without a guard page (include/linux/vmalloc.h).
_NO_GUARD = 0x40
# Bits in a variable MTRR, and in the global MTRR state (arch/x86/include/asm/mtrr.h).
_VALID, _ENABLED, _TYPE = 0x800, 0x2, 0xFF
# Set in guests: the highest bit in the fifth word of processor features.
_FEATURES_WORD, _GUEST = 4, 1 << 31

#: Hypervisors by their constants, as the kernel writes them ("Hypervisor detected: KVM").
_HYPERVISORS = {
    "VMWARE": "VMware",
    "MS_HYPERV": "Microsoft Hyper-V",
    "XEN_PV": "Xen PV",
    "XEN_HVM": "Xen HVM",
    "JAILHOUSE": "Jailhouse",
    "BHYVE": "Bhyve",
}
_NATIVE = "NATIVE"
# A log record has its state in the two highest bits and its number in the others
# (kernel/printk/printk_ringbuffer.h).
_STATE_SHIFT = 62
_NUMBER = (1 << _STATE_SHIFT) - 1
_READABLE = (1, 2)
_MAX_BITS = 30
_WORD = 8


def read_pat(view: KernelView) -> PatConfig:
    """Read the PAT configuration, from the kernel's table of the mode in each slot."""
    modes = view.read(view.symbol("__pte2cachemode_tbl"), _SLOTS)
    if max(modes) >= len(CacheMode) or modes[0] != CacheMode.WB:
        raise view.error(f"its table of the slots of PAT holds {modes.hex(' ')}")
    return PatConfig(tuple(CacheMode(mode) for mode in modes))


def read_book(view: KernelView) -> Iterator[Reservation]:
    """Read the tree of reservations (the memtype list), in tree order."""
    kinds = view.layouts.enumerators("enum page_cache_mode")
    names = {value: name.removeprefix("_PAGE_CACHE_MODE_") for name, value in kinds.items()}
    modes = {value: CacheMode[name] for value, name in names.items() if name in CacheMode.__members__}
    for start, end, mode in view.memtypes():
        if mode not in modes:
            raise view.error(f"the memtype tree has an entry of mode {mode}")
        yield Reservation(start, end, modes[mode])


def read_mtrrs(view: KernelView) -> tuple[tuple[MtrrRegister, ...], MtrrType | None]:
    """Read the variable MTRRs in use, and the type of all other memory; None if MTRRs are off."""
    layouts, at = view.layouts, view.symbol("mtrr_state")
    record = layouts.record("struct mtrr_state_type", "enabled", "def_type")
    enabled, default = view.members(at, record)
    if not enabled & _ENABLED:
        return (), None
    register = layouts.record("struct mtrr_var_range", "base_lo", "base_hi", "mask_lo", "mask_hi")
    size = layouts.size("struct mtrr_var_range")
    first = at + layouts.offset("struct mtrr_state_type", "var_ranges")
    ranges = []
    for number in range(layouts.length("struct mtrr_state_type", "var_ranges")):
        base_low, base_high, mask_low, mask_high = view.members(first + number * size, register)
        if mask_low & _VALID:
            mask = (mask_high << 32 | mask_low) & -PAGE_SIZE
            start = (base_high << 32 | base_low) & -PAGE_SIZE
            ranges.append(MtrrRegister(start, start + (mask & -mask), _type(view, base_low & _TYPE)))
    return tuple(ranges), _type(view, default & _TYPE)


def _type(view: KernelView, number: int) -> MtrrType:
    try:
        return MtrrType(number)
    except ValueError:
        raise view.error(f"an MTRR has the type {number}") from None


def read_aliases(
    view: KernelView, tables: RunReader, resources: Iterable[IomemLine] | None
) -> Iterator[DirectAlias]:
    """Read the kernel's own page-table entries for devices, and for RAM that is not write-back.

    Direct-map entries come first, then ioremap areas.

    :param resources: the lines that identify RAM; None to read the whole direct map
    """
    yield from _direct_map(view, tables, resources)
    yield from _areas(view, tables)


def _direct_map(
    view: KernelView, tables: RunReader, resources: Iterable[IomemLine] | None
) -> Iterator[DirectAlias]:
    start, end = view.word(view.symbol("page_offset_base")), view.word(view.symbol("vmalloc_base"))
    if not start < end:
        raise view.error(f"its direct map reaches from {start:#x} to {end:#x}")
    # The ranges for PCI buses and other devices.
    devices = [
        (max(one.start, _LEGACY_END), one.end)
        for one in resources or ()
        if one.depth == 0 and one.end > _LEGACY_END and one.name.startswith("PCI Bus")
    ]
    for run in tables.runs(view.kernel_table, start, end):
        if run.mode is not CacheMode.WB:
            yield DirectAlias(run.start, run.end, run.mode)
            continue
        for first, behind in devices:
            low, high = max(run.start, first), min(run.end, behind)
            if low < high:
                yield DirectAlias(low, high, run.mode)


def _areas(view: KernelView, tables: RunReader) -> Iterator[DirectAlias]:
    for start, size, flags, _ in ioremap_areas(view):
        if size % PAGE_SIZE or start % PAGE_SIZE:
            continue
        end = start + size - (0 if flags & _NO_GUARD else PAGE_SIZE)
        if start < end < 1 << 64:
            for run in tables.runs(view.kernel_table, start, end):
                yield DirectAlias(run.start, run.end, run.mode, "ioremap")


def read_log(view: KernelView) -> Iterator[str]:
    """Read the kernel log, each line with its timestamp as dmesg prints it."""
    layouts, ring = view.layouts, "struct printk_ringbuffer"
    buffer = view.word(view.symbol("prb"))
    record = layouts.record(
        ring,
        *("desc_ring.count_bits", "desc_ring.descs", "desc_ring.infos", "desc_ring.head_id.counter"),
        *("desc_ring.tail_id.counter", "text_data_ring.size_bits", "text_data_ring.data"),
    )
    count_bits, descs, infos, head, tail, size_bits, data = view.members(buffer, record)
    if count_bits > _MAX_BITS or size_bits > _MAX_BITS:
        raise view.error(f"its log has 2^{count_bits} records and 2^{size_bits} bytes")
    desc = layouts.record("struct prb_desc", "state_var.counter", "text_blk_lpos.begin", "text_blk_lpos.next")
    info = layouts.record("struct printk_info", "ts_nsec", "text_len")
    sizes = layouts.size("struct prb_desc"), layouts.size("struct printk_info")
    number, text_mask = tail, (1 << size_bits) - 1
    for _ in range(1 << count_bits):
        place = number & (1 << count_bits) - 1
        state, begin, behind = view.members(descs + place * sizes[0], desc)
        if state & _NUMBER == number & _NUMBER and state >> _STATE_SHIFT in _READABLE:
            nanoseconds, length = view.members(infos + place * sizes[1], info)
            first, last = begin & text_mask, behind & text_mask
            # Text that does not fit before the ring's end is at its start. Empty text has equal, odd ends.
            first = 0 if first > last else first
            length = min(length, last - first - _WORD)
            if not begin & 1 and length > 0:
                stamp = f"[{nanoseconds // 10**9:5}.{nanoseconds % 10**9 // 1000:06}]"
                text = view.read(data + first + _WORD, length).decode("utf-8", "replace")
                yield from (f"{stamp} {line}" for line in text.split("\n"))
        if number & _NUMBER == head & _NUMBER:
            return
        number = number + 1 & _NUMBER


def read_options(view: KernelView) -> str:
    """Read the kernel command line; raise LensError if it cannot be read."""
    return text_at(view, view.word(view.symbol("saved_command_line")), MAX_TEXT)


def read_host(view: KernelView) -> str:
    """Read the name of the machine; raise LensError if it cannot be read."""
    at = view.info.address("init_uts_ns")
    return text_at(view, at + view.layouts.offset("struct uts_namespace", "name.nodename"), 65)


def read_hypervisor(view: KernelView) -> str:
    """Return the hypervisor as the kernel logs it, or else the machine's maker; empty if not a guest."""
    features = view.layouts.offset("struct cpuinfo_x86", "x86_capability")
    at = view.symbol("boot_cpu_data") + features + 4 * _FEATURES_WORD
    if not view.word(at, 4) & _GUEST:
        return ""
    kinds = view.layouts.enumerators("enum x86_hypervisor_type")
    kind = view.word(view.symbol("x86_hyper_type"), 4)
    names = {value: name.removeprefix("X86_HYPER_") for name, value in kinds.items()}
    name = names.get(kind, _NATIVE)
    return _HYPERVISORS.get(name, name) if name != _NATIVE else _maker(view) or "a hypervisor without a name"


def _maker(view: KernelView) -> str:
    number = view.layouts.enumerators("enum dmi_field").get("DMI_SYS_VENDOR")
    if number is None:
        return ""
    maker = view.word(view.symbol("dmi_ident") + _WORD * number)
    return text_at(view, maker, MAX_TEXT) if maker else ""
