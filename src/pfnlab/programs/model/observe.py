"""The model's state as an observer outside would report it (S10)."""

from __future__ import annotations

from collections.abc import Iterator

from pfnlab.hw.bits import PAGE_PSE, pgprot_4k_2_large
from pfnlab.hw.pgtable import EntryRun
from pfnlab.mm.fault import ZERO_PFN
from pfnlab.mm.flags import VM_LOCKED, perms_text, vm_flags_text
from pfnlab.mm.kernel import Kernel, Task
from pfnlab.mm.readers import memory_counts, smap_counts, split_leaves
from pfnlab.mm.vma import Vma
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.events import event_texts, is_flush
from pfnlab.programs.runs.kmsg import normalise
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import (
    PHYSICAL,
    BookEntry,
    PteSeen,
    Step,
    TlbSeen,
    VmaSeen,
    direct_map_lines,
)
from pfnlab.programs.runs.places import Places
from pfnlab.programs.runs.pte_text import RAM, entry_text, merge_ptes
from pfnlab.programs.runs.texts import VM_PAT, TrackedRange, vma_name
from pfnlab.units import pages_of, pfn_to_phys, phys_to_pfn


class Observer:
    """Reports the state of *kernel* in pages of the program's devices and areas.

    :param look: how the kernel is looked at that is predicted
    """

    def __init__(self, kernel: Kernel, places: Places, look: LookLevel = LookLevel.PROC) -> None:
        self.kernel = kernel
        self.places = places
        self.look = look

    def step(self, op: str, task: str, result: str, value: int | str | None, *, anonymous: bool) -> Step:
        """The observation after one operation; it takes the log lines so far.

        :param anonymous: the task that logged a line is not known at this step
        """
        trace_events, log = self.kernel.trace.take()
        events = event_texts(trace_events, self.places)
        task_names = {name: name for name in self.kernel.tasks} | {task: task}
        lines = [(normalise(line, self.places, task_names, anonymous), line.level) for line in log]
        tasks = self.kernel.processes()
        self._read_smaps(tasks)
        return Step(
            op,
            task,
            result,
            value,
            tuple(self._book()),
            tuple(line for line, _ in lines if line is not None),
            tuple(vma for process in tasks for vma in self._vmas(process)),
            merge_ptes(pte for process in tasks for pte in self._ptes(process)),
            flushes=sum(map(is_flush, events)),
            events=events,
            tracked=tuple(self._tracked(tasks)),
            prots=tuple(self._prots(tasks)),
            direct_map=tuple(self._direct_map()),
            levels=tuple(level for line, level in lines if line is not None),
        )

    def tlbs(self) -> tuple[TlbSeen, ...]:
        """The translations of the program's areas that each processor remembers (S8.3.8)."""
        return tuple(seen for task in self.kernel.tasks.values() for seen in self._remembered(task))

    def _remembered(self, task: Task) -> Iterator[TlbSeen]:
        stale = {entry.start for entry in task.tlb.stale(task.mm.tables)}
        space = next(process.comm for process in self.kernel.processes() if process.mm is task.mm)
        for is_stale in (False, True):
            entries = (entry for entry in task.tlb.state() if (entry.start in stale) is is_stale)
            inside = (entry for entry in entries if self.places.area_span(entry.start, entry.end) is not None)
            for pte in merge_ptes(self._entry(task, entry) for entry in inside):
                yield TlbSeen(task.comm, space, pte.span, pte.target, pte.entry, is_stale)

    def _read_smaps(self, tasks: list[Task]) -> None:
        """Read smaps before the entries, as an observer does, but not of a kernel that stands still."""
        if self.look.reads_smaps and self.kernel.processors.held is None:
            with self.kernel.trace.unseen():
                for process in tasks:
                    split_leaves(process.mm)

    def _book(self) -> Iterator[BookEntry]:
        for entry in self.kernel.book.entries():
            start, end = phys_to_pfn(entry.start), pages_of(entry.end)
            if self.places.overlaps_device(start, end):
                yield BookEntry(self.places.device_span(start, end), entry.type.short)

    def _direct_map(self) -> Iterator[str]:
        """The program's RAM that is not write-back in the direct map, in the book's words (S2.6, S2.9)."""
        kernel = self.kernel
        for name, pfns in self.places.memory.items():
            if not kernel.platform.phys.page_is_ram(pfns.start):
                continue
            modes = [kernel.book.direct_map(pfn_to_phys(pfn)) for pfn in range(pfns.start, pfns.end)]
            yield from direct_map_lines(name, [mode.short for mode in modes])

    def _vmas(self, task: Task) -> Iterator[VmaSeen]:
        counts = smap_counts if self.look.reads_smaps else memory_counts
        for vma in task.mm:
            span = self.places.area_span(vma.start, vma.end)
            if span is None:
                continue
            rss, anonymous, pss = counts(vma)
            yield VmaSeen(
                task.comm,
                span,
                perms_text(vma.flags),
                vma.file.kind if vma.file else "anon",
                self._offset(vma),
                vm_flags_text(vma.flags),
                rss,
                anonymous,
                pss if vma.flags & VM_LOCKED else 0,
            )

    def _offset(self, vma: Vma) -> Span | None:
        """The pages that the file offset stands for; a private mapping of a driver's RAM has that RAM's."""
        if vma.file is None or vma.file.kind == "anon":
            return None
        span = self.places.offset_span(vma.file.kind, vma.pgoff, vma.pgoff + vma.nr)
        return RAM if vma.file.kind == "driver" and span.name == PHYSICAL else span

    def _vma_names(self, tasks: list[Task]) -> dict[Vma, tuple[str, Span]]:
        """Every VMA in the program's areas, by task and area."""
        spans = (
            (process, vma, self.places.area_span(vma.start, vma.end))
            for process in tasks
            for vma in process.mm
        )
        return {vma: (process.comm, span) for process, vma, span in spans if span is not None}

    def _tracked(self, tasks: list[Task]) -> Iterator[str]:
        names = self._vma_names(tasks)
        for reservation in self.kernel.tracker.tracked(list(names)):
            users = tuple(names[vma] for vma in reservation.vmas)
            if reservation.pfns is None:
                yield str(TrackedRange(VM_PAT, None, users))
            else:
                span = self.places.device_span(*reservation.pfns)
                # RAM that a driver maps lies elsewhere on every machine.
                place = span.name if span.name == PHYSICAL else span
                yield str(TrackedRange(place, reservation.refs, users))

    def _prots(self, tasks: list[Task]) -> Iterator[str]:
        pat = self.kernel.platform.pat
        for vma, name in self._vma_names(tasks).items():
            yield f"{vma_name(*name)} {pat.pgprot2cachemode(vma.page_prot).short.upper()}"

    def _ptes(self, task: Task) -> Iterator[PteSeen]:
        for base, pages in self.places.areas.values():
            tables = task.mm.tables
            for run in tables.runs(base, base + pages):
                yield self._entry(task, run)
            for start, end, level in tables.missing(base, base + pages):
                yield self._pte(task, start, end, None, entry_text(0, level))

    def _entry(self, task: Task, run: EntryRun) -> PteSeen:
        raw = run.bits if run.level == 1 else pgprot_4k_2_large(run.bits) | PAGE_PSE
        return self._pte(task, run.start, run.end, self._target(run), entry_text(raw, run.level))

    def _pte(self, task: Task, start: int, end: int, target: Span | None, entry: str) -> PteSeen:
        span = self.places.area_span(start, end)
        assert span is not None
        return PteSeen(task.comm, span, target, entry)

    def _target(self, run: EntryRun) -> Span:
        if run.page is not None or run.pfn == ZERO_PFN:
            return RAM
        if self.places.device_at(run.pfn) is None and self.kernel.platform.phys.page_is_ram(run.pfn):
            return RAM
        return self.places.device_span(run.pfn, run.pfn + run.end - run.start)
