"""A state to judge, with the answers that judges need most often."""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

from pfnlab.base.trace import Trace
from pfnlab.base.units import PfnRange, pages_of, pfn_to_phys, phys_to_pfn
from pfnlab.checker.scopes.modes import differing, reaches, remembered_in
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.entry import pte_present
from pfnlab.kernel.hw.pgtable import EntryRun, Page
from pfnlab.kernel.hw.spans import SpanSet
from pfnlab.kernel.mm.flags import VM_PFNMAP
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.users.devmem import DevMem
from pfnlab.kernel.mm.users.driver import OTHER_FRAMES, BareDriverFile, DriverFile
from pfnlab.kernel.mm.users.pci import PciBar
from pfnlab.kernel.mm.users.vfio import BAR_OFFSET, VfioDevice
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.mm.walk_policy import WalkerPolicy
from pfnlab.programs.lang.device_ops import DRIVER_FILES, REMAPPED_WHOLE

FREED_WRONGLY, WARNED, FREED_MAPPED = "freed wrongly", "warned", "freed while mapped"
HOLDS_FILE = "holds a file that is not mapped"
FORK_LEFT, FORK_FAILED, FORK_CHANGED = "fork left something", "fork failed", "fork changed its parent"
COMMITTED = "left memory committed, or uncommitted too much"
USED_VMA = "used a VMA that was freed"
LOOKED_BEHIND, LEFT_BEHIND = "looked behind a revocation", "left an entry behind a revocation"
_MESSAGES = (
    ("freeing invalid memtype", FREED_WRONGLY),
    ("WARNING", WARNED),
    ("pfnlab: entries show memory that is freed", FREED_MAPPED),
    ("pfnlab: a mapping that failed holds its file", HOLDS_FILE),
)

#: The files of a PCI device, by :attr:`~pfnlab.kernel.mm.vma.MappedFile.kind`.
PCI_FILES = ("wc", "uc", "proc")

#: The files whose mapping offsets name frames, in pages of physical memory or of a BAR.
_BY_FRAME = (*PCI_FILES, "mem", "vfio", *DRIVER_FILES)


def facts_of(log: Sequence[str]) -> list[str]:
    """The facts reported by the messages in *log*."""
    return [fact for text, fact in _MESSAGES if any(text in line for line in log)] if log else []


def facts_since(trace: Trace) -> tuple[str, ...]:
    """The facts about everything done since the last call: log messages and misuses."""
    _, log = trace.take()
    return (*facts_of(log), *trace.take_misuses())


def accounting_fact(kernel: Kernel) -> list[str]:
    """A fact if the number of committed pages differs from the total over all VMAs; clears the difference."""
    return [COMMITTED] if kernel.take_uncovered() else []


def warn_again(kernel: Kernel) -> None:
    """Let *kernel* repeat once-only messages, so that every step shows its own."""
    kernel.warned.clear()
    kernel.book.warned = frozenset()


_MODES = tuple(CacheMode)


class FrameMode(NamedTuple):
    """Frames shown by a mapping's entries, and their cache mode there."""

    frames: PfnRange
    mode: CacheMode


class CountedUsers(NamedTuple):
    """The kernel's count of something's users, and the actual number."""

    counted: int
    users: int


class MappedDevice(Protocol):
    """One VMA that maps a device, in a modelled or an observed kernel."""

    @property
    def frames(self) -> PfnRange:
        """The device frames that this mapping covers, whatever its entries map."""

    @property
    def frame_modes(self) -> Sequence[FrameMode]:
        """The device frames that its entries map."""

    @property
    def booked_whole(self) -> bool:
        """True if one remap_pfn_range call made the whole mapping, from frames that the book accepts (S3.1,
        S4.6).
        """

    @property
    def kind(self) -> str:
        """The kind of its file, which decides whose revocations must reach it."""


class Moment(Protocol):
    """The parts of a modelled or observed kernel, between two operations, that properties need."""

    @property
    def facts(self) -> Collection[str]:
        """Effects of the last operation that the kernel no longer shows."""

    @property
    def mappings(self) -> Sequence[MappedDevice]:
        """Every mapping of device pages, of all tasks."""

    @property
    def asked(self) -> Sequence[FrameMode]:
        """The frames that entries map, each with the mode requested for its mapping; empty if unknown."""

    @property
    def remembered(self) -> Sequence[FrameMode]:
        """The frames that processors can reach by cached translations that match no entry."""

    @property
    def reservations(self) -> Sequence[PfnRange]:
        """The ranges reserved in the book for process mappings, without those reserved for drivers."""

    @property
    def reserved(self) -> SpanSet:
        """The frames of :attr:`reservations`."""

    @property
    def booked(self) -> Sequence[FrameMode]:
        """Everything reserved in the book for any user: frames, with the reservation's cache mode."""

    def is_ram(self, pfn: int) -> bool:
        """True if a frame is RAM that the kernel's direct map contains."""

    def direct_map(self, pfn: int) -> CacheMode:
        """The cache mode of a RAM frame in the direct map."""

    @property
    def direct_map_modes(self) -> Sequence[FrameMode]:
        """The RAM frames that are not write-back in the direct map, with their cache modes."""

    @property
    def kept(self) -> SpanSet:
        """The frames that a driver has mapped for itself."""

    @property
    def claims(self) -> Sequence[PfnRange]:
        """The ranges that drivers have claimed, if a claim revokes other users' mappings."""

    @property
    def removed(self) -> Sequence[PfnRange]:
        """The BARs of devices that the kernel no longer knows."""

    @property
    def switched_off(self) -> Sequence[PfnRange]:
        """The ranges in which no device answers."""

    @property
    def user_counts(self) -> Iterable[CountedUsers]:
        """The user counts of pages and tracked ranges."""


class Mapping(NamedTuple):
    """One VMA that maps a device.

    :param runs: its entries that map the device
    :param copies: its entries that map pages copied on write
    :param frames: the device frames that this mapping covers, whatever its entries map
    :param frame_modes: the frames that its entries map, with their cache modes
    :param booked_whole: whether one remap_pfn_range call made the whole mapping, and the book accepts such
        frames (S3.1, S4.6)
    """

    vma: Vma
    entries: list[EntryRun]
    runs: list[EntryRun]
    copies: list[EntryRun]
    frames: PfnRange
    frame_modes: list[FrameMode]
    booked_whole: bool

    @property
    def covered(self) -> list[PfnRange]:
        """The frames whose page has an entry, even for a copy, or may get one again through a fault."""
        vma, pages = self.vma, self.frames
        if vma.refills:
            return [pages]
        shift = pages.start - vma.start
        return [PfnRange(run.start + shift, run.end + shift) for run in self.entries]

    @property
    def kind(self) -> str:
        return self.vma.file.kind if self.vma.file is not None else ""

    @property
    def names_frames(self) -> bool:
        """True if its offset names the frames that its entries must show."""
        file = self.vma.file
        return self.kind in _BY_FRAME and not (isinstance(file, DriverFile) and file.how in OTHER_FRAMES)


# Judges query mappings repeatedly, so every answer is computed only once.
def _mapping(vma: Vma) -> Mapping:
    entries, frames = vma.mm.tables.runs(vma.start, vma.end), _frames(vma)
    runs, copies, frame_modes = [], [], []
    mode_of = vma.mm.kernel.platform.pat.pgprot2cachemode
    for run in entries:
        if run.page is not None:
            copies.append(run)
        elif pte_present(run.bits):
            runs.append(run)
            frame_modes.append(FrameMode(PfnRange(run.pfn, run.pfn + run.end - run.start), mode_of(run.bits)))
    return Mapping(vma, entries, runs, copies, frames, frame_modes, _booked_whole(vma, frames))


def _frames(vma: Vma) -> PfnRange:
    first = vma.pgoff
    if isinstance(vma.file, VfioDevice) and first >= BAR_OFFSET:
        first += vma.file.bar.start - BAR_OFFSET
    return PfnRange(first, first + vma.nr)


def _booked_whole(vma: Vma, frames: PfnRange) -> bool:
    file, phys = vma.file, vma.mm.kernel.platform.phys
    start, end = pfn_to_phys(frames.start), pfn_to_phys(frames.end)
    if not phys.is_booked(start, end, piece_of_ram=isinstance(file, DriverFile | BareDriverFile)):
        return False
    if isinstance(file, VfioDevice):
        return vma in file.filled
    return isinstance(file, PciBar | DevMem | BareDriverFile) or (
        isinstance(file, DriverFile) and file.how in REMAPPED_WHOLE
    )


class StateView:
    """A :class:`Moment` of a modelled kernel, which is only read."""

    def __init__(self, kernel: Kernel, facts: tuple[str, ...]) -> None:
        self.kernel, self.facts = kernel, facts

    @cached_property
    def mms(self) -> list[MmStruct]:
        """The address spaces of all tasks."""
        return list({id(task.mm): task.mm for task in self.kernel.tasks.values()}.values())

    @cached_property
    def mappings(self) -> list[Mapping]:
        return [
            _mapping(vma)
            for mm in self.mms
            for vma in mm.vmas
            if vma.flags & VM_PFNMAP and vma.file is not None
        ]

    @property
    def asked(self) -> list[FrameMode]:
        mode_of = self.kernel.platform.pat.pgprot2cachemode
        # vm_page_prot keeps the mode that the driver asked for, whatever the memtype list granted.
        return [
            FrameMode(shown.frames, mode_of(mapping.vma.page_prot))
            for mapping in self.mappings
            for shown in mapping.frame_modes
        ]

    @cached_property
    def remembered(self) -> list[FrameMode]:
        remembered = list(remembered_in(self.kernel))
        entries = [one for mm in self.mms if remembered for one in reaches(mm, mm.tables.entries, id(mm))]
        return [FrameMode(one.frames, one.mode) for one in differing(entries, remembered)]

    @cached_property
    def reservations(self) -> list[PfnRange]:
        kernel = self.kernel
        ranges = [PfnRange(phys_to_pfn(start), pages_of(end)) for start, end, _ in kernel.book.rows()[0]]
        driver_ranges = kernel.driver.held.values() if kernel.driver is not None else ()
        claims = [pfns for ranges_held in driver_ranges for pfns in ranges_held]
        claims += [pfns for device in kernel.vfio.values() for pfns in device.mapped]
        for pfns in claims:
            if pfns in ranges:
                ranges.remove(pfns)
        return ranges

    @cached_property
    def booked(self) -> list[FrameMode]:
        rows = self.kernel.book.rows()[0]
        return [
            FrameMode(PfnRange(phys_to_pfn(start), pages_of(end)), _MODES[mode]) for start, end, mode in rows
        ]

    @cached_property
    def walkers(self) -> list[WalkerPolicy]:
        """The walkers' policies, each listed once even if several walkers share it."""
        return list({id(walker): walker for walker in self.kernel.walkers}.values())

    @cached_property
    def reserved(self) -> SpanSet:
        return SpanSet(self.reservations)

    def is_ram(self, pfn: int) -> bool:
        return self.kernel.platform.phys.page_is_ram(pfn)

    def direct_map(self, pfn: int) -> CacheMode:
        return self.kernel.book.direct_map(pfn_to_phys(pfn))

    @property
    def direct_map_modes(self) -> list[FrameMode]:
        runs = self.kernel.book.direct_map_changed()
        return [FrameMode(PfnRange(run.start, run.end), run.type) for run in runs]

    @property
    def kept(self) -> SpanSet:
        held = self.kernel.driver.held.values() if self.kernel.driver is not None else ()
        return SpanSet(pfns for ranges in held for pfns in ranges)

    @property
    def claims(self) -> list[PfnRange]:
        """The ranges that drivers have claimed: with request_mem_region, by binding, or by opening vfio-pci.

        Empty if a claim does not revoke other users' mappings.
        """
        kernel = self.kernel
        if not kernel.platform.io_strict_devmem:
            return []
        claims = [device.claimed for device in kernel.vfio.values()]
        claims += [device.claimed for device in kernel.pci.values()]
        claims += [kernel.driver.resource if kernel.driver is not None else None]
        return [
            PfnRange(phys_to_pfn(claim.start), pages_of(claim.end)) for claim in claims if claim is not None
        ]

    @property
    def removed(self) -> list[PfnRange]:
        return [device.bar for device in self.kernel.pci.values() if not device.known]

    @property
    def switched_off(self) -> Sequence[PfnRange]:
        """The ranges in which no device answers, and the BARs of devices that vfio-pci has put to sleep."""
        sleeping = [device.bar for device in self.kernel.vfio.values() if device.asleep]
        return [*self.kernel.undecoded, *sleeping]

    @property
    def user_counts(self) -> list[CountedUsers]:
        """The user counts of pages copied on write and of tracked ranges."""
        page_users: dict[Page, int] = {}
        for mm in self.mms:
            for run in mm.tables.entries:
                if run.page is not None:
                    page_users[run.page] = page_users.get(run.page, 0) + 1
        vmas = [vma for mm in self.mms for vma in mm.vmas]
        return [CountedUsers(page.mapcount, users) for page, users in page_users.items()] + [
            CountedUsers(tracked.refs, len(tracked.vmas))
            for tracked in self.kernel.tracker.tracked(vmas)
            if tracked.refs is not None
        ]


Judge = Callable[[StateView], bool | None]
