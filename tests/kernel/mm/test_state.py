"""``state()`` of locks, tables, gathers and the book says everything that can change in them."""

from __future__ import annotations

from typing import Any

from for_each import for_each

from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pgtable import TABLE_PAGES, EntryRun, PageTables
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.hw.spans import SpanSet
from pfnlab.kernel.hw.tlb import Tlb
from pfnlab.kernel.mm.direct_map import DirectMapModes
from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.locks import RwLock, Waiter
from pfnlab.kernel.mm.memtype import MemtypeBook, MemtypeEntry
from pfnlab.kernel.mm.memtype_interval import MemtypeIntervals
from pfnlab.kernel.mm.page_modes import PageModes
from pfnlab.kernel.mm.processors import Processors
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.table_locks import PageTable, TableLocks, TableWaiter
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.mm.vma_locks import VmaLocks
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.kernel.policies.trackers import TRACKERS

RUN = EntryRun(512, 513, 7, 1)
ENTRY = MemtypeEntry(0, 4096, CacheMode.WC)


def page_modes() -> PageModes:
    """One page of RAM that is write-combining."""
    modes = PageModes()
    modes.set(0, 1, CacheMode.WC)
    return modes


def direct_map() -> DirectMapModes:
    """The same page, as the direct map has it."""
    modes = DirectMapModes(Processors())
    modes.load([MemtypeEntry(0, 1, CacheMode.WC)])
    return modes


def space() -> MmStruct:
    """The address space of a task on a kernel just booted."""
    return Kernel(PROFILES["7.2"], qemu_q35(), TRACKERS["track_ctx"]).start_task("demo").mm


def a_vma() -> Vma:
    """A VMA of no file."""
    return Vma(space(), 8, 9, pgoff=0, flags=0, page_prot=0, file=None)


#: By class: other values for the attributes that ``state()`` has to show.
STATE: dict[type, dict[str, Any]] = {
    RwLock: {"_readers": 1, "_queue": [Waiter("t", write=True)], "written": True},
    Tlb: {"_entries": {512: RUN}},
    PageTables: {"_runs": [RUN], "_tables": {level: SpanSet.load([(0, 512)]) for level in TABLE_PAGES}},
    TableLocks: {"_held": {PageTable(0, 1)}, "_queue": [TableWaiter("t", PageTable(0, 1))]},
    VmaLocks: {"_written": {a_vma(): None}, "_readers": {a_vma(): 1}, "_awaited": a_vma()},
    MmuGather: {
        "fullmm": True,
        "vma_pfn": True,
        "_start": 8,
        "_end": 9,
        "_tables": 1,
        "_waiting": [(0, 512)],
    },
    MemtypeBook: {
        "_entries": MemtypeIntervals([ENTRY]),
        "_ram_types": page_modes(),
        "_direct_map": direct_map(),
    },
}

#: By class: attributes that it does not show, and why.
OTHER: dict[type, dict[str, str]] = {
    RwLock: {"_processors": "a way to others", "need": "a constant", "_unlocked": "a way to its owner"},
    TableLocks: {"_processors": "a way to others", "_tables": "they have a state of their own"},
    VmaLocks: {"_processors": "a way to others"},
    Tlb: {
        "flushed": "a counter",
        "_aged": "asked one by one, with seems_unused()",
        "_spared": "asked while a processor is held, where no state is kept",
    },
    PageTables: {"_starts": "follows from the runs"},
    MmuGather: {
        **{"mm": "a way to others", "flushes": "a policy, and the same all along"},
        **{"_unlinks": "follows from the call", "_owned": "tells readers which flushes nothing needed"},
    },
    MemtypeBook: {
        **dict.fromkeys(("platform", "trace", "_processors", "entry_fails"), "ways to others"),
        "report": "a policy, which remembers nothing",
        **dict.fromkeys(("end_match", "mtrr_merged_map", "_reserve_keeps_top", "_overhang"), "constants"),
        **{"lock": "has a state of its own", "warned": "messages given once decide nothing"},
    },
}


def objects() -> dict[type, Any]:
    """One of each."""
    mm = space()
    found = (
        mm.mmap_lock,
        mm.vma_locks,
        mm.table_locks,
        mm.kernel.tasks["demo"].tlb,
        mm.tables,
        MmuGather(mm, "munmap"),
        mm.kernel.book,
    )
    return {type(one): one for one in found}


@for_each(("kind", "name"), [(kind, name) for kind in STATE for name in STATE[kind]])
def test_state_shows(kind: type, name: str) -> None:
    """Each attribute: another value is another state."""
    held = objects()[kind]
    before = held.state()
    setattr(held, name, STATE[kind][name])

    assert before != held.state()


@for_each("kind", STATE, ids=lambda kind: kind.__name__)
def test_no_attribute_is_left_out(kind: type) -> None:
    """A new one has to be shown by ``state()``, or said here with its reason."""
    assert {*STATE[kind], *OTHER[kind]} == set(vars(objects()[kind]))


def test_tables_are_loaded_as_they_were() -> None:
    """What was said of one can be loaded into another."""
    tables, twin = PageTables(), PageTables()
    tables.set(RUN)
    twin.load(*tables.state())

    assert tables.state() == twin.state()
    assert [RUN] == twin.runs(0, 1024)


def test_book_is_loaded_as_it_was() -> None:
    """With the types of RAM and the direct map."""
    book, twin = space().kernel.book, space().kernel.book
    book.load([ENTRY], [MemtypeEntry(1, 2, CacheMode.WC)], [MemtypeEntry(3, 4, CacheMode.WT)])
    twin.load(*book.state())

    assert book.state() == twin.state()
    assert [CacheMode.WT] == [twin.direct_map(3 * 4096)]
