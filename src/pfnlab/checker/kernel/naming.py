"""The names of tasks and areas in a canonical state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pfnlab.hw.bits import PAGE_ACCESSED
from pfnlab.hw.tlb import Tlb
from pfnlab.mm.kernel import Kernel, Task
from pfnlab.mm.space import MmStruct
from pfnlab.programs.lang.areas import AREA_ALIGN_PAGES, FIRST_AREA_PAGE
from pfnlab.programs.lang.ops import MAIN_TASK

#: The distance of the beginnings of two areas: a small area is followed by as many free pages.
AREA_STRIDE = 2 * AREA_ALIGN_PAGES

#: The place of an area's first page in its stride.
_FIRST_OFFSET = FIRST_AREA_PAGE % AREA_STRIDE

#: Bits of an entry that can change later behaviour. The accessed bit cannot.
KEPT_BITS = ~PAGE_ACCESSED


#: Equal entries as numbers: first page, page behind the last, frame, bits, number of the page or -1, level.
EntryRow = tuple[int, int, int, int, int, int]


class AreaNames:
    """The names of the areas of one address space: its areas in their order without gaps.

    Area 0 has its lowest addresses. The order of areas stays, because fork and exit go through an address
    space in this order. Nothing compares the addresses of two address spaces.

    :param mm: the address space
    :param tlbs: the translations that processors remember of it
    :param sliding: whether an area begins with its first page in use; its place within the span of a page
        table decides nothing where no leaf can be
    :ivar areas: the number of each area that is in use, by its new number
    :ivar unused: by the new number of an area, its pages before the first one in use; 0 where nothing slides
    :ivar moved: by the number of an area, how many pages the area moves down
    :ivar tables_moved: the same for its page tables, which do not slide
    """

    __slots__ = ("areas", "moved", "tables_moved", "unused")

    def __init__(self, mm: MmStruct, tlbs: Sequence[Tlb], *, sliding: bool) -> None:
        first_pages: dict[int, int] = {}
        for vma in mm.vmas:
            first_pages.setdefault(area_number(vma.start), vma.start)
        self.areas = list(first_pages)
        self.unused = [0] * len(first_pages)
        self.moved = self.tables_moved = {
            area: (area - rank) * AREA_STRIDE for rank, area in enumerate(first_pages) if area != rank
        }
        if sliding and any(page % AREA_STRIDE != _FIRST_OFFSET for page in first_pages.values()):
            self._slide(first_pages, tlbs)

    def _slide(self, first_pages: dict[int, int], tlbs: Sequence[Tlb]) -> None:
        """Let each area begin with its first page that is mapped, or that a processor remembers."""
        for tlb in tlbs:
            for run in tlb.state():
                area = area_number(run.start)
                if area in first_pages:
                    first_pages[area] = min(first_pages[area], run.start)
        self.moved = dict(self.tables_moved)
        for rank, area in enumerate(self.areas):
            unused = self.unused[rank] = first_pages[area] - area_base(area)
            if unused:
                self.moved[area] = self.moved.get(area, 0) + unused


class Naming:
    """The names of tasks and areas in a canonical state: tasks sorted, areas as :class:`AreaNames` has them.

    :param symmetry: False to leave all names as they are
    :param sliding: as in :class:`AreaNames`
    :ivar tasks: the tasks in the order of their new names
    :ivar apart: whether states that differ only in what decides nothing stay apart: in the order of the
        reverse map and of the book, and in where a run of equal entries is cut
    """

    def __init__(
        self, kernel: Kernel, *, symmetry: bool = True, sliding: bool = False, apart: bool = False
    ) -> None:
        self.apart = apart
        self.tasks = list(kernel.tasks.values())
        self._names: dict[int, AreaNames] = {}
        if not symmetry:
            return
        mms = {id(task.mm): task.mm for task in self.tasks}
        self._names = {
            number: AreaNames(mm, [task.tlb for task in self.tasks if task.mm is mm], sliding=sliding)
            for number, mm in mms.items()
        }
        if len(self.tasks) > 1:
            self.tasks.sort(key=self._shape)

    def of(self, mm: MmStruct) -> AreaNames | None:
        """The names of the areas of *mm*; None where they keep theirs."""
        return self._names.get(id(mm))

    def _shape(self, task: Task) -> tuple[Any, ...]:
        """The content of a task without any identity, as a key to sort by."""
        moved = self._names[id(task.mm)].moved
        vmas = [
            (at_page(vma.start, moved), vma.nr, vma.pgoff, vma.flags, vma.page_prot) for vma in task.mm.vmas
        ]
        runs = [
            (
                *(at_page(run.start, moved), at_page(run.end - 1, moved) + 1, run.pfn),
                *(run.bits & KEPT_BITS, -1 if run.page is None else 0, run.level),
            )
            for run in task.mm.tables.entries
        ]
        return tuple(vmas), tuple(runs if self.apart else joined(runs))


def joined(runs: list[EntryRow]) -> list[EntryRow]:
    """Runs of entries as few as there can be: an accessed bit had cut some that are equal without it."""
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
    """The name of a task in a canonical state, counted from 0; there is always a task 0."""
    return MAIN_TASK if number == 0 else f"p{number}"


def area_base(number: int) -> int:
    """The page at which area *number* begins, where no area is larger than 1 GiB."""
    return FIRST_AREA_PAGE + number * AREA_STRIDE


def area_number(vpn: int) -> int:
    """The area a page is in."""
    return (vpn - FIRST_AREA_PAGE) // AREA_STRIDE


def at_page(vpn: int, moved: dict[int, int] | None) -> int:
    """The number of a page after areas have *moved* down."""
    return vpn - moved.get(area_number(vpn), 0) if moved else vpn
