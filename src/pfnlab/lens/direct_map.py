"""The kernel's direct map of RAM: the cache mode that pages of RAM have there."""

from __future__ import annotations

from collections.abc import Iterator

from pfnlab.hw.bits import PAGE_PRESENT, PAGE_PSE
from pfnlab.lens.view import ENTRIES, LEVEL_BITS, KernelView
from pfnlab.programs.runs.observation import direct_map_lines
from pfnlab.programs.runs.places import Places
from pfnlab.programs.runs.pte_text import cache_mode
from pfnlab.units import PAGE_SHIFT

_ABSENT = "absent"


class DirectMap:
    """
    Reads the direct map's own page tables.

    :param view: the kernel's memory
    :param levels: of its page tables
    :raises LensError: nobody knows where they are
    """

    def __init__(self, view: KernelView, levels: int) -> None:
        self._view, self._levels = view, levels
        root = view.info.symbol("swapper_pg_dir")
        if root is None:
            raise view.error("VMCOREINFO does not say where swapper_pg_dir is")
        self._root = view.physical(root)
        self._base = view.word(view.symbol("page_offset_base")) >> PAGE_SHIFT

    def lines(self, places: Places) -> Iterator[str]:
        """The RAM of the program's devices that is not write-back there, in the form of ``Step.direct_map``.

        A dump may hold a device's memory, which the direct map does not have.
        """
        for name, pfns in places.devices.items():
            if not self._view.holds(pfns.start):
                continue
            modes = [self.mode(pfn) for pfn in range(pfns.start, pfns.end)]
            if set(modes) != {_ABSENT}:
                yield from direct_map_lines(name, modes)

    def mode(self, pfn: int) -> str:
        """The cache mode of a page frame, as ``wb``; ``absent`` where the direct map does not have it."""
        level, table = self._levels, self._root
        while True:
            index = self._base + pfn >> LEVEL_BITS * (level - 1) & ENTRIES - 1
            (entry,) = self._view.table(table, index, 1)
            if not entry & PAGE_PRESENT:
                return _ABSENT
            if level == 1 or entry & PAGE_PSE:
                return cache_mode(entry, level).lower()
            level, table = level - 1, entry
