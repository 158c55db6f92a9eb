"""What tasks and areas are called in a canonical state."""

from __future__ import annotations

from typing import Any

from pfnlab.hw.bits import PAGE_ACCESSED
from pfnlab.mm.kernel import Kernel, Task
from pfnlab.programs.lang.ops import AREA_ALIGN_PAGES, FIRST_AREA_PAGE, MAIN_TASK

#: Areas begin that far apart: a small one is followed by as much that is free.
AREA_STRIDE = 2 * AREA_ALIGN_PAGES

#: Bits of an entry that decide what can happen: that somebody looked at a page decides nothing here.
KEPT_BITS = ~PAGE_ACCESSED


class Naming:
    """How tasks and areas are called in a canonical state: tasks sorted, areas by their order, without gaps.

    Area 0 is the one with the lowest addresses of those in which any task has a mapping. Their order stays,
    because a fork and an exit go through an address space in it.

    :param symmetry: False to call everything what it is called
    :ivar tasks: in the order of their new names
    :ivar areas: the number of each area that is in use, by its new number
    :ivar moved: for the number of an area, by how many pages it moves down
    """

    def __init__(self, kernel: Kernel, *, symmetry: bool = True) -> None:
        self.tasks = list(kernel.tasks.values())
        used = {(vma.start - FIRST_AREA_PAGE) // AREA_STRIDE for task in self.tasks for vma in task.mm.vmas}
        self.areas = sorted(used)
        self.moved: dict[int, int] = {}
        if not symmetry:
            self.areas = list(range(max(used, default=-1) + 1))
            return
        self.moved = {
            area: (area - rank) * AREA_STRIDE for rank, area in enumerate(self.areas) if area != rank
        }
        if len(self.tasks) > 1:
            self.tasks.sort(key=self._shape)

    def _shape(self, task: Task) -> tuple[Any, ...]:
        """A task without the identity of anything, to sort by."""
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
    """What a canonical state calls its tasks, counted from 0; there is always one."""
    return MAIN_TASK if number == 0 else f"p{number}"


def at_page(vpn: int, moved: dict[int, int] | None) -> int:
    """Where a page lies once areas have *moved* down."""
    return vpn - moved.get((vpn - FIRST_AREA_PAGE) // AREA_STRIDE, 0) if moved else vpn
