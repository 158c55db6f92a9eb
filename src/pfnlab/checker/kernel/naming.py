"""The names of tasks and areas in a canonical state."""

from __future__ import annotations

from typing import Any

from pfnlab.hw.bits import PAGE_ACCESSED
from pfnlab.mm.kernel import Kernel, Task
from pfnlab.programs.lang.areas import AREA_ALIGN_PAGES, FIRST_AREA_PAGE
from pfnlab.programs.lang.ops import MAIN_TASK

#: The distance of the beginnings of two areas: a small area is followed by as many free pages.
AREA_STRIDE = 2 * AREA_ALIGN_PAGES

#: Bits of an entry that can change later behaviour. The accessed bit cannot.
KEPT_BITS = ~PAGE_ACCESSED


class Naming:
    """The names of tasks and areas in a canonical state: tasks sorted, areas in their order without gaps.

    Area 0 has the lowest addresses of all areas in which any task has a mapping. The order of areas stays,
    because fork and exit go through an address space in this order.

    :param symmetry: False to leave all names as they are
    :ivar tasks: the tasks in the order of their new names
    :ivar areas: the number of each area that is in use, by its new number
    :ivar moved: by the number of an area, how many pages the area moves down
    """

    def __init__(self, kernel: Kernel, *, symmetry: bool = True) -> None:
        self.tasks = list(kernel.tasks.values())
        areas_used = {area_number(vma.start) for task in self.tasks for vma in task.mm.vmas}
        self.areas = sorted(areas_used)
        self.moved: dict[int, int] = {}
        if not symmetry:
            self.areas = list(range(max(areas_used, default=-1) + 1))
            return
        self.moved = {
            area: (area - rank) * AREA_STRIDE for rank, area in enumerate(self.areas) if area != rank
        }
        if len(self.tasks) > 1:
            self.tasks.sort(key=self._shape)

    def _shape(self, task: Task) -> tuple[Any, ...]:
        """The content of a task without any identity, as a key to sort by."""
        moved = self.moved
        vmas = [
            (at_page(vma.start, moved), vma.nr, vma.pgoff, vma.flags, vma.page_prot) for vma in task.mm.vmas
        ]
        runs = [
            (at_page(run.start, moved), run.end - run.start, run.pfn, run.bits & KEPT_BITS)
            for run in task.mm.tables.entries
        ]
        return tuple(vmas), tuple(runs)


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
