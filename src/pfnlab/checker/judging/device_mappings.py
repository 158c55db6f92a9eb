"""The VMAs that map a device, in the form that properties need; recomputed only after a change."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from pfnlab.base.units import PfnRange, pfn_to_phys
from pfnlab.checker.judging.history import History
from pfnlab.checker.judging.observed_spaces import Layout, SeenChanges, SeenSpaces, entries_in
from pfnlab.checker.scopes.moment import FrameMode
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.programs.lang.device_ops import DRIVER_FILES, REMAPPED_WHOLE
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.changed_part import changed_part
from pfnlab.programs.runs.observation import Step, VmaSeen
from pfnlab.programs.runs.texts import tracked_range

#: The files that make each mapping with a single remap_pfn_range call.
_REMAPPED = ("wc", "uc", "proc", "mem")

#: Cache modes by their names in page-table entries.
MODES = {mode.short.upper(): mode for mode in CacheMode}


class SeenMapping(NamedTuple):
    """One observed VMA that maps a device."""

    kind: str
    frames: PfnRange
    frame_modes: list[FrameMode]
    booked_whole: bool


class DeviceMappings:
    """The VMAs at the last observed step that map one of the program's devices by page frame.

    :ivar modes: the number of frame ranges shown in each cache mode
    :ivar new: the VMAs that changed since the previous observed step
    :ivar gone: the earlier values of the changed VMAs
    """

    def __init__(self, layout: Layout, history: History) -> None:
        self._layout, self._history = layout, history
        self._of_vmas: list[SeenMapping | None] = []
        self._tracked: tuple[str, ...] = ()
        self._history_changes = 0
        self._kinds: Counter[str] = Counter()
        self.modes: Counter[CacheMode] = Counter()
        self.new: list[SeenMapping] = []
        self.gone: list[SeenMapping] = []

    @property
    def all(self) -> list[SeenMapping]:
        """All of these VMAs."""
        return list(filter(None, self._of_vmas))

    def look(self, step: Step, spaces: SeenSpaces, changes: SeenChanges) -> None:
        """Observe *step*; *spaces* must already have its VMAs and entries."""
        part, touched = changes.vmas, set(changes.touched_vmas)
        if self._history_changes != self._history.changes:
            # Reservations depend on how the driver mapped its pages.
            self._history_changes = self._history.changes
            touched = set(range(len(spaces.vmas.things)))
        for task, span in self._changed_users(step.tracked or ()):
            touched.update(spaces.vmas.indices(task, span))
        had = self._of_vmas[part.start : part.end_before]
        self._of_vmas[part.start : part.end_before] = [None] * (part.end - part.start)
        had += [self._of_vmas[index] for index in touched]
        self.gone = list(filter(None, had))
        users: set[tuple[str, Span]] | None = None
        self.new = []
        for index in sorted(touched):
            vma = spaces.vmas.things[index]
            if vma.file == "vfio" and users is None:
                users = {user for tracked in step.tracked_ranges for user in tracked.users}
            seen = self._of_vmas[index] = self._mapping(vma, spaces, users or set())
            self.new += [] if seen is None else [seen]
        self._kinds += Counter(seen.kind for seen in self.new)
        self._kinds -= Counter(seen.kind for seen in self.gone)
        self.modes += Counter(_modes(self.new))
        self.modes -= Counter(_modes(self.gone))

    def _changed_users(self, tracked: tuple[str, ...]) -> Iterable[tuple[str, Span]]:
        """The changed users of tracked ranges; empty while vfio-pci, the only file that needs them, maps
        nothing.
        """
        before, self._tracked = self._tracked, tracked
        if not self._kinds["vfio"]:
            return ()
        part = changed_part(before, tracked)
        lines = [*before[part.start : part.end_before], *tracked[part.start : part.end]]
        return [user for line in lines for user in tracked_range(line).users]

    def _mapping(self, vma: VmaSeen, spaces: SeenSpaces, users: set[tuple[str, Span]]) -> SeenMapping | None:
        frames = self._layout.frames(vma.offset) if vma.offset is not None else None
        if vma.offset is None or frames is None or not {"pf", "mm"} & set(vma.flags.split()):
            return None
        booked_whole = self._booked_whole(vma, vma.offset, frames, users)
        return SeenMapping(vma.file, frames, self._shown(vma, spaces), booked_whole)

    def _shown(self, vma: VmaSeen, spaces: SeenSpaces) -> list[FrameMode]:
        pieces = ((entry, entry.target) for entry in entries_in(vma, spaces.ptes) if entry.entry.maps)
        return [
            FrameMode(frames, MODES[entry.entry.mode.upper()])
            for entry, target in pieces
            if target is not None
            for frames in [self._layout.frames(target)]
            if frames is not None
        ]

    def _booked_whole(
        self, vma: VmaSeen, offset: Span, frames: PfnRange, users: set[tuple[str, Span]]
    ) -> bool:
        device = self._layout.devices.get(offset.name)
        if device is not None and offset.start >= device.nr:
            # Outside the device: a run records only book entries that overlap one of the program's devices.
            return False
        phys = self._layout.platform.phys
        start, end = pfn_to_phys(frames.start), pfn_to_phys(frames.end)
        if not phys.is_booked(start, end, piece_of_ram=vma.file in DRIVER_FILES):
            return False
        if vma.file in _REMAPPED:
            return True
        if vma.file in DRIVER_FILES:
            hows = self._history.hows_of(offset)
            return bool(hows) and hows <= REMAPPED_WHOLE
        # In some kernels vfio-pci remaps the whole VMA at once; if it did, the VMA is tracked.
        return (vma.task, vma.span) in users


def _modes(mappings: Iterable[SeenMapping]) -> Iterable[CacheMode]:
    return (one.mode for mapping in mappings for one in mapping.frame_modes)
