"""The kernel's direct map of RAM: the cache mode that pages have there, and the entries that give it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from pfnlab.hw.bits import PAGE_CACHE_MASK, PAGE_PRESENT, PAGE_PSE
from pfnlab.lens.view import ENTRIES, LEVEL_BITS, KernelView
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import MemoryFault, direct_map_lines
from pfnlab.programs.runs.places import Places
from pfnlab.programs.runs.pte_text import cache_mode
from pfnlab.units import PAGE_SHIFT, PfnRange

_ABSENT, _USUAL = "absent", "wb"

# The bits that tell how a single page is mapped.
_OF_A_PAGE = PAGE_PRESENT | PAGE_CACHE_MASK


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

    def look(self, places: Places) -> tuple[list[str], list[MemoryFault]]:
        """
        How the direct map has the RAM of the program's devices and of its driver.

        A dump may hold a device's memory, which the direct map does not have.

        :return: what is not write-back there, in the form of ``Step.direct_map``, and what cannot be right
        """
        lines: list[str] = []
        faults: list[MemoryFault] = []
        for name, pfns in places.memory.items():
            if not self._view.holds(pfns.start):
                continue
            leaves = list(self._leaves(pfns))
            if any(mode != _ABSENT for _, mode in leaves):
                lines += direct_map_lines(
                    name, [mode for leaf, mode in leaves for _ in range(leaf.meet(pfns).nr)]
                )
            faults += _too_wide(name, pfns, leaves)
        return lines, faults

    def _leaves(self, pfns: PfnRange) -> Iterator[tuple[PfnRange, str]]:
        # The entries that have these page frames, with their frames and their cache mode, as ``wb``.
        pfn = pfns.start
        while pfn < pfns.end:
            level, table = self._levels, self._root
            while True:
                index = self._base + pfn >> LEVEL_BITS * (level - 1) & ENTRIES - 1
                last = level == 1
                (entry, *others) = self._view.table(
                    table, index, min(ENTRIES - index, pfns.end - pfn) if last else 1
                )
                if last or entry & PAGE_PSE or not entry & PAGE_PRESENT:
                    break
                level, table = level - 1, entry
            pages = 1 << LEVEL_BITS * (level - 1)
            start = pfn - pfn % pages
            # A larger entry is alone; single pages that are alike are reported together.
            seen = [value & _OF_A_PAGE for value in (entry, *others)] if last else [entry]
            for value, alike in groupby(seen):
                pfn = start + pages * len(list(alike))
                mode = cache_mode(value, level).lower() if value & PAGE_PRESENT else _ABSENT
                yield PfnRange(start, pfn), mode
                start = pfn


def _too_wide(name: str, pfns: PfnRange, leaves: Iterable[tuple[PfnRange, str]]) -> Iterator[MemoryFault]:
    # Entries that give pages of others another mode together with the program's.
    for leaf, mode in leaves:
        shared = leaf.meet(pfns)
        if mode not in (_ABSENT, _USUAL) and shared != leaf:
            pages = Span(name, shared.start - pfns.start, shared.end - pfns.start)
            says = f"{pages} is {mode.upper()} in the direct map by an entry that has {leaf.nr} pages"
            yield MemoryFault("direct_map_level", f"{says}, not only these")
