"""Placement of programs in a guest: disjoint windows in one BAR, and a window of low memory.

Programs in one boot must not see one another, so each gets its own windows, rounded up to 64 pages. A window
is reused only if no book entry and no written memory remains in it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pfnlab.base.errors import Misuse
from pfnlab.base.units import PHYSICAL_BITS, PfnRange
from pfnlab.programs.lang.device_ops import DRIVER_RAM_PAGES, MOVED_BAR
from pfnlab.programs.lang.ops import END_KINDS, ONLY_KINDS, Call, DeviceKind, Mmap, Program
from pfnlab.programs.lang.walk_ops import Mincore, Walk
from pfnlab.programs.lang.words import MAX_TOP_PAGES
from pfnlab.programs.runs.places import (
    ISA_END_PFN,
    ISA_PFN,
    LOW_BAR_MIB,
    LOWMEM,
    LOWMEM_WINDOW_PAGES,
    PAST_END_PAGES,
    Places,
    alignment,
    bar_mib_for,
    top_of,
    window_pages,
)

#: Maximum size of a guest's BAR.
MAX_BAR_MIB = 16 << 10

#: BARs up to this size are placed after the channel's (16 MiB), with nothing after them. Larger BARs come
#: first, so a program that maps past the end of one would reach the channel.
TAIL_BAR_MIB = 8

#: Default BAR size; the memory costs nothing until it is used.
BAR_MIB = 256

#: BARs that do not fit below 4 GiB come in only a few sizes, so that fewer guests are booted.
_HIGH_BARS_MIB = (4 << 10, MAX_BAR_MIB)

#: Maximum number of pages in one answer to mincore, move_pages or pagemap (``guest/PROTOCOL.md``).
MINCORE_PAGES = 1024


@dataclass(frozen=True)
class Placement:
    """The location of a program's devices in one guest.

    :param bar: the whole BAR of the device under test; resource files count offsets from its start
    :param windows: the page frames reserved for each device, including at least the device's own
    :param behind: how many pages after the end of the BAR the program may also map
    """

    places: Places
    bar: PfnRange
    windows: Mapping[str, PfnRange]
    behind: int = 0

    @property
    def watched(self) -> tuple[PfnRange, ...]:
        """For each window, the page frames in which every book entry comes from this program."""
        return tuple(self.reach(window) for window in self.windows.values())

    def reach(self, window: PfnRange) -> PfnRange:
        """*window* plus, if it is at the end of the BAR, the pages after it that the program may map."""
        return PfnRange(window.start, window.end + self.behind * (window.end == self.bar.end))


class Windows:
    """The windows of one guest.

    :param bar: the BAR's page frames
    :param driver_ram: the driver's own pages, or None
    :param phys_bits: the width of a physical address
    """

    def __init__(self, bar: PfnRange, driver_ram: PfnRange | None = None, phys_bits: int = 40) -> None:
        self.bar = bar
        self.driver_ram = driver_ram
        self._rooms: dict[DeviceKind, PfnRange] = {
            "pci": bar,
            "lowmem": LOWMEM,
            "isa": PfnRange(ISA_PFN, ISA_END_PFN),
            "top": top_of(phys_bits, MAX_TOP_PAGES),
            "limit": top_of(PHYSICAL_BITS, MAX_TOP_PAGES),
        }
        self._taken_windows: list[PfnRange] = []

    def place(self, program: Program) -> Placement | None:
        """The windows for *program*; None if this guest has no room left, Misuse if no guest can hold it."""
        check_placeable(program)
        tail, head = program.needs.past_end, program.needs.first_page
        ranges: dict[str, PfnRange] = {}
        windows: dict[str, PfnRange] = {}
        # A device that must be at an end of the BAR is placed first; the others go wherever there is room.
        for device in sorted(
            program.devices, key=lambda device: (device.name not in tail | head, -alignment(program, device))
        ):
            at_end = device.name in tail
            room = self._rooms[device.kind]
            # A resource that exists only once per guest goes to one program at a time, whatever
            # part of it is declared.
            pages = room.nr if device.kind in ONLY_KINDS else window_pages(program, device)
            taken = [*self._taken_windows, *windows.values()]
            window = _free_window(room, taken, pages, alignment(program, device), at_end=at_end)
            if window is None or (device.name in head and window.start != self.bar.start):
                return None
            windows[device.name] = window
            start = window.end - device.pages if at_end or device.kind in END_KINDS else window.start
            ranges[device.name] = PfnRange(start, start + device.pages)
        ordered_ranges = {device.name: ranges[device.name] for device in program.devices}
        moved = program.needs.moved
        if moved is not None:
            # The kernel moves the device to the free space that follows the first location of its BAR.
            windows[MOVED_BAR] = PfnRange(*(pfn + self.bar.nr for pfn in windows[moved.name]))
            ordered_ranges[MOVED_BAR] = PfnRange(*(pfn + self.bar.nr for pfn in ranges[moved.name]))
        self._taken_windows += windows.values()
        places = replace(Places.of(program, ordered_ranges), driver_ram=self.driver_ram)
        if program.needs.vfio:
            places = replace(places, whole=self.bar)
        return Placement(places, self.bar, windows, behind=PAST_END_PAGES if tail else 0)

    def release(
        self, placement: Placement, left: Iterable[PfnRange] = (), written: Collection[str] = ()
    ) -> None:
        """Release a program's windows; a window with leftovers is never reused.

        :param left: page frames of the book entries that the program leaked
        :param written: devices in which the program may have stored bytes, or whose direct map it changed
        """
        left = list(left)
        for name, window in placement.windows.items():
            reach = placement.reach(window)
            if name not in written and not any(reach.overlaps(entry) for entry in left):
                self._taken_windows.remove(window)


def _free_window(
    room: PfnRange, taken: Iterable[PfnRange], pages: int, multiple: int, *, at_end: bool
) -> PfnRange | None:
    # The lowest free aligned window of that many pages in the available space, or the one at its end.
    if at_end:
        end_window = PfnRange(room.end - pages, room.end)
        is_free = end_window.start >= room.start and not any(end_window.overlaps(window) for window in taken)
        return end_window if is_free else None
    start = room.start + -room.start % multiple
    for window in sorted(taken):
        if start + pages <= window.start or window.start >= room.end:
            break
        start = max(start, window.end + -window.end % multiple)
    return PfnRange(start, start + pages) if start + pages <= room.end else None


def bar_mib_given(program: Program) -> int:
    """The size of the BAR in the guest for *program*, in MiB."""
    if program.needs.past_end:
        return TAIL_BAR_MIB
    need = max(BAR_MIB, bar_mib_for(program))
    # A slot reserves room for its device.
    if need <= LOW_BAR_MIB or program.needs.slot:
        return need
    # A device with resets has its memory in QEMU, so the host must be able to promise that much.
    sizes = _HIGH_BARS_MIB[:1] if program.needs.reset else _HIGH_BARS_MIB
    return next((size for size in sizes if size >= need), need)


def check_placeable(program: Program) -> None:
    """Check that some guest can hold *program*; Misuse if none can."""
    tail = program.needs.past_end
    if len(tail) > 1:
        raise Misuse(
            f"the program maps past the end of {' and '.join(sorted(tail))}, but only one device can lie "
            "at the end of the BAR: map past the end of one device only"
        )
    head = program.needs.first_page
    if head and (tail or sum(device.kind == "pci" for device in program.devices) > 1):
        raise Misuse(
            f"the program claims the first page of {min(head)}, which is that of the guest's only BAR: "
            "declare no other pci device and map nothing past its end, or claim from the second page on"
        )
    if tail and bar_mib_for(program) > TAIL_BAR_MIB:
        raise Misuse(
            f"a program that maps past the end of {min(tail)} may have at most {TAIL_BAR_MIB} MiB of pci "
            "devices: declare less, or map up to the end only"
        )
    if tail and program.needs.slot:
        raise Misuse(
            f"memory after the slot of {min(tail)} does not belong to the program: map nothing past "
            "its end, or do not unplug the device"
        )
    low_pages = sum(window_pages(program, device) for device in program.devices if device.kind == "lowmem")
    if low_pages > LOWMEM.nr:
        raise Misuse(
            f"lowmem devices need {low_pages} pages, in multiples of {LOWMEM_WINDOW_PAGES}, and a guest has "
            f"{LOWMEM.nr}: declare fewer"
        )
    if bar_mib_for(program) > MAX_BAR_MIB:
        raise Misuse(
            f"the pci devices need a BAR of {bar_mib_for(program)} MiB: declare at most "
            f"{MAX_BAR_MIB >> 10} GiB together"
        )
    for op in program.ops:
        _check_answerable(op.call)


def check_any_placeable(programs: Sequence[Program]) -> None:
    """Check that some guest can hold one of *programs*; if none can, raise the first program's Misuse."""
    first: Misuse | None = None
    for program in programs:
        try:
            return check_placeable(program)
        except Misuse as refusal:
            first = first or refusal
    if first is not None:
        raise first


def _check_answerable(call: Call) -> None:
    verb = call.walker if isinstance(call, Walk) else "mincore"
    answered = isinstance(call, Mincore) or verb in ("move_pages", "pagemap")
    if isinstance(call, Mincore | Walk) and answered and call.span.pages > MINCORE_PAGES:
        raise Misuse(f"a guest answers {verb} of at most {MINCORE_PAGES} pages, not {call.span.pages}")
    ram = (
        isinstance(call, Mmap)
        and call.driver is not None
        and call.driver.how in ("ram", "narrowed", "buffer")
    )
    if isinstance(call, Mmap) and ram and call.source.pages > DRIVER_RAM_PAGES:
        raise Misuse(f"the guest's driver has {DRIVER_RAM_PAGES} pages of RAM, not {call.source.pages}")
