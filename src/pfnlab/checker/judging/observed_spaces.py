"""An observed step: the locations of its devices, and its VMAs and entries by location."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Generic, NamedTuple, Protocol, TypeVar

from msgspec.structs import replace

from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.configuration import DISTRIBUTION, Configuration
from pfnlab.kernel.policies.boot import configured_platform
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.model.model_machine import place
from pfnlab.programs.runs.changed_part import ChangedPart, changed_part
from pfnlab.programs.runs.observation import REGION, PteSeen, Step, VmaSeen
from pfnlab.programs.runs.pte_text import RAM
from pfnlab.programs.runs.texts import TableEntry


class SpaceObject(Protocol):
    """An object in a task's address space: a VMA or a run of page-table entries."""

    @property
    def task(self) -> str:
        """The task whose address space contains it."""

    @property
    def span(self) -> Span:
        """Its pages."""


T = TypeVar("T", bound=SpaceObject)

#: The number of a task's area, and the pages of an object in it.
_Place = tuple[int, int, int]


class _Area(NamedTuple):
    """The objects in one of a task's areas, by first page.

    :param indices: the index of each among all objects
    :param starts: the first page of each
    :param ends: the page after the last page of each
    :param furthest: the largest end among all objects up to and including each
    """

    indices: list[int]
    starts: list[int]
    ends: list[int]
    furthest: list[int]

    def indices_of(self, span: Span) -> list[int]:
        """The ascending indices of objects that include a page of *span*."""
        first = bisect_right(self.furthest, span.start)
        behind = bisect_left(self.starts, span.end)
        return sorted(self.indices[at] for at in range(first, behind) if self.ends[at] > span.start)


class PlaceIndex(Generic[T]):
    """Objects in address spaces, indexed by their pages; they may overlap.

    The objects in one area are usually listed together, in ascending order and without overlap. Their
    locations then form one ascending list, which changes little from step to step.
    """

    def __init__(self, things: Iterable[T] = ()) -> None:
        self.things: Sequence[T] = ()
        self._set(tuple(things))

    def _set(self, things: Sequence[T]) -> None:
        self.things = things
        #: Areas by task and name, numbered in order of appearance.
        self._numbers: dict[tuple[str, str], int] = {}
        self._places = [self._place(thing) for thing in things]
        self._areas = None if _ascending(self._places) else _areas(self._places)

    def _place(self, thing: T) -> _Place:
        span = thing.span
        number = self._numbers.setdefault((thing.task, span.name), len(self._numbers))
        return number, span.start, span.end

    def replace(self, things: Sequence[T]) -> ChangedPart:
        """Replace the objects with *things*; return the part that changed."""
        part = changed_part(self.things, things)
        if self._areas is not None:
            self._set(things)
            return part
        new = [self._place(thing) for thing in things[part.start : part.end]]
        self._places[part.start : part.end_before] = new
        self.things = things
        if not _ascending(self._places[max(part.start - 1, 0) : part.end + 1]):
            self._set(things)
        return part

    def indices(self, task: str, span: Span) -> Sequence[int]:
        """The ascending indices of objects in the address space of *task* that include a page of *span*."""
        number = self._numbers.get((task, span.name))
        if number is None:
            return ()
        if self._areas is not None:
            return self._areas[number].indices_of(span)
        first = bisect_right(self._places, (number, span.start))
        if first and self._places[first - 1][0] == number and self._places[first - 1][2] > span.start:
            first -= 1
        return range(first, bisect_left(self._places, (number, span.end)))

    def overlapping(self, task: str, span: Span) -> Sequence[T]:
        """The objects in the address space of *task* that include a page of *span*, in the given order."""
        return [self.things[index] for index in self.indices(task, span)]

    def at(self, task: str, area: str, page: int) -> T | None:
        """The first object in the address space of *task* that includes that page; None if there is none."""
        return next(iter(self.overlapping(task, Span(area, page, page + 1))), None)

    def pieces(self, task: str, span: Span) -> Iterator[tuple[Span, T | None]]:
        """The pieces of *span*, each with the object that includes it; None where there is none."""
        at = span.start
        for thing in self.overlapping(task, span):
            start, end = max(thing.span.start, span.start), min(thing.span.end, span.end)
            if at < start:
                yield Span(span.name, at, start), None
            yield Span(span.name, start, end), thing
            at = max(at, end)
        if at < span.end:
            yield Span(span.name, at, span.end), None


def _ascending(places: Sequence[_Place]) -> bool:
    """True if each comes after the one before it: in the same area, or in an area with a higher number."""
    return all(start < end for _, start, end in places) and all(
        end <= start if number == next_number else number < next_number
        for (number, _, end), (next_number, start, _) in pairwise(places)
    )


def _areas(places: Sequence[_Place]) -> dict[int, _Area]:
    """The objects in each area, by area number, for objects not in ascending order."""
    found: dict[int, list[tuple[int, int, int]]] = {}
    for index, (number, start, end) in enumerate(places):
        found.setdefault(number, []).append((start, end, index))
    areas = {}
    for number, placed in found.items():
        placed.sort(key=lambda one: one[0])
        starts, ends, indices = (list(column) for column in zip(*placed, strict=True))
        areas[number] = _Area(indices, starts, ends, list(accumulate(ends, max)))
    return areas


class Layout:
    """The location of each device in a program, as frame numbers.

    The frame numbers are taken from the modelled machine. A run names device pages, so it is the same on all
    machines.
    """

    def __init__(self, program: Program, configuration: Configuration = DISTRIBUTION) -> None:
        platform, self.devices, _ = place(program)
        self.platform = configured_platform(platform, configuration)
        uses = program.needs.vfio
        names = [device.name for device in program.devices if device.kind == "pci"]
        #: The device assigned to vfio-pci, if the program uses it.
        self.vfio = names[0] if uses else None

    def frames(self, span: Span) -> PfnRange | None:
        """The frames behind device pages, or None for pages outside devices."""
        name = self.vfio if span.name == REGION else span.name
        base = self.devices.get(name or "")
        return PfnRange(base.start + span.start, base.start + span.end) if base is not None else None


class SeenEntry(NamedTuple):
    """The part of a page-table entry run that lies in one VMA.

    :param first: its offset from the start of the VMA, in pages
    :param target: the device pages it maps, or None
    """

    first: int
    span: Span
    target: Span | None
    entry: TableEntry


def target_at(run: PteSeen, page: int) -> tuple[str, int] | None:
    """The device page that a run of entries shows at a page of its area; ``("ram", 0)`` for all RAM."""
    target = run.target
    if target is None or target == RAM:
        return None if target is None else (RAM.name, 0)
    return target.name, target.start + page - run.start


def device_page_at(run: PteSeen, page: int) -> tuple[str, int] | None:
    """The same, and None for RAM."""
    return None if run.target == RAM else target_at(run, page)


def entries_in(vma: VmaSeen, ptes: PlaceIndex[PteSeen]) -> list[SeenEntry]:
    """The parts of entry runs that lie in a VMA."""
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
    """The VMAs and entries that changed since the previous observed step.

    :param vmas: the part of the VMAs that differs
    :param touched_vmas: the indices, ascending, of the VMAs that changed or contain changed entries
    :param touched_ptes: the same for entries, including all entries in VMAs that changed
    """

    vmas: ChangedPart
    touched_vmas: list[int]
    touched_ptes: list[int]


class SeenSpaces:
    """The VMAs and entries at the last observed step, by location."""

    def __init__(self) -> None:
        self.vmas: PlaceIndex[VmaSeen] = PlaceIndex()
        self.ptes: PlaceIndex[PteSeen] = PlaceIndex()

    def look(self, step: Step) -> SeenChanges:
        """Observe *step*, which must have VMAs and entries."""
        had_vmas, had_ptes = self.vmas.things, self.ptes.things
        vmas, ptes = self.vmas.replace(step.vmas or ()), self.ptes.replace(step.ptes or ())
        changed_vmas = [*had_vmas[vmas.start : vmas.end_before], *self.vmas.things[vmas.start : vmas.end]]
        changed_ptes = [*had_ptes[ptes.start : ptes.end_before], *self.ptes.things[ptes.start : ptes.end]]
        return SeenChanges(
            vmas, _touched(self.vmas, vmas, changed_ptes), _touched(self.ptes, ptes, changed_vmas)
        )


def _touched(by_place: PlaceIndex[T], part: ChangedPart, others: Iterable[VmaSeen | PteSeen]) -> list[int]:
    """The indices of objects that are in *part* or overlap one of *others*."""
    found = set(range(part.start, part.end))
    for other in others:
        found.update(by_place.indices(other.task, other.span))
    return sorted(found)
