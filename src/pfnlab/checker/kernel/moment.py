"""A state to be judged, with the answers that judges need most often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

from pfnlab.hw.entry import pte_present
from pfnlab.hw.pgtable import EntryRun
from pfnlab.mm.flags import VM_PFNMAP
from pfnlab.mm.kernel import Kernel
from pfnlab.mm.space import MmStruct
from pfnlab.mm.users.devmem import DevMem
from pfnlab.mm.users.driver import DriverFile
from pfnlab.mm.users.pci import PciBar
from pfnlab.mm.users.vfio import BAR_OFFSET, VfioDevice
from pfnlab.mm.vma import Vma
from pfnlab.mm.walk_policy import WalkerPolicy
from pfnlab.units import PfnRange, pages_of, phys_to_pfn


class Mapping(NamedTuple):
    """One VMA that maps a device.

    :param runs: its entries that map the device
    :param copies: its entries that map a page that was copied on write
    """

    vma: Vma
    runs: list[EntryRun]
    copies: list[EntryRun]

    @property
    def frames(self) -> PfnRange:
        """The frames of the device for this mapping, whatever its entries map."""
        vma = self.vma
        first = vma.pgoff
        if isinstance(vma.file, VfioDevice) and first >= BAR_OFFSET:
            first += vma.file.bar.start - BAR_OFFSET
        return PfnRange(first, first + vma.nr)

    @property
    def covered(self) -> set[int]:
        """The frames whose page has an entry, be it of a copy, or may get one again by a fault."""
        vma, pages = self.vma, self.frames
        if vma.refills:
            return set(range(pages.start, pages.end))
        shift = pages.start - vma.start
        runs = vma.mm.tables.runs(vma.start, vma.end)
        return {vpn + shift for run in runs for vpn in range(run.start, run.end)}

    @property
    def booked_whole(self) -> bool:
        """Whether one remap_pfn_range made the whole mapping; a tracker keeps such a mapping (S3.1, S4.6)."""
        file = self.vma.file
        if isinstance(file, VfioDevice):
            return self.vma in file.filled
        return isinstance(file, PciBar | DevMem) or (isinstance(file, DriverFile) and file.how == "remap")

    @property
    def kind(self) -> str:
        """The kind of its file, which decides whose revocations should reach it."""
        return self.vma.file.kind if self.vma.file is not None else ""


class StateView:
    """A kernel to read, not to change.

    :param facts: what the last operation did, as far as the kernel does not show it any more
    :param outcomes: how often each kind of operation had each result in the search so far
    """

    def __init__(self, kernel: Kernel, facts: tuple[str, ...], outcomes: Counter[tuple[str, str]]) -> None:
        self.kernel, self.facts, self.outcomes = kernel, facts, outcomes

    @cached_property
    def mms(self) -> list[MmStruct]:
        """The address spaces of all tasks."""
        return list({id(task.mm): task.mm for task in self.kernel.tasks.values()}.values())

    @cached_property
    def mappings(self) -> list[Mapping]:
        """Every mapping of device pages, of all tasks."""
        return [
            Mapping(
                vma,
                [run for run in runs if run.page is None and pte_present(run.bits)],
                [run for run in runs if run.page is not None],
            )
            for mm in self.mms
            for vma in mm.vmas
            if vma.flags & VM_PFNMAP and vma.file is not None
            for runs in (mm.tables.runs(vma.start, vma.end),)
        ]

    @cached_property
    def reservations(self) -> list[PfnRange]:
        """The ranges that the book has for mappings into processes, without those for drivers."""
        kernel = self.kernel
        ranges = [PfnRange(phys_to_pfn(start), pages_of(end)) for start, end, _ in kernel.book.entries()]
        driver_ranges = kernel.driver.held.values() if kernel.driver is not None else ()
        claims = [pfns for ranges_held in driver_ranges for pfns in ranges_held]
        claims += [pfns for device in kernel.vfio.values() for pfns in device.mapped]
        for pfns in claims:
            if pfns in ranges:
                ranges.remove(pfns)
        return ranges

    @cached_property
    def walkers(self) -> list[WalkerPolicy]:
        """The policies of walkers, each once, even if several walkers share it."""
        return list({id(walker): walker for walker in self.kernel.walkers}.values())

    @cached_property
    def reserved(self) -> set[int]:
        """The frames of :attr:`reservations`."""
        return {pfn for pfns in self.reservations for pfn in range(pfns.start, pfns.end)}


Judge = Callable[[StateView], bool | None]
