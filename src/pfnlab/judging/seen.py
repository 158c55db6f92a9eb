"""A step that was observed, as a moment that properties are asked of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from pfnlab.checker.kernel.moment import CountedUsers, Shown, facts_of
from pfnlab.hw.cachemode import CacheMode
from pfnlab.hw.spans import SpanSet
from pfnlab.judging.by_place import ByPlace
from pfnlab.judging.history import History
from pfnlab.mm.configuration import DISTRIBUTION, Configuration
from pfnlab.policies.boot import configured_platform
from pfnlab.programs.lang.device_ops import MOVED_BAR
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.model.model_machine import place
from pfnlab.programs.runs.observation import REGION, PteSeen, Step, VmaSeen, direct_map_spans
from pfnlab.programs.runs.pte_text import RAM
from pfnlab.programs.runs.texts import TableEntry
from pfnlab.units import PfnRange, pfn_to_phys

#: The files of which one remap_pfn_range makes the whole mapping.
_REMAPPED = ("wc", "uc", "proc", "mem")


class Layout:
    """
    Where the devices of a program lie, as numbers that stand for frames.

    They are those of the modelled machine: a run names device pages, and so is the same on all machines.

    :param configuration: of the kernel that ran it
    """

    def __init__(self, program: Program, configuration: Configuration = DISTRIBUTION) -> None:
        platform, self.devices, _ = place(program)
        self.platform = configured_platform(platform, configuration)
        uses = program.needs.vfio
        names = [device.name for device in program.devices if device.kind == "pci"]
        #: The device that vfio-pci has, if the program uses it.
        self.vfio = names[0] if uses else None

    def frames(self, span: Span) -> PfnRange | None:
        """The frames of device pages; None for pages that are no device's."""
        name = self.vfio if span.name == REGION else span.name
        base = self.devices.get(name or "")
        return PfnRange(base.start + span.start, base.start + span.end) if base is not None else None


class SeenMapping(NamedTuple):
    """One VMA that maps a device, as it was observed."""

    kind: str
    frames: PfnRange
    shown: list[Shown]
    booked_whole: bool


class SeenEntry(NamedTuple):
    """The part of a run of page-table entries that lies in one VMA.

    :param first: how far it begins behind the begin of the VMA, in pages
    :param target: the device pages it maps, or None
    """

    first: int
    span: Span
    target: Span | None
    entry: TableEntry


class SeenMoment:
    """
    A step and what came before it.

    :param step: with VMAs and page-table entries
    """

    def __init__(
        self,
        step: Step,
        history: History,
        layout: Layout,
    ) -> None:
        self.step, self._history, self._layout = step, history, layout
        self.facts = facts_of(step.log)

    @cached_property
    def mappings(self) -> list[SeenMapping]:
        """Every VMA that maps a device of the program by page frames."""
        mappings = []
        for vma in self.step.vmas or ():
            frames = self._layout.frames(vma.offset) if vma.offset is not None else None
            if frames is None or not {"pf", "mm"} & set(vma.flags.split()):
                continue
            mappings.append(
                SeenMapping(vma.file, frames, self._shown(vma), self._booked_whole(vma, vma.offset, frames))
            )
        return mappings

    @cached_property
    def _ptes(self) -> ByPlace[PteSeen]:
        return ByPlace(self.step.ptes or ())

    def _shown(self, vma: VmaSeen) -> list[Shown]:
        pieces = ((entry, entry.target) for entry in entries_in(vma, self._ptes) if entry.entry.maps)
        return [
            Shown(frames, CacheMode.from_short(entry.entry.mode.lower()))
            for entry, target in pieces
            if target is not None
            for frames in [self._layout.frames(target)]
            if frames is not None
        ]

    def _booked_whole(self, vma: VmaSeen, offset: Span | None, frames: PfnRange) -> bool:
        phys = self._layout.platform.phys
        start, end = pfn_to_phys(frames.start), pfn_to_phys(frames.end)
        if not phys.is_booked(start, end, piece_of_ram=vma.file == "driver"):
            return False
        if vma.file in _REMAPPED:
            return True
        if vma.file == "driver" and offset is not None:
            return self._history.hows_of(offset) == {"remap"}
        # vfio-pci remaps a whole VMA in some kernels; where it did, the VMA is tracked.
        return (vma.task, vma.span) in self._tracked

    @cached_property
    def _tracked(self) -> set[tuple[str, Span]]:
        return {user for tracked in self.step.tracked_ranges for user in tracked.users}

    @cached_property
    def reservations(self) -> list[PfnRange]:
        """The ranges that the book has for mappings into processes, without those for drivers."""
        layout = self._layout
        spans = [entry.span for entry in self.step.book or ()]
        for span in self._history.kept:
            if span in spans:
                spans.remove(span)
        if layout.vfio is not None:
            # The driver's own mapping of the whole device, as long as the device is open: unless a mapping
            # of another file has reserved just this range.
            whole = self._whole(layout.vfio)
            others = any(
                seen.kind != "vfio" and seen.frames == layout.devices[layout.vfio] for seen in self.mappings
            )
            counted = any(one.place == whole and one.refs is not None for one in self.step.tracked_ranges)
            if whole in spans and not (others or counted):
                spans.remove(whole)
        return [frames for span in spans for frames in [layout.frames(span)] if frames is not None]

    def _whole(self, device: str) -> Span:
        return Span(device, 0, self._layout.devices[device].nr)

    @cached_property
    def reserved(self) -> SpanSet:
        """The frames of :attr:`reservations`."""
        return SpanSet(self.reservations)

    @cached_property
    def _direct_map(self) -> list[Shown] | None:
        """The frames of the program's devices that are not write-back in the direct map; None: not seen."""
        if self.step.direct_map is None:
            return None
        return [
            Shown(frames, CacheMode.from_short(mode))
            for span, mode in direct_map_spans(self.step.direct_map)
            # A page that the direct map lacks is compared, and has no mode.
            if mode != "absent"
            for frames in [self._layout.frames(span)]
            if frames is not None
        ]

    def is_ram(self, pfn: int) -> bool:
        """True where a frame is RAM that somebody has looked at in the direct map."""
        return self._direct_map is not None and self._layout.platform.phys.page_is_ram(pfn)

    def direct_map(self, pfn: int) -> CacheMode:
        """The cache mode of a frame of RAM in the direct map."""
        changed = self._direct_map or ()
        modes = (shown.mode for shown in changed if shown.frames.start <= pfn < shown.frames.end)
        return next(modes, CacheMode.WB)

    @cached_property
    def direct_map_changed(self) -> SpanSet:
        """The frames of the program's devices that are not write-back in the direct map."""
        return SpanSet(shown.frames for shown in self._direct_map or ())

    @cached_property
    def kept(self) -> SpanSet:
        """The frames that a driver has mapped for itself."""
        return SpanSet(self._frames(self._history.kept))

    @property
    def claims(self) -> list[PfnRange]:
        """The ranges that drivers have claimed, where a claim revokes what others map."""
        if not self._layout.platform.io_strict_devmem:
            return []
        # vfio-pci claims when the device is opened or mapped first, and frees with the last user.
        opened = [self._whole(name) for name in sorted(self._history.opened) if self._vfio_mapped(name)]
        bound = [self._bar(name) for name in sorted(self._history.bound)]
        return [*self._frames([*self._history.claims, *opened]), *bound]

    def _vfio_mapped(self, device: str) -> bool:
        frames = self._layout.devices[device]
        return any(seen.kind == "vfio" and seen.frames.overlaps(frames) for seen in self.mappings)

    @property
    def removed(self) -> list[PfnRange]:
        """The BARs of devices that the kernel does not have any more."""
        return [self._bar(name) for name in sorted(self._history.removed)]

    def _bar(self, device: str) -> PfnRange:
        """The frames of a device, where its BAR is now."""
        return self._layout.devices[MOVED_BAR if self._history.moved else device]

    @property
    def switched_off(self) -> list[PfnRange]:
        """The ranges of devices whose memory was switched off."""
        return [self._layout.devices[name] for name in sorted(self._history.off)]

    @cached_property
    def counted(self) -> list[CountedUsers]:
        """The counts of tracked ranges."""
        return [
            CountedUsers(tracked.refs, len(tracked.users))
            for tracked in self.step.tracked_ranges
            if tracked.refs is not None
        ]

    def _frames(self, spans: Sequence[Span]) -> list[PfnRange]:
        return [frames for span in spans for frames in [self._layout.frames(span)] if frames is not None]


def entries_in(vma: VmaSeen, ptes: ByPlace[PteSeen]) -> list[SeenEntry]:
    """The parts of runs of entries that lie in a VMA."""
    entries = []
    for run in ptes.overlapping(vma.task, vma.span):
        start, end = max(run.span.start, vma.span.start), min(run.span.end, vma.span.end)
        target = run.target
        if target is not None and target != RAM:
            shift = target.start - run.span.start
            target = Span(target.name, start + shift, end + shift)
        entries.append(
            SeenEntry(start - vma.span.start, Span(run.span.name, start, end), target, run.table_entry)
        )
    return entries
