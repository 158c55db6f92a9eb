"""A step as it was observed: where its devices lie, and its VMAs and entries by their places."""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from pfnlab.base.units import PfnRange
from pfnlab.checker.judging.by_place import ByPlace, T
from pfnlab.kernel.mm.configuration import DISTRIBUTION, Configuration
from pfnlab.kernel.policies.boot import configured_platform
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.model.model_machine import place
from pfnlab.programs.runs.changed_part import ChangedPart
from pfnlab.programs.runs.observation import REGION, PteSeen, Step, VmaSeen
from pfnlab.programs.runs.pte_text import RAM
from pfnlab.programs.runs.texts import TableEntry


class Layout:
    """Where the devices of a program lie, as numbers that stand for frames.

    They are those of the modelled machine: a run names device pages, and so is the same on all machines.
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


class SeenEntry(NamedTuple):
    """The part of a run of page-table entries that lies in one VMA.

    :param first: how far it begins behind the begin of the VMA, in pages
    :param target: the device pages it maps, or None
    """

    first: int
    span: Span
    target: Span | None
    entry: TableEntry


def entries_in(vma: VmaSeen, ptes: ByPlace[PteSeen]) -> list[SeenEntry]:
    """The parts of runs of entries that lie in a VMA."""
    entries = []
    for run in ptes.overlapping(vma.task, vma.span):
        start, end = max(run.start, vma.start), min(run.end, vma.end)
        target = run.target
        if target is not None and target != RAM:
            shift = target.start - run.start
            target = replace(target, start=start + shift, end=end + shift)
        entries.append(SeenEntry(start - vma.start, Span(run.area, start, end), target, run.table_entry))
    return entries


class SeenChanges(NamedTuple):
    """The VMAs and entries that are not as they were after the step looked at before.

    :param vmas: the part of the VMAs that differs
    :param touched_vmas: the indices, ascending, of those that differ, and of those with entries that do
    :param touched_ptes: the same of the entries: with those in VMAs that differ
    """

    vmas: ChangedPart
    touched_vmas: list[int]
    touched_ptes: list[int]


class SeenSpaces:
    """The VMAs and entries of the step looked at last, by their places."""

    def __init__(self) -> None:
        self.vmas: ByPlace[VmaSeen] = ByPlace()
        self.ptes: ByPlace[PteSeen] = ByPlace()

    def look(self, step: Step) -> SeenChanges:
        """Look at *step*, which has both."""
        had_vmas, had_ptes = self.vmas.things, self.ptes.things
        vmas, ptes = self.vmas.replace(step.vmas or ()), self.ptes.replace(step.ptes or ())
        changed_vmas = [*had_vmas[vmas.start : vmas.end_before], *self.vmas.things[vmas.start : vmas.end]]
        changed_ptes = [*had_ptes[ptes.start : ptes.end_before], *self.ptes.things[ptes.start : ptes.end]]
        return SeenChanges(
            vmas, _touched(self.vmas, vmas, changed_ptes), _touched(self.ptes, ptes, changed_vmas)
        )


def _touched(by_place: ByPlace[T], part: ChangedPart, others: Iterable[VmaSeen | PteSeen]) -> list[int]:
    """The indices of what lies in a part, or where one of *others* does."""
    found = set(range(part.start, part.end))
    for other in others:
        found.update(by_place.indices(other.task, other.span))
    return sorted(found)
