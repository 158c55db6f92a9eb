"""Names of tasks and areas in a canonical state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from itertools import permutations, product
from typing import NamedTuple

from pfnlab.kernel.hw.bits import PAGE_ACCESSED, PAGE_SOFT_DIRTY
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.hw.tlb import Tlb
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.programs.lang.areas import AREA_ALIGN_PAGES, FIRST_AREA_PAGE
from pfnlab.programs.lang.ops import MAIN_TASK

#: The distance between the starts of two areas: a small area is followed by at least its own size in free
#: pages.
AREA_STRIDE = 2 * AREA_ALIGN_PAGES

#: The position of an area's first page in its stride.
_FIRST_OFFSET = FIRST_AREA_PAGE % AREA_STRIDE

#: Entry bits that can change later behaviour. Accessed and soft-dirty bits cannot (docs/states.md).
KEPT_BITS = ~(PAGE_ACCESSED | PAGE_SOFT_DIRTY)


#: A run of equal entries as numbers: first page, page after the last, frame, bits, page number or -1, level.
EntryRow = tuple[int, int, int, int, int, int]


#: The VMAs, entries and translations of an area, with pages counted from its start; used as a sort key.
AreaShape = tuple[tuple[tuple[int, ...], ...], tuple[EntryRow, ...], tuple[EntryRow, ...]]


class Omissions(NamedTuple):
    """The parts that a state omits because no later step can show them (docs/states.md).

    :param orders: the order of reservations at the same address, and the points where runs of equal entries
        are split
    :param zaps: the order of the reverse map, in which VMAs are zapped
    :param starts: the pages in an area before the first one in use
    :param addresses: the order of the areas of an address space
    :param empty_tables: page tables without an entry
    """

    names: bool = True
    orders: bool = True
    zaps: bool = False
    starts: bool = False
    addresses: bool = False
    empty_tables: bool = False


#: The parts that every canonical state omits.
_NAMES = Omissions()


class AreaNames:
    """Names for the areas in one address space: the areas, numbered without gaps.

    Areas are sorted by address if fork or exit, which walk an address space in address order, may show that
    order; otherwise by content. Addresses in different address spaces are never compared.

    :param tlbs: the translations that processors have cached from this address space
    :param omissions: the parts to omit; only ``starts``, ``addresses`` and ``orders`` apply to areas
    :ivar areas: the old number of each area in use, by new number
    :ivar unused: the number of pages before the first one in use, by an area's new number; 0 if areas do not
        slide
    :ivar moved: the number of pages by which each area moves down, by its old number
    :ivar tables_moved: the same for the area's page tables, which do not slide
    :ivar shapes: the shapes of the areas by new number, if requested
    """

    __slots__ = ("_sorted", "areas", "moved", "shapes", "tables_moved", "unused")

    def __init__(self, mm: MmStruct, tlbs: Sequence[Tlb], omissions: Omissions, *, shaped: bool) -> None:
        first_pages: dict[int, int] = {}
        for vma in mm.vmas:
            first_pages.setdefault(area_number(vma.start), vma.start)
        unused = dict.fromkeys(first_pages, 0)
        if omissions.starts and any(page % AREA_STRIDE != _FIRST_OFFSET for page in first_pages.values()):
            unused = _unused(first_pages, tlbs)
        areas = list(first_pages)
        self.shapes: list[AreaShape] = []
        self._sorted = omissions.addresses and len(areas) > 1
        if self._sorted or shaped:
            shapes = _shapes(mm, tlbs, unused, join=omissions.orders)
            if self._sorted:
                areas.sort(key=shapes.__getitem__)
            self.shapes = [shapes[area] for area in areas]
        self._number(areas, unused)

    def _number(self, areas: list[int], unused: dict[int, int]) -> None:
        """Number the areas in this order."""
        self.areas = areas
        self.unused = [unused[area] for area in areas]
        self.moved = self.tables_moved = {
            area: (area - rank) * AREA_STRIDE for rank, area in enumerate(areas) if area != rank
        }
        if any(self.unused):
            self.moved = dict(self.tables_moved)
            for area, pages in unused.items():
                if pages:
                    self.moved[area] = self.moved.get(area, 0) + pages

    def orders(self) -> Iterator[AreaNames]:
        """These names, and every variant that orders areas of equal shape differently."""
        if not self._sorted:
            yield self
            return
        unused = dict(zip(self.areas, self.unused, strict=True))
        shape = dict(zip(self.areas, self.shapes, strict=True))
        for areas in permutations(self.areas):
            if [shape[area] for area in areas] == self.shapes:
                names = copy(self)
                names._number(list(areas), unused)
                yield names


def _unused(first_pages: dict[int, int], tlbs: Sequence[Tlb]) -> dict[int, int]:
    """For each area number, the number of pages before the first one mapped or cached by a processor."""
    for tlb in tlbs:
        for run in tlb.state():
            area = area_number(run.start)
            if area in first_pages:
                first_pages[area] = min(first_pages[area], run.start)
    return {area: page - area_base(area) for area, page in first_pages.items()}


def _shapes(mm: MmStruct, tlbs: Sequence[Tlb], unused: dict[int, int], *, join: bool) -> dict[int, AreaShape]:
    """The shape of each area in *mm*, by area number."""
    vmas: dict[int, list[tuple[int, ...]]] = {area: [] for area in unused}
    runs: dict[int, list[EntryRow]] = {area: [] for area in unused}
    translations: dict[int, list[EntryRow]] = {area: [] for area in unused}
    begins = {area: area_base(area) + pages for area, pages in unused.items()}
    for vma in mm.vmas:
        area = area_number(vma.start)
        vmas[area].append(
            (vma.start - begins[area], vma.nr, vma.pgoff, vma.flags, vma.page_prot, vma.pfnmap is None)
        )
    for run in mm.tables.entries:
        area = area_number(run.start)
        runs[area].append(_unnamed(run, begins[area]))
    for tlb in tlbs:
        for run in tlb.state():
            area = area_number(run.start)
            if area in begins:
                translations[area].append(_unnamed(run, begins[area]))
    return {
        area: (
            tuple(vmas[area]),
            tuple(joined(runs[area]) if join else runs[area]),
            tuple(sorted(translations[area])),
        )
        for area in unused
    }


def _unnamed(run: EntryRun, begin: int) -> EntryRow:
    """Entries, with pages counted from *begin*."""
    start, end, pfn, bits, page, level = run
    return start - begin, end - begin, pfn, bits & KEPT_BITS, -1 if page is None else 0, level


class Naming:
    """Names for tasks and areas in a canonical state: tasks are sorted, areas are named as in
    :class:`AreaNames`.

    :ivar tasks: the tasks in the order of the new names
    """

    def __init__(self, kernel: Kernel, omissions: Omissions = _NAMES) -> None:
        self.omissions = omissions
        self.tasks = list(kernel.tasks.values())
        self._names: dict[int, AreaNames] = {}
        if not omissions.names:
            return
        shaped = len(self.tasks) > 1
        for mm in {id(task.mm): task.mm for task in self.tasks}.values():
            tlbs = [task.tlb for task in self.tasks if task.mm is mm]
            self._names[id(mm)] = AreaNames(mm, tlbs, omissions, shaped=shaped)
        if shaped:
            self.tasks.sort(key=lambda task: self._names[id(task.mm)].shapes)

    def of(self, mm: MmStruct) -> AreaNames | None:
        """The names of the areas in *mm*; None if areas keep their names."""
        return self._names.get(id(mm))

    def others(self) -> Iterator[Naming]:
        """This naming, and every variant that orders tasks or areas of equal shape differently."""
        spaces = list(self._names)
        orders = [list(areas.orders()) for areas in self._names.values()]
        shapes = [self._shapes_of(task) for task in self.tasks]
        for tasks in permutations(self.tasks):
            if [self._shapes_of(task) for task in tasks] == shapes:
                for names in product(*orders):
                    naming = copy(self)
                    naming.tasks, naming._names = list(tasks), dict(zip(spaces, names, strict=True))
                    yield naming

    def _shapes_of(self, task: Task) -> list[AreaShape] | int:
        """The shapes that tasks are sorted by; if tasks keep their names, the task's number."""
        names = self.of(task.mm)
        return id(task) if names is None else names.shapes


def joined(runs: list[EntryRow]) -> list[EntryRow]:
    """Merge entries into as few runs as possible: some differed only in an accessed bit, which is now
    omitted.
    """
    long_runs: list[EntryRow] = []
    for run in runs:
        if long_runs:
            start, end, pfn, *kind = long_runs[-1]
            if run[0] == end and run[2] == pfn + end - start and [*run[3:]] == kind and run[4] < 0:
                long_runs[-1] = (start, run[1], *long_runs[-1][2:])
                continue
        long_runs.append(run)
    return long_runs


def task_name(number: int) -> str:
    """The name of task *number* in a canonical state, counted from 0; there is always a task 0."""
    return MAIN_TASK if number == 0 else f"p{number}"


def area_base(number: int) -> int:
    """The page where area *number* begins, if no area is larger than 1 GiB."""
    return FIRST_AREA_PAGE + number * AREA_STRIDE


def area_number(vpn: int) -> int:
    """The area that contains a page."""
    return (vpn - FIRST_AREA_PAGE) // AREA_STRIDE


def at_page(vpn: int, moved: dict[int, int] | None) -> int:
    """The number of a page after areas have moved down by *moved*."""
    return vpn - moved.get(area_number(vpn), 0) if moved else vpn
