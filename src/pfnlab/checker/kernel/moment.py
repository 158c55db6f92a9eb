"""A state to be judged, and what judges ask most about it."""

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
from pfnlab.mm.users.vfio import BAR_OFFSET, REGISTERS, VfioDevice
from pfnlab.mm.vma import Vma
from pfnlab.mm.walk_policy import WalkerPolicy
from pfnlab.units import PfnRange, pages_of, phys_to_pfn


class Mapping(NamedTuple):
    """One VMA that maps a device.

    :param runs: its entries that show the device
    :param copies: those that show a page that was copied on write
    """

    vma: Vma
    runs: list[EntryRun]
    copies: list[EntryRun]

    @property
    def frames(self) -> PfnRange:
        """The frames it stands for, whatever its entries are."""
        vma = self.vma
        first = vma.pgoff
        if isinstance(vma.file, VfioDevice) and first >= BAR_OFFSET:
            first += vma.file.bar.start - BAR_OFFSET
        return PfnRange(first, first + vma.nr)

    @property
    def covered(self) -> set[int]:
        """Of those, the frames of pages whose entry is there, be it a copy, or may come back by a fault."""
        vma, pages = self.vma, self.frames
        if vma.refills:
            return set(range(pages.start, pages.end))
        shift = pages.start - vma.start
        runs = vma.mm.tables.runs(vma.start, vma.end)
        return {vpn + shift for run in runs for vpn in range(run.start, run.end)}

    @property
    def booked_whole(self) -> bool:
        """Whether one remap_pfn_range of all of it made it, which is what a tracker keeps (S3.1, S4.6)."""
        file = self.vma.file
        if isinstance(file, VfioDevice):
            return self.vma in file.filled
        return isinstance(file, PciBar | DevMem) or (isinstance(file, DriverFile) and file.how == "remap")

    @property
    def kind(self) -> str:
        """Of its file, which says whose revocations should reach it."""
        return self.vma.file.kind if self.vma.file is not None else ""


class StateView:
    """A kernel to look at, not to change.

    :param facts: what the last operation did that nothing in the kernel shows any more
    :param outcomes: how often each kind of operation has ended how in the search so far
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
        """The ranges in the book that were made for mappings into processes, not for drivers."""
        kernel = self.kernel
        ranges = [PfnRange(phys_to_pfn(start), pages_of(end)) for start, end, _ in kernel.book.entries()]
        driver = kernel.driver.held.values() if kernel.driver is not None else ()
        own = [pfns for held in driver for pfns in held]
        own += [
            pfns for one in kernel.vfio.values() if one.claimed is not None for pfns in (one.bar, REGISTERS)
        ]
        for pfns in own:
            if pfns in ranges:
                ranges.remove(pfns)
        return ranges

    @cached_property
    def walkers(self) -> list[WalkerPolicy]:
        """What walkers take for a page, each policy once, however many places have it."""
        return list({id(one): one for one in self.kernel.walkers}.values())

    @cached_property
    def reserved(self) -> set[int]:
        """The frames of :attr:`reservations`."""
        return {pfn for pfns in self.reservations for pfn in range(pfns.start, pfns.end)}


Judge = Callable[[StateView], bool | None]
