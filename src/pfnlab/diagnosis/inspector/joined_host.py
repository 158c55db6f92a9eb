"""A joined snapshot: the owner, reservation and mappings of every physical range."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache, cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

import msgspec

from pfnlab.diagnosis.inspector import host_snapshot
from pfnlab.diagnosis.inspector.intervals import Intervals, Ranged
from pfnlab.diagnosis.messages.family_files import families
from pfnlab.diagnosis.messages.matching import Matcher
from pfnlab.diagnosis.messages.template_fields import range_of
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.mtrr import MtrrType, effective_type
from pfnlab.kernel.hw.pci_regions import Bar

#: Files whose mmap reserves the mapped memory in every kernel: sysfs, /proc/bus/pci and /dev/mem (S9.1 to
#: S9.3). With vfio-pci it depends on the kernel, and drivers may insert PFNs without a reservation.
_RESERVES = re.compile(r"^/sys/.*/resource\d+(_wc)?( \(deleted\))?$|^/proc/bus/pci/|^/dev/mem$")

_RESOURCE = re.compile(
    r"^/sys/.*/(?P<device>[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])/resource(?P<bar>\d+)(?P<wc>_wc)?"
)

#: Maximum number of cached paths; a machine has a few dozen.
_MOST_PATHS = 4096


class MappableFile(msgspec.Struct, frozen=True):
    """The file of a mapping.

    :param reserves: whether mapping it reserves the memory in every kernel
    :param combining: whether it requests write-combining (``resourceN_wc``)
    :param device: the address of the PCI device whose resource it is; empty for other files
    :param bar: the number of the BAR, from the file's name
    :param deleted: whether the file no longer exists
    """

    reserves: bool
    combining: bool = False
    device: str = ""
    bar: str = ""
    deleted: bool = False


@lru_cache(_MOST_PATHS)
def mapped_file(path: str) -> MappableFile:
    """Parse a path as written in /proc/PID/maps."""
    found = _RESOURCE.match(path)
    reserves = _RESERVES.match(path) is not None
    if found is None:
        return MappableFile(reserves)
    return MappableFile(
        reserves, found["wc"] is not None, found["device"], found["bar"], path.endswith(" (deleted)")
    )


#: Drivers that hold a device for others and reserve nothing for themselves.
STAND_INS = frozenset({"vfio-pci", "pci-stub", "pciback", "uio_pci_generic", "xen-pciback"})
#: No memory BARs lie below this.
_ISA_END = 1 << 20
#: A device's own BARs and ROM have lower numbers; BARs of virtual functions start here.
_FIRST_VIRTUAL = 7
#: Prefixes of the names of their claims: ``vfio-pci``, later ``vfio`` and ``vfio sub-page reserved``.
_CLAIMS_OF_STAND_INS = ("vfio", "pci-stub", "pciback", "uio_pci_generic", "xen-pciback")

#: Lower-case names of the boot framebuffer's resources.
BOOT_FRAMEBUFFERS = (
    "bootfb",
    "efifb",
    "vesafb",
    "simplefb",
    "simple-framebuffer",
    "simpledrm",
    "vesadrm",
    "efidrm",
)


def pat_off(snapshot: host_snapshot.Snapshot) -> tuple[tuple[str, str], ...]:
    """Return why the kernel does not use PAT, each reason as a file and its content; empty if PAT is on."""
    found = []
    if "nopat" in snapshot.options.split():
        found.append(("/proc/cmdline", "nopat"))
    if (snapshot.config or {}).get("CONFIG_X86_PAT") == "n":
        found.append(("kernel configuration", "# CONFIG_X86_PAT is not set"))
    # Xen hides the flag from paravirtual guests and gives them a different PAT.
    flags = snapshot.processor
    if flags is not None and "pat" not in flags and not snapshot.virtual.startswith("Xen"):
        found.append(("/proc/cpuinfo", "flags without pat"))
    return tuple(found)


def of_stand_in(line: host_snapshot.IomemLine) -> bool:
    """True for the claim of a driver that holds a device for others."""
    return line.name.startswith(_CLAIMS_OF_STAND_INS)


def driver_words(device: host_snapshot.PciFunction) -> str:
    """Describe the driver that holds a device, with its modules."""
    if not device.driver:
        return "no driver" if device.driver is None else "an unknown driver"
    names = ", ".join(device.modules)
    word = "module" if len(device.modules) == 1 else "modules"
    return f"driver {device.driver}" + (f" ({word} {names})" if names else "")


def driven_by_own(device: host_snapshot.PciFunction) -> bool:
    """True if the bound driver uses the device itself, instead of holding it for others."""
    return device.driver is not None and device.driver not in STAND_INS


class BarOf(NamedTuple):
    """A BAR and its device."""

    device: host_snapshot.PciFunction
    bar: Bar

    def __str__(self) -> str:
        return f"BAR {self.bar.number} of {self.device.address}"


class Piece(NamedTuple):
    """Part of a range, with the mode of its reservation; None if not reserved."""

    start: int
    end: int
    mode: CacheMode | None


class JoinedHost:
    """A snapshot indexed by place; parts that were not read are None in the snapshot but empty here."""

    def __init__(self, snapshot: host_snapshot.Snapshot) -> None:
        self.snapshot = snapshot
        self._claims: dict[tuple[int, int], Intervals[int]] = {}
        self._last_bar: Ranged[BarOf] | None = None

    @cached_property
    def bars(self) -> Intervals[BarOf]:
        """The BARs of all devices; virtual function ranges only if no virtual function is present."""
        every = [
            (bar.start, bar.end, BarOf(device, bar))
            for device in self.snapshot.devices or ()
            for bar in device.bars
            # A ROM this low is the firmware's copy in RAM.
            if bar.start >= _ISA_END
        ]
        own = Intervals(one for one in every if one[2].bar.number < _FIRST_VIRTUAL)
        virtual = [one for one in every if one[2].bar.number >= _FIRST_VIRTUAL]
        if not virtual:
            return own
        return Intervals([*own, *(one for one in virtual if not own.any_over(one[0], one[1]))])

    @cached_property
    def book(self) -> Intervals[host_snapshot.Reservation]:
        """The memtype list."""
        entries = list(self.snapshot.book or ())
        return Intervals.of_columns([one.start for one in entries], [one.end for one in entries], entries)

    @cached_property
    def resources(self) -> Intervals[int]:
        """The lines of /proc/iomem, as positions in the snapshot."""
        starts, ends, lines = list[int](), list[int](), self.snapshot.resources or ()
        for line in lines:
            starts.append(line.start)
            ends.append(line.end)
        return Intervals.of_columns(starts, ends, range(len(lines)))

    @cached_property
    def mapped(self) -> Intervals[host_snapshot.HostMapping]:
        """The physical ranges of mappings, from their files and their page-table entries."""
        starts, ends, owners = list[int](), list[int](), list[host_snapshot.HostMapping]()
        for mapping in self.snapshot.mappings or ():
            own = (mapping.physical,) if mapping.physical else ()
            for start, end in own if mapping.entries is None else {*physical_of(mapping), *own}:
                starts.append(start)
                ends.append(end)
                owners.append(mapping)
        return Intervals.of_columns(starts, ends, owners)

    @cached_property
    def ram(self) -> Intervals[host_snapshot.IomemLine]:
        """The lines of /proc/iomem that are RAM."""
        lines = (one for one in self.snapshot.resources or () if one.name.startswith("System RAM"))
        return Intervals((line.start, line.end, line) for line in lines)

    @cached_property
    def aliases(self) -> Intervals[host_snapshot.DirectAlias]:
        """The kernel's own mappings of devices and of memory other than write-back."""
        return Intervals((alias.start, alias.end, alias) for alias in self.snapshot.aliases or ())

    @cached_property
    def processes(self) -> dict[int, host_snapshot.Process]:
        """The processes by pid."""
        return {process.pid: process for process in self.snapshot.processes or ()}

    @cached_property
    def devices(self) -> dict[str, host_snapshot.PciFunction]:
        """The PCI devices by address."""
        return {device.address: device for device in self.snapshot.devices or ()}

    @cached_property
    def failed_frees(self) -> Intervals[str]:
        """The log lines about ranges that were freed but not reserved."""
        return Intervals(_failed_frees(self.snapshot.log or ()))

    @property
    def tracks(self) -> bool:
        """True if the kernel reserves memory, i.e. as far as the snapshot shows, PAT is on."""
        pat = self.snapshot.pat
        return not pat_off(self.snapshot) and (pat is None or CacheMode.WC in pat.slots)

    def bar_over(self, start: int, end: int) -> list[BarOf]:
        """Return the BARs that overlap a range, in order."""
        bar = self._bar_around(start, end)
        return [ranged.owner for ranged in self.bars.over(start, end)] if bar is None else [bar.owner]

    def first_bar(self, start: int, end: int) -> BarOf | None:
        """Return the first BAR that overlaps a range, or None."""
        return next(iter(self.bar_over(start, end)), None)

    def _bar_around(self, start: int, end: int) -> Ranged[BarOf] | None:
        # The BAR that contains the range and alone overlaps it; successive lookups are often in the same BAR.
        last, bars = self._last_bar, self.bars
        if last is not None and last.start <= start and end <= last.end:
            return last
        at = bisect_right(bars.starts, start) - 1
        if not bars.disjoint or at < 0 or not start < end <= bars.ends[at]:
            return None
        self._last_bar = Ranged(bars.starts[at], bars.ends[at], bars.owners[at])
        return self._last_bar

    def claimants(self, start: int, end: int) -> Iterator[host_snapshot.IomemLine]:
        """Return the claimed resources in the BARs that overlap a range: the children of each BAR's line."""
        bar = self._bar_around(start, end)
        if bar is not None and not self.claims_in(bar):
            return
        for place in self.bars.over(start, end):
            for ranged in self.claims_in(place).over(max(start, place.start), min(end, place.end)):
                yield self.line(ranged.owner)

    def line(self, place: int) -> host_snapshot.IomemLine:
        """Return the line of /proc/iomem at a position in the snapshot."""
        return (self.snapshot.resources or ())[place]

    def claims_in(self, place: Ranged[BarOf]) -> Intervals[int]:
        """Return the claimed resources inside a BAR, as positions; most BARs have none."""
        bounds = place.start, place.end
        if bounds not in self._claims:
            self._claims[bounds] = Intervals(
                ranged
                for ranged in self.resources.over(*bounds)
                if place.start <= ranged.start
                and ranged.end <= place.end
                and self.line(ranged.owner).name != place.owner.device.address
            )
        return self._claims[bounds]

    def mappings_over(self, start: int, end: int) -> list[host_snapshot.HostMapping]:
        """Return the mappings that overlap a range, each once."""
        found = (ranged.owner for ranged in self.mapped.over(start, end))
        return list({(mapping.pid, mapping.start): mapping for mapping in found}.values())

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        """Split a range along the memtype list, in order; adjacent pieces differ in mode."""
        last: Piece | None = None
        for piece in self._parts(start, end):
            if last is None:
                last = piece
            elif last.mode == piece.mode:
                last = Piece(last.start, piece.end, last.mode)
            else:
                yield last
                last = piece
        if last is not None:
            yield last

    def _parts(self, start: int, end: int) -> Iterator[Piece]:
        book = self.book
        at = start
        if book.disjoint:
            for first, last, entry in book.over(start, end):
                if first > at:
                    yield Piece(at, first, None)
                at = min(last, end)
                yield Piece(max(first, start), at, entry.mode)
            if at < end:
                yield Piece(at, end, None)
            return
        # Among nested or repeated entries, the newest one decides the mode.
        over = list(book.over(start, end))
        edges = {start, end}
        for ranged in over:
            edges.update((max(ranged.start, start), min(ranged.end, end)))
        number = 0
        running: list[tuple[int, CacheMode]] = []
        for low, high in pairwise(sorted(edges)):
            while number < len(over) and over[number].start <= low:
                running.append((over[number].end, over[number].owner.mode))
                number += 1
            running = [(until, mode) for until, mode in running if until > low]
            yield Piece(low, high, running[-1][1] if running else None)

    def mtrr_of(self, start: int, end: int) -> MtrrType | None:
        """Return the MTRR type of a range; None if unknown or not uniform."""
        if self.snapshot.mtrrs is None:
            return None
        over = [ranged for ranged in self.snapshot.mtrrs if ranged.start < end and start < ranged.end]
        if not over:
            return self.snapshot.mtrr_default
        if any(not (ranged.start <= start and end <= ranged.end) for ranged in over):
            return None
        kinds = {ranged.kind for ranged in over}
        # Where registers overlap, UC wins (S1.7); other pairs of different types are undefined.
        if MtrrType.UC in kinds:
            return MtrrType.UC
        return kinds.pop() if len(kinds) == 1 else None

    def effective(self, start: int, end: int, mode: CacheMode) -> CacheMode | None:
        """Return the effective mode of a range mapped in *mode* (S1.6); None if unknown MTRRs decide."""
        kind = self.mtrr_of(start, end)
        if kind is not None:
            return effective_type(kind, mode)
        possible = {effective_type(kind, mode) for kind in MtrrType if kind is not MtrrType.INVALID}
        return possible.pop() if len(possible) == 1 else None

    def who(self, pid: int) -> str:
        """Describe a process by its name and number, if known."""
        process = self.processes.get(pid)
        if process is not None and process.comm:
            return f"{process.comm}:{pid}"
        return f"process {pid}" if pid < host_snapshot.UNNUMBERED else "a process"


@cache
def failed_frees() -> Matcher:
    """Return a matcher for the messages about ranges that were freed but not reserved."""
    return Matcher(family for family in families() if family.group == "free")


def _failed_frees(log: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    known = failed_frees()
    for line in log:
        # Most lines have none of the words; finding that out does not need the templates.
        if not known.interests(line):
            continue
        match = known.whole(line)
        said = None if match is None else range_of(match.values, match.wording)
        if said is not None and said.end is not None:
            yield said.start, said.end, line


def physical_of(mapping: host_snapshot.HostMapping) -> Iterator[tuple[int, int]]:
    """Return a mapping's physical memory: from its entries if they were read, otherwise from its file."""
    if mapping.entries is not None:
        yield from ((run.start, run.end) for run in mapping.entries)
    elif mapping.physical is not None:
        yield mapping.physical
