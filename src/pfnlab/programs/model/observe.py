"""The model's state as an outside observer would report it (S10)."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain

from pfnlab.base.units import pages_of, pfn_to_phys, phys_to_pfn
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.more.readers import memory_counts, smap_counts, split_leaves
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.guard import Guard
from pfnlab.programs.lang.ops import Op
from pfnlab.programs.model.watched_space import WatchedSpace, observed_run
from pfnlab.programs.runs.events import event_text, is_flush, without_own_tables
from pfnlab.programs.runs.kmsg import in_known_order, is_anybody, normalise
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import PHYSICAL, BookEntry, CachedTranslations, Step, direct_map_lines
from pfnlab.programs.runs.places import Places
from pfnlab.programs.runs.pte_text import merge_ptes
from pfnlab.programs.runs.texts import VM_PAT, tracked_text


class Observer:
    """Reports the state of *kernel* in pages of the program's devices and areas.

    :param look: how the predicted kernel is observed
    """

    def __init__(self, kernel: Kernel, places: Places, look: LookLevel = LookLevel.PROC) -> None:
        self.kernel = kernel
        self.places = places
        self.look = look
        self._spaces: dict[str, WatchedSpace] = {}

    def step(
        self, op: str, task: str, result: str, value: int | str | None, ended: Sequence[Op] | None
    ) -> Step:
        """The observation after one operation, which consumes the log lines so far.

        :param ended: the operations that ended; None if all tasks end
        """
        trace_events, log = self.kernel.trace.take()
        events = without_own_tables(event_text(event, self.places) for event in trace_events)
        task_names = {name: name for name in self.kernel.tasks} | {task: task}
        anonymous = ended is None or is_anybody(ended)
        normalised = [(normalise(line, self.places, task_names, anonymous), line.level) for line in log]
        lines, levels = in_known_order(
            [(line, level) for line, level in normalised if line is not None], ended or ()
        )
        tasks = self.kernel.processes()
        self._read_smaps(tasks)
        spaces = [self._space(process) for process in tasks]
        self._spaces = {process.comm: space for process, space in zip(tasks, spaces, strict=True)}
        names = dict(chain.from_iterable(space.named for space in spaces))
        return Step(
            op,
            task,
            result,
            value,
            tuple(self._book()),
            lines,
            tuple(filter(None, chain.from_iterable(space.vmas for space in spaces))),
            tuple(chain.from_iterable(space.ptes for space in spaces)),
            flushes=sum(map(is_flush, events)),
            events=events,
            tracked=tuple(self._tracked(names)),
            prots=tuple(filter(None, chain.from_iterable(space.prots for space in spaces))),
            direct_map=tuple(self._direct_map()),
            levels=levels,
        )

    def tlbs(self) -> tuple[CachedTranslations, ...]:
        """The translations for the program's areas that each processor has cached (S8.3.8)."""
        return tuple(seen for task in self.kernel.tasks.values() for seen in self._remembered(task))

    def _remembered(self, task: Task) -> Iterator[CachedTranslations]:
        stale = {entry.start for entry in task.tlb.stale(task.mm.tables)}
        space = next(process.comm for process in self.kernel.processes() if process.mm is task.mm)
        for is_stale in (False, True):
            entries = (entry for entry in task.tlb.state() if (entry.start in stale) is is_stale)
            inside = (entry for entry in entries if self.places.area_span(entry.start, entry.end) is not None)
            for pte in merge_ptes(observed_run(self.kernel, self.places, task, entry) for entry in inside):
                yield CachedTranslations(task.comm, space, pte.span, pte.target, pte.entry, is_stale)

    def _read_smaps(self, tasks: list[Task]) -> None:
        """Read smaps before the entries, as an observer would, except while a processor is held."""
        if self.look.reads_smaps and not self.kernel.processors.held:
            with self.kernel.trace.unseen():
                for process in tasks:
                    if self._walker_is_own or process.mm.tables.has_leaf(3):
                        split_leaves(process.mm)

    def _book(self) -> Iterator[BookEntry]:
        for entry in self.kernel.book.entries():
            start, end = phys_to_pfn(entry.start), pages_of(entry.end)
            if self.places.overlaps_device(start, end):
                yield BookEntry(*self.places.device_span(start, end).parts, entry.type.short)

    def _direct_map(self) -> Iterator[str]:
        """The program's RAM that is not write-back in the direct map, modes as in the book (S2.6, S2.9)."""
        kernel = self.kernel
        for name, pfns in self.places.memory.items():
            if not kernel.platform.phys.page_is_ram(pfns.start):
                continue
            modes = [kernel.book.direct_map(pfn_to_phys(pfn)) for pfn in range(pfns.start, pfns.end)]
            yield from direct_map_lines(name, [mode.short for mode in modes])

    @property
    def _walker_is_own(self) -> bool:
        """True if the smaps walker is user-defined, as it may count runs in its own way."""
        return isinstance(self.kernel.walkers.walk_page_vma, Guard)

    def _space(self, process: Task) -> WatchedSpace:
        """A process's present address space."""
        space = self._spaces.get(process.comm)
        if space is None or self._walker_is_own or not space.is_of(self.kernel, process):
            counts = smap_counts if self.look.reads_smaps else memory_counts
            space = WatchedSpace(self.kernel, process, self.places, counts)
        space.look()
        return space

    def _tracked(self, names: Mapping[Vma, str]) -> Iterator[str]:
        for vmas, pfns, refs in self.kernel.tracker.tracked(list(names)):
            if pfns is None and len(vmas) == 1:
                yield _vm_pat_text(names[vmas[0]])
            elif pfns is None:
                yield tracked_text(VM_PAT, None, map(names.__getitem__, vmas))
            else:
                span = self.places.device_span(*pfns)
                # A driver maps RAM at an address that differs between machines.
                place = span.name if span.name == PHYSICAL else span
                yield tracked_text(place, refs, map(names.__getitem__, vmas))


# After every step there are as many lines as VMAs, so each is created only once.
@lru_cache(maxsize=1 << 14)
def _vm_pat_text(name: str) -> str:
    return tracked_text(VM_PAT, None, (name,))
