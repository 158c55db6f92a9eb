"""The direct map in page tables made by hand: which pages it has how, and entries that reach too far."""

from __future__ import annotations

from typing import Any, cast

from for_each import for_each

from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.bits import PAGE_CACHE_MASK, PAGE_PRESENT, PAGE_PSE, PAGE_PWT
from pfnlab.lab.lens.plain import Extent, Fault
from pfnlab.lab.lens.table_walk import DirectMap, TableWalk
from pfnlab.lab.lens.view import KernelView

#: Where the direct map begins; as in a kernel, a multiple of what one entry of the top level has.
BASE = 0xFFFF_8880_0000_0000
ROOT, L3, L2, L1 = 0x1000, 0x2000, 0x3000, 0x4000


class Tables:
    """Page tables by address and index, and all RAM but what lies behind *end*."""

    def __init__(self, entries: dict[tuple[int, int], int], end: int = 1 << 20) -> None:
        self._entries, self._end = entries, end
        self.levels, self.kernel_table = 4, ROOT

    def symbol(self, name: str) -> int:
        """There is only one."""
        return 0

    def word(self, address: int) -> int:
        """The value of ``page_offset_base``."""
        return BASE

    def holds(self, pfn: int) -> bool:
        """Whether a frame is RAM."""
        return pfn < self._end

    def table(self, table: int, index: int, count: int) -> tuple[int, ...]:
        """Entries of a table."""
        return tuple(self._entries.get((table & ~0xFFF, index + at), 0) for at in range(count))


def direct_map(*, wide: bool, modes: dict[int, int], end: int = 1 << 20) -> DirectMap:
    """The first 2 MiB of RAM by one entry, which is write-combining, or by pages: of each its cache bits."""
    top = BASE >> 39 & 511
    entries = {(ROOT, top): L3 | PAGE_PRESENT, (L3, 0): L2 | PAGE_PRESENT}
    if wide:
        entries[(L2, 0)] = PAGE_PRESENT | PAGE_PSE | PAGE_PWT
    else:
        entries[(L2, 0)] = L1 | PAGE_PRESENT
        entries |= {(L1, pfn): pfn << 12 | bits | PAGE_PRESENT for pfn, bits in modes.items()}
    return DirectMap(cast(KernelView, cast(Any, Tables(entries, end))))


LOW = {"low": PfnRange(0x10, 0x14)}


def test_pages_have_their_modes() -> None:
    """One after the other."""
    modes = {0x10: 0, 0x11: PAGE_PWT, 0x12: PAGE_PWT, 0x13: 0}

    seen, faults = direct_map(wide=False, modes=modes).look(LOW)

    assert (seen, faults) == ({"low": ["wb", "wc", "wc", "wb"]}, [])


def test_a_missing_page_is_absent() -> None:
    """The others are there."""
    seen, _ = direct_map(wide=False, modes={0x10: 0, 0x11: 0, 0x12: 0}).look(LOW)

    assert seen == {"low": ["wb", "wb", "wb", "absent"]}


def test_a_device_that_is_no_ram_is_not_told() -> None:
    """The direct map does not have it, and nobody expects it there."""
    assert direct_map(wide=False, modes={}, end=0x10).look(LOW) == ({}, [])


def test_an_entry_that_reaches_too_far_is_a_fault() -> None:
    """It gives 508 pages of others another mode as well."""
    seen, faults = direct_map(wide=True, modes={}).look(LOW)

    says = "low[0:4] is WC in the direct map by an entry for 512 pages, not only these"
    assert seen == {"low": ["wc"] * 4}
    assert faults == [Fault("direct_map_level", says)]


def test_an_entry_of_the_program_alone_is_none() -> None:
    """All of its 512 pages are the program's."""
    whole = {"low": PfnRange(0, 512)}

    seen, faults = direct_map(wide=True, modes={}).look(whole)

    assert (seen, faults) == ({"low": ["wc"] * 512}, [])


@for_each("wide, found", [(False, {0x11: PAGE_PWT, 0x12: PAGE_PWT}), (True, {})], ids=["pages", "large"])
def test_single_pages_that_are_not_write_back_are_found(wide: bool, found: dict[int, int]) -> None:
    """Where their entries are, and these without the bits of a mode; a larger entry has pages of others."""
    read = direct_map(wide=wide, modes={0x10: 0, 0x11: PAGE_PWT, 0x12: PAGE_PWT, 0x13: 0})

    entries = list(read.other_pages(PfnRange(0x10, 0x14)))

    assert [L1 + 8 * pfn for pfn in found] == [address for address, _ in entries]
    assert all(entry & PAGE_PRESENT and not entry & PAGE_CACHE_MASK for _, entry in entries)


@for_each("level", [1, 3, 5])
def test_missing_entries_are_one_run_of_their_level(level: int) -> None:
    """Nothing is mapped there, so nothing is RAM."""
    walk = TableWalk(cast(KernelView, cast(Any, Tables({}))), "c")

    walk.walk(ROOT, level, "a", 0, 16)

    assert [(Extent("a", 0, 16), 0, level, False)] == [
        (one.pages, one.word, one.level, one.ram) for one in walk.entries
    ]
