"""The places of a program's devices and areas on one machine.

A machine works with absolute page numbers, but an observation never contains any. :class:`Places` converts in
both directions, for models and kernels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pfnlab.base.units import PAGE_SHIFT, PAGE_SIZE, PfnRange
from pfnlab.kernel.hw.pgtable import LEAF_PAGES
from pfnlab.kernel.mm.space import OWN_PAGE
from pfnlab.kernel.mm.users.vfio import BAR_OFFSET
from pfnlab.programs.lang.areas import VVAR, area_extents, area_starts, areas_of_unknown
from pfnlab.programs.lang.device_ops import DRIVER_RAM, MOVED_BAR, MemremapPages
from pfnlab.programs.lang.ops import END_KINDS, Call, Device, DeviceKind, Mmap, Program, Read, RemapFilePages
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import ProcessVmReadv, Walk
from pfnlab.programs.lang.words import ANON, MAX_ISA_PAGES, PERF
from pfnlab.programs.runs.observation import PHYSICAL, REGION, DeviceSpan

#: The number of pages after a device that still get its name: a program may map beyond a device's end, and
#: must see the same names on every machine. If a program does so, devices are at least this far apart.
PAST_END_PAGES = 64

#: Each device in a BAR or in low memory has a multiple of this many pages to itself.
WINDOW_PAGES, LOWMEM_WINDOW_PAGES = 64, 8

#: The largest BAR, in MiB, that firmware places below 4 GiB, where MTRRs differ from those above.
LOW_BAR_MIB = 512

_PAGES_PER_MIB = 256

#: The page frames in which devices of kind ``lowmem`` are placed: RAM that the kernel does not use otherwise,
#: and that the guest clears after boot (``guest/agent.h``).
LOWMEM = PfnRange(0x10, 0x80)

#: The first page frame of the ``isa`` device, and the end of the frames that it can
#: have: 0x98000 to 0x107fff.
ISA_PFN = 0x98
ISA_END_PFN = ISA_PFN + MAX_ISA_PAGES

#: The kinds of memory that belong to no file, by the names that observations use.
_NO_FILE = frozenset({ANON, VVAR})

#: Kinds of devices, ordered by their place in physical memory.
_KIND_ORDER: tuple[DeviceKind, ...] = ("lowmem", "isa", "pci", "top", "limit")


def reach_behind(program: Program) -> int:
    """The pages after a device that the kernel may read or write for *program*, mapped or not (S7.6.5)."""
    parts = (getattr(op.call, "bytes", None) for op in program.ops)
    return int(any(part is not None and part.offset + part.length > PAGE_SIZE for part in parts))


def passes_end(program: Program, device: Device) -> bool:
    """True if *program* maps beyond the last page of *device*."""
    calls = (op.call for op in program.ops)
    return any(
        isinstance(call, Mmap | RemapFilePages)
        and call.source.name == device.name
        and call.source.end > device.pages
        for call in calls
    )


def alignment(program: Program, device: Device) -> int:
    """The alignment of *device*'s frames, in pages, so that leaves or whole sections fit."""
    calls = [op.call for op in program.ops]
    hows = {call.driver.how for call in calls if isinstance(call, Mmap) and call.driver is not None}
    pages = 1
    if "fault_pmd" in hows or any(isinstance(call, MemremapPages) for call in calls):
        pages = LEAF_PAGES[2]
    if "fault_pud" in hows:
        pages = LEAF_PAGES[3] if device.pages >= LEAF_PAGES[3] else LEAF_PAGES[2]
    return pages if device.kind == "pci" and device.pages >= pages else 1


def window_pages(program: Program, device: Device) -> int:
    """The number of pages that *device* has to itself, in a BAR or in low memory.

    In low memory, this includes pages mapped after its end, which would otherwise belong to its neighbour.
    """
    if device.kind == "pci":
        unit = max(WINDOW_PAGES, alignment(program, device))
        return -(-(device.pages + reach_behind(program)) // unit) * unit
    calls = (op.call for op in program.ops)
    ends = [call.source.end for call in calls if isinstance(call, Mmap) and call.source.name == device.name]
    pages = max(device.pages + reach_behind(program), *ends, 0)
    return -(-pages // LOWMEM_WINDOW_PAGES) * LOWMEM_WINDOW_PAGES


def bar_mib_for(program: Program) -> int:
    """The smallest BAR, a power of two MiB, that holds every pci device in *program* in its own window."""
    pages = sum(window_pages(program, device) for device in program.devices if device.kind == "pci")
    return 1 << (max(1, -(-pages // _PAGES_PER_MIB)) - 1).bit_length()


def top_of(phys_bits: int, pages: int) -> PfnRange:
    """The last page frames addressable with *phys_bits* bits: the ``top`` or ``limit`` device."""
    end = 1 << phys_bits - PAGE_SHIFT
    return PfnRange(end - pages, end)


def ranks_of(program: Program) -> dict[str, int]:
    """The devices in book order: by kind, then as in the program.

    The order of two BAR windows, or of two devices in low memory, is arbitrary.
    """
    devices = sorted(program.devices, key=lambda device: _KIND_ORDER.index(device.kind))
    names = [device.name for device in devices if device.kind not in END_KINDS]
    names += [MOVED_BAR, *(device.name for device in devices if device.kind in END_KINDS)]
    return {name: rank for rank, name in enumerate(names)}


@dataclass(frozen=True)
class Places:
    """The page numbers of a program's devices and areas on one machine.

    :param devices: the page frames of every device
    :param areas: for every area, its first virtual page and the number of pages that may be named in it
    :param whole: the BAR, if it is larger than the only device in it and a driver claims all of it
    :param reach: for a device without neighbours, the number of pages after its end that the program may name
    :param driver_ram: the driver's own pages of ordinary memory, if there is a driver
    :param ranks: the devices in book order
    :param unknown: the areas that may show pages whose contents depend on the machine
    """

    devices: Mapping[str, PfnRange] = field(default_factory=dict)
    areas: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    whole: PfnRange | None = None
    reach: Mapping[str, int] = field(default_factory=dict)
    driver_ram: PfnRange | None = None
    ranks: Mapping[str, int] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()

    @property
    def memory(self) -> dict[str, PfnRange]:
        """The devices and the driver's own pages; any RAM among them is in the direct map."""
        own = {} if self.driver_ram is None else {DRIVER_RAM: self.driver_ram}
        return {**self.devices, **own}

    @classmethod
    def of(cls, program: Program, devices: Mapping[str, PfnRange]) -> Places:
        """The places for *program* if its devices are at *devices*; the places of areas are fixed."""
        extents = area_extents(program)
        areas = {name: (at, extents[name]) for name, at in area_starts(program).items()}
        return cls(
            dict(devices),
            areas,
            reach=_reach(program),
            ranks=ranks_of(program),
            unknown=areas_of_unknown(program),
        )

    def pages(self, span: Span) -> tuple[int, int]:
        """The virtual pages in an area's span: the first, and the one after the last."""
        base = OWN_PAGE if span.name == VVAR else self.areas[span.name][0]
        return base + span.start, base + span.end

    def device_span(self, start_pfn: int, end_pfn: int) -> DeviceSpan:
        """Page frames *start_pfn* up to *end_pfn*, counted in pages of the device
        that contains the first one.

        A range that starts in one device and ends beyond it keeps counting that device's pages. A range is
        also counted from a device if it starts up to :data:`PAST_END_PAGES` after the device's end, or within
        the pages that the program names after the only device, unless it starts in another device. Everything
        else is ``phys``, with absolute numbers.
        """
        if (start_pfn, end_pfn) == self.whole:
            start_pfn, end_pfn = next(pfns for pfns in self.devices.values() if pfns.start == start_pfn)
        name = self.device_at(start_pfn) or self._device_before(start_pfn)
        if name is None:
            return DeviceSpan(PHYSICAL, start_pfn, end_pfn)
        base = self.devices[name].start
        return DeviceSpan(name, start_pfn - base, end_pfn - base)

    def offset_span(self, file: str, first: int, end: int) -> DeviceSpan | None:
        """The pages that file offsets *first* up to *end* refer to; most files count physical pages.

        None for memory that has no file.
        """
        if file in _NO_FILE:
            return None
        if file == "vfio" and first >= BAR_OFFSET:
            return DeviceSpan(REGION, first - BAR_OFFSET, end - BAR_OFFSET)
        if file == PERF:
            return DeviceSpan(PERF, first, end)
        return self.device_span(first, end)

    def device_at(self, pfn: int) -> str | None:
        """The device that contains page frame *pfn*."""
        return next((name for name, pfns in self.devices.items() if pfns.start <= pfn < pfns.end), None)

    def overlaps_device(self, start_pfn: int, end_pfn: int) -> bool:
        """True if any of these page frames is in one of the program's devices."""
        return any(pfns.overlaps(PfnRange(start_pfn, end_pfn)) for pfns in self.devices.values())

    def area_span(self, start_page: int, end_page: int) -> Span | None:
        """Virtual pages *start_page* up to *end_page*, counted in pages of the area
        that contains the first one.

        Returns None if no area does; a range that ends beyond its area keeps counting.
        """
        for name, (at, pages) in self.areas.items():
            if at <= start_page < at + pages:
                return Span(name, start_page - at, end_page - at)
        return None

    def flushed_span(self, start_page: int, end_page: int) -> Span | None:
        """A flush of virtual pages *start_page* up to *end_page*, counted in pages of
        the first area it overlaps.

        A flush of page tables starts at the first address that they cover, which may be below every area, and
        may extend into the process's own memory. The result is None if it overlaps no area; a range that
        extends into other areas keeps counting.
        """
        met = [
            (at, pages, name)
            for name, (at, pages) in self.areas.items()
            if start_page < at + pages and at < end_page
        ]
        if not met:
            return None
        (at, _, name), (last, pages, _) = min(met), max(met)
        return Span(name, max(start_page - at, 0), min(end_page, last + pages) - at)

    def _device_before(self, pfn: int) -> str | None:
        # The nearest device that ends at or shortly before pfn.
        candidates = {
            pfns.end: name
            for name, pfns in self.devices.items()
            if 0 <= pfn - pfns.end < max(PAST_END_PAGES, self.reach.get(name, 0))
        }
        return candidates[max(candidates)] if candidates else None


def _reach(program: Program) -> dict[str, int]:
    """The number of pages that a program maps after the end of its only device."""
    if len(program.devices) != 1:
        return {}
    (device,) = program.devices
    calls = [op.call for op in program.ops]
    ends = [call.source.end for call in calls if isinstance(call, Mmap | RemapFilePages)]
    return {device.name: max(0, max(ends, default=0) - device.pages)}


#: Walkers that return a number which is not page content.
_COUNTING = ("futex_wake",)


#: The operations that reveal page content.
READING = (Read, ProcessVmReadv, Walk)


def reads_unknown(call: Call, places: Places) -> bool:
    """True if *call* reads from an area whose contents depend on the machine."""
    if not isinstance(call, READING) or call.span.name not in places.unknown:
        return False
    return not isinstance(call, Walk) or (call.walker not in _COUNTING and call.value is None)


def without_contents(call: Call, value: int | str | None, places: Places) -> int | str | None:
    """The value of *call* without page contents that depend on the machine, i.e. only the number of bytes."""
    if value is None or not reads_unknown(call, places):
        return value
    if isinstance(value, int):
        return None
    has_bytes = getattr(call, "bytes", None) is not None
    return value.partition(":")[0] if has_bytes else value
