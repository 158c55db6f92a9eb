"""A snapshot, joined: who owns a range of physical memory, who has reserved it, and who maps it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from pfnlab.hw.cachemode import CacheMode
from pfnlab.hw.mtrr import MtrrType, effective_type
from pfnlab.inspector.host_snapshot import (
    Bar,
    DirectAlias,
    HostMapping,
    IomemLine,
    PciFunction,
    Process,
    Reservation,
    Snapshot,
)
from pfnlab.inspector.intervals import Intervals
from pfnlab.messages.family_files import families
from pfnlab.messages.matching import Matcher
from pfnlab.messages.values import range_of

#: Drivers that hold a device for others and reserve nothing for themselves.
STAND_INS = frozenset({"vfio-pci", "pci-stub", "pciback", "uio_pci_generic", "xen-pciback"})

#: Beginnings of the names of their claims: ``vfio-pci``, later ``vfio`` and ``vfio sub-page reserved``.
_CLAIMS_OF_STAND_INS = ("vfio", "pci-stub", "pciback", "uio_pci_generic", "xen-pciback")

#: Names of resources by which the boot framebuffer holds its memory, in lower case.
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


def pat_off(snapshot: Snapshot) -> tuple[tuple[str, str], ...]:
    """The reasons why the kernel leaves PAT alone, each as a file and what it says; none where PAT is on."""
    found = []
    if "nopat" in snapshot.options.split():
        found.append(("/proc/cmdline", "nopat"))
    if (snapshot.config or {}).get("CONFIG_X86_PAT") == "n":
        found.append(("kernel configuration", "# CONFIG_X86_PAT is not set"))
    # Xen hides the flag of guests that are paravirtual, and has a PAT of its own for them.
    flags = snapshot.processor
    if flags is not None and "pat" not in flags and not snapshot.virtual.startswith("Xen"):
        found.append(("/proc/cpuinfo", "flags without pat"))
    return tuple(found)


def of_stand_in(line: IomemLine) -> bool:
    """True for the claim of a driver that holds a device for others."""
    return line.name.startswith(_CLAIMS_OF_STAND_INS)


def driver_words(device: PciFunction) -> str:
    """The driver that holds a device, with the modules it is made of."""
    if device.driver is None:
        return "no driver"
    names = ", ".join(device.modules)
    word = "module" if len(device.modules) == 1 else "modules"
    return f"driver {device.driver}" + (f" ({word} {names})" if names else "")


class BarOf(NamedTuple):
    """A BAR and its device."""

    device: PciFunction
    bar: Bar

    def __str__(self) -> str:
        return f"BAR {self.bar.number} of {self.device.address}"


class Piece(NamedTuple):
    """A part of a range, with the mode it is reserved with; None where it is not reserved."""

    start: int
    end: int
    mode: CacheMode | None


class JoinedHost:
    """
    A snapshot with its parts by place.

    A part that was not read is empty here: who needs it asks the snapshot whether it is None.

    :param snapshot: the moment
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    @cached_property
    def bars(self) -> Intervals[BarOf]:
        """The BARs of all devices."""
        return Intervals(
            (bar.start, bar.end, BarOf(device, bar))
            for device in self.snapshot.devices or ()
            for bar in device.bars
            if bar.start
        )

    @cached_property
    def book(self) -> Intervals[Reservation]:
        """The memtype list."""
        return Intervals((entry.start, entry.end, entry) for entry in self.snapshot.book or ())

    @cached_property
    def resources(self) -> Intervals[IomemLine]:
        """The lines of /proc/iomem."""
        return Intervals((line.start, line.end, line) for line in self.snapshot.resources or ())

    @cached_property
    def mapped(self) -> Intervals[HostMapping]:
        """The physical ranges of mappings: what their files say, and what their entries have."""
        return Intervals(
            (start, end, mapping)
            for mapping in self.snapshot.mappings or ()
            for start, end in {*physical_of(mapping), *((mapping.physical,) if mapping.physical else ())}
        )

    @cached_property
    def aliases(self) -> Intervals[DirectAlias]:
        """The kernel's own mappings of devices and of memory that is not write-back."""
        return Intervals((alias.start, alias.end, alias) for alias in self.snapshot.aliases or ())

    @cached_property
    def processes(self) -> dict[int, Process]:
        """The processes by pid."""
        return {process.pid: process for process in self.snapshot.processes or ()}

    @cached_property
    def devices(self) -> dict[str, PciFunction]:
        """The PCI devices by address."""
        return {device.address: device for device in self.snapshot.devices or ()}

    @cached_property
    def failed_frees(self) -> Intervals[str]:
        """The lines of the log that say of a range that it was freed and was not reserved."""
        return Intervals(_failed_frees(self.snapshot.log or ()))

    @property
    def tracks(self) -> bool:
        """True where the kernel reserves: PAT is on, as far as the snapshot says."""
        pat = self.snapshot.pat
        return not pat_off(self.snapshot) and (pat is None or CacheMode.WC in pat.slots)

    def bar_over(self, start: int, end: int) -> list[BarOf]:
        """The BARs that share a byte with a range, in order."""
        return [ranged.owner for ranged in self.bars.over(start, end)]

    def claimants(self, start: int, end: int) -> list[IomemLine]:
        """The resources inside the BARs over a range that somebody claimed: the children of a BAR's line."""
        found = []
        for place in self.bars.over(start, end):
            bar = place.owner
            for ranged in self.resources.over(max(start, place.start), min(end, place.end)):
                inside = place.start <= ranged.start and ranged.end <= place.end
                if inside and ranged.owner.name != bar.device.address:
                    found.append(ranged.owner)
        return found

    def mappings_over(self, start: int, end: int) -> list[HostMapping]:
        """The mappings of a part of a range, each once."""
        found = (ranged.owner for ranged in self.mapped.over(start, end))
        return list({(mapping.pid, mapping.start): mapping for mapping in found}.values())

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        """A range in the parts that the memtype list makes of it, in order; neighbours differ in mode."""
        over = list(self.book.over(start, end))
        if start < end and (not over or (len(over) == 1 and over[0].start <= start and end <= over[0].end)):
            # Most ranges lie in one entry, or in none.
            yield Piece(start, end, over[0].owner.mode if over else None)
            return
        edges = {start, end}
        for entry in over:
            edges.update((max(entry.start, start), min(entry.end, end)))
        cuts = sorted(edges)
        last: Piece | None = None
        at = 0
        running: list[tuple[int, CacheMode]] = []
        for low, high in pairwise(cuts):
            while at < len(over) and over[at].start <= low:
                running.append((over[at].end, over[at].owner.mode))
                at += 1
            running = [(until, mode) for until, mode in running if until > low]
            mode = running[-1][1] if running else None
            if last is not None and last.mode == mode:
                last = last._replace(end=high)
                continue
            if last is not None:
                yield last
            last = Piece(low, high, mode)
        if last is not None:
            yield last

    def mtrr_of(self, start: int, end: int) -> MtrrType | None:
        """The MTRR type of a range; None where the MTRRs are not known, or differ within it."""
        if self.snapshot.mtrrs is None:
            return None
        over = [ranged for ranged in self.snapshot.mtrrs if ranged.start < end and start < ranged.end]
        if not over:
            return self.snapshot.mtrr_default
        if any(not (ranged.start <= start and end <= ranged.end) for ranged in over):
            return None
        kinds = {ranged.kind for ranged in over}
        # Where registers overlap UC wins (S1.7); other pairs that differ are not defined.
        if MtrrType.UC in kinds:
            return MtrrType.UC
        return kinds.pop() if len(kinds) == 1 else None

    def effective(self, start: int, end: int, mode: CacheMode) -> CacheMode | None:
        """The mode in which the processor accesses a range whose entries have *mode* (S1.6); None where the
        MTRRs decide and are not known."""
        kind = self.mtrr_of(start, end)
        if kind is not None:
            return effective_type(kind, mode)
        possible = {effective_type(kind, mode) for kind in MtrrType if kind is not MtrrType.INVALID}
        return possible.pop() if len(possible) == 1 else None

    def who(self, pid: int) -> str:
        """A process by name and number."""
        process = self.processes.get(pid)
        return f"{process.comm}:{pid}" if process else f"process {pid}"


def _failed_frees(log: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    known = Matcher(family for family in families() if family.group == "free")
    for line in log:
        # Most lines have none of the words: that is seen without the templates.
        if not any(seed in line for seed in known.seeds):
            continue
        match = known.whole(line)
        said = None if match is None else range_of(match.values, match.wording)
        if said is not None and said.end is not None:
            yield said.start, said.end, line


def physical_of(mapping: HostMapping) -> Iterator[tuple[int, int]]:
    """The physical memory that a mapping reaches: its entries where they were read, else its file's."""
    if mapping.entries is not None:
        yield from ((run.start, run.end) for run in mapping.entries)
    elif mapping.physical is not None:
        yield mapping.physical
