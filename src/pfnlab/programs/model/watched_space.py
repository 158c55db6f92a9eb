"""An address space in the form of an observation, which is rebuilt only where it has changed.

The last observation is kept by value: VMAs as their fields, page tables as their runs of entries.
So every change is noticed, whatever caused it, and the cost of a step in a long run depends only
on what the step changes.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, compress
from operator import attrgetter, itemgetter
from typing import Any

from msgspec.structs import replace

from pfnlab.kernel.hw.bits import PAGE_PSE, pgprot_4k_2_large
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.mm.copy_on_write import ZERO_PFN
from pfnlab.kernel.mm.flags import VM_LOCKED, perms_text, vm_flags_text
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.more.smap_counts import SmapCounts
from pfnlab.kernel.mm.space import TASK_PAGES
from pfnlab.kernel.mm.vma import Vma
from pfnlab.programs.lang.device_ops import DRIVER_FILES
from pfnlab.programs.runs.changed_part import changed_part, changed_rows
from pfnlab.programs.runs.observation import PHYSICAL, DeviceSpan, PteSeen, VmaSeen
from pfnlab.programs.runs.places import Places
from pfnlab.programs.runs.pte_text import RAM, entry_text, merge_ptes
from pfnlab.programs.runs.texts import vma_name

#: The fields of a VMA from which its observed form is made, starting with its pages.
_FIELDS = tuple(map(attrgetter, ("start", "end", "pgoff", "flags", "page_prot", "file")))

#: The first page in a run of entries or tables, and the page after the last.
_START, _END = itemgetter(0), itemgetter(1)

#: The index of the ordinary page in a run of entries.
_PAGE = itemgetter(EntryRun._fields.index("page"))


class WatchedSpace:
    """A process's address space as last observed.

    :param counts: returns a VMA's counters as the observer knows them
    :ivar vmas: for each VMA, its observation; None for a VMA outside the program's areas
    :ivar prots: likewise, their names with the cache mode in vm_page_prot
    """

    def __init__(
        self, kernel: Kernel, task: Task, places: Places, counts: Callable[[Vma], SmapCounts]
    ) -> None:
        self._kernel, self._task, self._places, self._counts = kernel, task, places, counts
        self._mm, self._platform = task.mm, kernel.platform
        self._fields: list[list[Any]] = [[] for _ in _FIELDS]
        self._runs: list[EntryRun] = []
        self._tables: list[tuple[tuple[int, int], ...]] = []
        self.vmas: list[VmaSeen | None] = []
        self.names: list[str | None] = []
        self.prots: list[str | None] = []
        self._ptes: dict[str, list[PteSeen]] = {name: [] for name in places.areas}

    def is_of(self, kernel: Kernel, task: Task) -> bool:
        """True if *task* is in the same process, on a machine with the same memory map."""
        return task is self._task and task.mm is self._mm and kernel.platform is self._platform

    @property
    def ptes(self) -> Iterator[PteSeen]:
        """Its entries in the program's areas, area by area, with equal neighbours merged."""
        return chain.from_iterable(self._ptes.values())

    @property
    def named(self) -> Iterator[tuple[Vma, str]]:
        """Its VMAs in the program's areas, with their names."""
        return zip(compress(self._mm.vmas, self.names), filter(None, self.names), strict=True)

    def look(self) -> None:
        """Observe its present state."""
        # Lists of fields, because one tuple per VMA would keep the garbage collector busy.
        fields = [list(map(field, self._mm.vmas)) for field in _FIELDS]
        runs, tables = self._mm.tables.state()
        part = changed_rows(self._fields, fields)
        pages = self._changed_pages(runs, tables)
        if pages is not None:
            part = part.around(*_meeting(fields, *pages))
            self._look_at_entries(*pages)
        vmas = self._mm.vmas[part.start : part.end]
        before = slice(part.start, part.end_before)
        self.vmas[before] = map(self._vma, vmas)
        self.names[before] = map(self._name, vmas)
        self.prots[before] = map(self._prot, vmas)
        # The count of an ordinary page depends on its other mappings.
        paged = compress(runs, map(_PAGE, runs))
        for at in {at for run in paged for at in range(*_meeting(fields, run.start, run.end))}:
            self.vmas[at] = self._vma(self._mm.vmas[at])
        self._fields, self._runs, self._tables = fields, runs, tables

    def _changed_pages(
        self, runs: list[EntryRun], tables: list[tuple[tuple[int, int], ...]]
    ) -> tuple[int, int] | None:
        """The range of pages in which entries or tables have changed; None if nothing has."""
        if not self._tables:
            return 0, TASK_PAGES
        changed: list[Any] = []
        for before, after in ((self._runs, runs), *zip(self._tables, tables, strict=True)):
            part = changed_part(before, after)
            changed += [*before[part.start : part.end_before], *after[part.start : part.end]]
        if not changed:
            return None
        start, end = min(map(_START, changed)), max(map(_END, changed))
        # The first frame of a run identifies its pages, so runs are not split.
        first, last = bisect_right(runs, start, key=_START) - 1, bisect_left(runs, end, key=_START) - 1
        if first >= 0 and runs[first].end > start:
            start = runs[first].start
        if last >= 0 and runs[last].end > end:
            end = runs[last].end
        return start, end

    def _look_at_entries(self, start: int, end: int) -> None:
        """Convert the entries for pages ``[start, end)`` to their observed form."""
        for name, (base, pages) in self._places.areas.items():
            first, last = max(start, base), min(end, base + pages)
            if first < last:
                self._look_at_area(name, base, first, last)

    def _look_at_area(self, name: str, base: int, start: int, end: int) -> None:
        seen = self._ptes[name]
        # Runs that end where these pages start, or start where they end, may be merged with them.
        first = bisect_left(seen, start - base, key=lambda pte: pte.end)
        last = bisect_right(seen, end - base, key=lambda pte: pte.start)
        ends = seen[first:last]
        below = [_cut(pte, pte.start, start - base) for pte in ends[:1] if pte.start < start - base]
        above = [_cut(pte, end - base, pte.end) for pte in ends[-1:] if pte.end > end - base]
        seen[first:last] = merge_ptes([*below, *self._entries(start, end), *above])

    def _entries(self, start: int, end: int) -> Iterator[PteSeen]:
        tables = self._mm.tables
        for run in tables.runs(start, end):
            yield observed_run(self._kernel, self._places, self._task, run)
        for first, last, level in tables.missing(start, end):
            yield observed_entries(self._places, self._task, first, last, None, entry_text(0, level))

    def _vma(self, vma: Vma) -> VmaSeen | None:
        span = self._places.area_span(vma.start, vma.end)
        if span is None:
            return None
        rss, anonymous, pss = self._counts(vma)
        return VmaSeen(
            self._task.comm,
            *span.parts,
            perms_text(vma.flags),
            vma.file.kind if vma.file else "anon",
            self._offset(vma),
            vm_flags_text(vma.flags),
            rss,
            anonymous,
            pss if vma.flags & VM_LOCKED else 0,
        )

    def _offset(self, vma: Vma) -> DeviceSpan | None:
        """The pages that the file offset refers to; a private mapping of driver RAM has pages of that RAM."""
        if vma.file is None:
            return None
        span = self._places.offset_span(vma.file.kind, vma.pgoff, vma.pgoff + vma.nr)
        is_ram = vma.file.kind in DRIVER_FILES and span is not None and span.name == PHYSICAL
        return RAM if is_ram else span

    def _name(self, vma: Vma) -> str | None:
        span = self._places.area_span(vma.start, vma.end)
        return None if span is None else vma_name(self._task.comm, span)

    def _prot(self, vma: Vma) -> str | None:
        name = self._name(vma)
        if name is None:
            return None
        return f"{name} {self._platform.pat.pgprot2cachemode(vma.page_prot).short.upper()}"


def _meeting(fields: Sequence[list[Any]], start: int, end: int) -> tuple[int, int]:
    """The range of indices, end exclusive, of the VMAs that overlap ``[start, end)``."""
    starts, ends = fields[:2]
    return bisect_right(ends, start), bisect_left(starts, end)


def _cut(pte: PteSeen, start: int, end: int) -> PteSeen:
    """The part of a run of entries that covers pages *start* up to *end* of its area."""
    target = pte.target
    if target is not None and target != RAM:
        shift = target.start - pte.start
        target = replace(target, start=start + shift, end=end + shift)
    return replace(pte, start=start, end=end, target=target)


def observed_run(kernel: Kernel, places: Places, task: Task, run: EntryRun) -> PteSeen:
    """The observed form of a run of entries in a task's tables, or of its processor's translations."""
    raw = run.bits if run.level == 1 else pgprot_4k_2_large(run.bits) | PAGE_PSE
    target = _target(kernel, places, run)
    return observed_entries(places, task, run.start, run.end, target, entry_text(raw, run.level))


def observed_entries(
    places: Places, task: Task, start: int, end: int, target: DeviceSpan | None, entry: str
) -> PteSeen:
    """The entries for pages *start* up to *end*, which are in one of the program's areas."""
    span = places.area_span(start, end)
    assert span is not None
    return PteSeen(task.comm, *span.parts, target, entry)


def _target(kernel: Kernel, places: Places, run: EntryRun) -> DeviceSpan:
    if run.page is not None or run.pfn == ZERO_PFN:
        return RAM
    span = places.device_span(run.pfn, run.pfn + run.end - run.start)
    # RAM after the end of a device that the program maps past counts as the device's.
    return RAM if span.name == PHYSICAL and kernel.platform.phys.page_is_ram(run.pfn) else span
