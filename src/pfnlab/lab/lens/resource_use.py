"""Kernel resources in use: counts and lists that a program must leave unchanged.

Resources of live processes, including the guest's agent, are subtracted, because their memory may grow.
Structures that a kernel lacks are skipped, so two snapshots of one kernel always have the same parts.
"""

import struct
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

import msgspec

from pfnlab.base.units import PAGE_SHIFT, PAGE_SIZE, PHYSICAL_MASK, pages_of, phys_to_pfn, than_before
from pfnlab.kernel.hw.bits import PAGE_PRESENT, PAGE_PSE
from pfnlab.kernel.mm.flags import VM_ACCOUNT
from pfnlab.lab.lens.own_types import ioremap_areas, list_at
from pfnlab.lab.lens.plain import Fault
from pfnlab.lab.lens.view import ENTRIES, USER_ENTRIES, KernelView
from pfnlab.programs.runs.memory_faults import (
    areas_left,
    book_left,
    committed_left,
    files_left,
    resources_left,
    tables_left,
    vmas_left,
)

#: Present in kernels that hold on to freed objects for a while (KASAN): no count tells them from used ones.
_QUARANTINE = "kasan_quarantine_put"

#: Symbols to look up, if the kernel has them.
SYMBOLS = (
    *("vm_committed_as", "nr_files", "node_data", "__per_cpu_offset", "nr_cpu_ids", "vm_area_cachep"),
    *("vmap_nodes", "nr_vmap_nodes", "vmap_area_list", "iomem_resource", _QUARANTINE),
)

#: Counted resources, by the property that says they are unchanged, in the words that messages use.
COUNTED = {
    committed_left.name: "committed pages",
    tables_left.name: "page tables",
    files_left.name: "open files",
    vmas_left.name: "VMAs",
}

#: Listed resources, by property, in the words that messages use.
LISTED = {
    book_left.name: "the book has",
    areas_left.name: "vmalloc has",
    resources_left.name: "the resources have",
}

_ULONG_MAX = (1 << 64) - 1
_MAX_CPUS = 64
_MAX_LISTED = 100_000
_SHEAVES, _SLABS = ("full sheaves", _MAX_LISTED), ("partial slabs", _MAX_LISTED)


def counts_vmas(has_symbol: Callable[[str], bool]) -> bool:
    """True if the VMAs in use can be counted in a kernel with these symbols."""
    needed = ("vm_area_cachep", "__per_cpu_offset", "nr_cpu_ids")
    return all(map(has_symbol, needed)) and not has_symbol(_QUARANTINE)


class Thing(NamedTuple):
    """A list entry: a description and, for a reservation, its page frames, end exclusive."""

    says: str
    pfns: tuple[int, int] = (0, 0)


class ResourceUse(msgspec.Struct, frozen=True):
    """The counts in one snapshot, by the names in :data:`COUNTED`, and its lists, by those in :data:`LISTED`.

    :param spaces: the number of address spaces, each of which has page tables not counted for its process
    """

    counts: dict[str, int] = {}
    lists: dict[str, frozenset[Thing]] = {}
    spaces: int = 0


def leftovers(
    before: ResourceUse, after: ResourceUse, is_ours: Callable[[int, int], bool] = lambda first, behind: False
) -> Iterator[Fault]:
    """Resources in use after a program that were not in use before it.

    :param is_ours: returns True for page frames of the program's devices, whose reservations
        other properties check
    """
    for name, words in COUNTED.items():
        if name == tables_left.name and before.spaces != after.spaces:
            continue
        if name in before.counts and name in after.counts:
            more = after.counts[name] - before.counts[name]
            # Other processes' leftovers may disappear meanwhile; committed pages must never decrease.
            if more > 0 or (more and name == committed_left.name):
                yield Fault(name, than_before(more, words))
    for name, words in LISTED.items():
        had, has = before.lists.get(name), after.lists.get(name)
        if had is None or has is None:
            continue
        for thing in sorted(has - had):
            if not is_ours(*thing.pfns):
                yield Fault(name, f"{words} {thing.says}, and had not before")


class _LiveProcesses(NamedTuple):
    # Address spaces of live processes, and the total of their committed pages, page tables and VMAs.
    spaces: int
    committed: int
    tables: int
    vmas: int


class Counts:
    """Counts the resources in use in one kernel; LensError on failure."""

    def __init__(self, view: KernelView) -> None:
        self._view = view
        layouts = view.layouts
        self._mm = layouts.record("struct mm_struct", "mm_mt.ma_root", "map_count", "pgtables_bytes.counter")
        self._vma = layouts.record("struct vm_area_struct", "vm_start", "vm_end", "vm_flags")
        #: By number of address spaces: the tables not counted for any process, and how many of
        #: these are the kernel's.
        self._kernel: dict[int, tuple[int, int]] = {}
        #: The number of address spaces, and those tables, in the previous snapshot.
        self._last: tuple[int, int] | None = None

    def look(self) -> ResourceUse:
        """The resources in use now; LensError if memory is damaged or in the middle of a change."""
        living = self._living()
        counts = {}
        for name, number, own in (
            (committed_left.name, self._counter("vm_committed_as"), living.committed),
            (tables_left.name, self._tables(living), 0),
            (vmas_left.name, self._vmas(), living.vmas),
            (files_left.name, self._counter("nr_files"), 0),
        ):
            if number is not None:
                counts[name] = number - own
        lists = self.claims().lists
        areas = self._areas()
        if areas is not None:
            lists[areas_left.name] = frozenset(map(Thing, areas))
        return ResourceUse(counts, lists, living.spaces)

    def claims(self) -> ResourceUse:
        """Only the lists of claims on physical memory: the book and the resources; errors as in `look`."""
        lists = {book_left.name: frozenset(self._book())}
        resources = self._resources()
        if resources is not None:
            lists[resources_left.name] = frozenset(map(Thing, resources))
        return ResourceUse(lists=lists)

    def _living(self) -> _LiveProcesses:
        committed = tables = vmas = 0
        view = self._view
        spaces = {mm for _, _, mm in view.tasks() if mm}
        for mm in spaces:
            root, map_count, pgtables_bytes = view.members(mm, self._mm)
            vmas += map_count
            tables += pgtables_bytes // PAGE_SIZE
            for at in view.vma_addresses(root, 0, _ULONG_MAX):
                start, end, flags = view.members(at, self._vma)
                committed += (end - start >> PAGE_SHIFT) if flags & VM_ACCOUNT else 0
        return _LiveProcesses(len(spaces), committed, tables, vmas)

    @cached_property
    def _cpus(self) -> tuple[int, ...]:
        view = self._view
        number = view.word(view.symbol("nr_cpu_ids"), 4)
        if not 0 < number <= _MAX_CPUS:
            raise view.error(f"nr_cpu_ids is {number:,}")
        return struct.unpack(f"<{number}Q", view.read(view.symbol("__per_cpu_offset"), 8 * number))

    def _has(self, *symbols: str) -> bool:
        return all(self._view.has_symbol(name) for name in symbols)

    def _counter(self, symbol: str) -> int | None:
        # The value of a percpu_counter, including its per-CPU parts.
        if not self._has(symbol, "__per_cpu_offset", "nr_cpu_ids"):
            return None
        view, at = self._view, self._view.symbol(symbol)
        kind = "struct percpu_counter"
        parts = view.word(at + view.layouts.offset(kind, "counters"))
        count = view.word(at + view.layouts.offset(kind, "count"), signed=True)
        return count + sum(view.word(parts + offset & _ULONG_MAX, 4, signed=True) for offset in self._cpus)

    def _tables(self, living: _LiveProcesses) -> int | None:
        # Page tables left by exited processes: those of the kernel and of live processes are subtracted. An
        # idle processor may keep an exited process's table.
        if not self._has("node_data", "__per_cpu_offset", "nr_cpu_ids") or len(self._cpus) > 1:
            return None
        view, layouts = self._view, self._view.layouts
        item = layouts.enumerators("enum node_stat_item")["NR_PAGETABLE"]
        stat = layouts.offset("struct pglist_data", "vm_stat") + 8 * item
        parts_at = layouts.offset("struct pglist_data", "per_cpu_nodestats")
        diff = layouts.offset("struct per_cpu_nodestat", "vm_node_stat_diff") + item
        number = 0
        for place in range(_MAX_CPUS):
            if not (node := view.word(view.symbol("node_data") + 8 * place)):
                break
            number += view.word(node + stat, signed=True)
            parts = view.word(node + parts_at) + diff
            number += sum(view.word(parts + offset & _ULONG_MAX, 1, signed=True) for offset in self._cpus)
        number -= living.tables
        # Walking the kernel's tables is slow, so the result is reused while the sum is unchanged. If the sum
        # is higher in one snapshot only, a process is just about to free them.
        known, last = self._kernel.get(living.spaces), self._last
        self._last = living.spaces, number
        if known is None or number < known[0] or (number > known[0] and self._last == last):
            known = self._kernel[living.spaces] = number, self._kernel_tables()
        return number - known[1]

    def _kernel_tables(self) -> int:
        visited: set[int] = set()
        stack = [(self._view.kernel_table, self._view.levels)]
        while stack:
            table, level = stack.pop()
            first = USER_ENTRIES if level == self._view.levels else 0
            for entry in self._view.table(table, first, ENTRIES - first):
                frame = entry & PHYSICAL_MASK & -PAGE_SIZE
                if entry & PAGE_PRESENT and not entry & PAGE_PSE and frame not in visited:
                    visited.add(frame)
                    if level > 2:
                        stack.append((frame, level - 1))
        return len(visited)

    def _vmas(self) -> int | None:
        # Used objects in the VMA cache, in kernels that keep free objects in sheaves.
        view, layouts = self._view, self._view.layouts
        if not counts_vmas(view.has_symbol):
            return None
        if not layouts.has("struct slub_percpu_sheaves") or not layouts.has("struct node_barn"):
            return None
        cache = view.word(view.symbol("vm_area_cachep"))
        kind = "struct kmem_cache"
        if not layouts.has(kind, "per_node") or not layouts.has("struct kmem_cache_node", "total_objects"):
            return None
        pair = layouts.offset(kind, "per_node")
        barn_at = layouts.offset("struct kmem_cache_per_node_ptrs", "barn")
        node_at = layouts.offset("struct kmem_cache_per_node_ptrs", "node")
        node, barn = view.word(cache + pair + node_at), view.word(cache + pair + barn_at)
        number = view.word(node + layouts.offset("struct kmem_cache_node", "total_objects.counter"))
        number -= sum(self._free_in(node))
        # The sheaves of each processor, and the full sheaves.
        size = layouts.offset("struct slab_sheaf", "size")
        sheaves = view.word(cache + layouts.offset(kind, "cpu_sheaves"))
        for offset in self._cpus:
            for part in ("main", "spare", "rcu_free"):
                member = layouts.offset("struct slub_percpu_sheaves", part)
                sheaf = view.word(sheaves + offset + member & _ULONG_MAX)
                number -= view.word(sheaf + size, 4) if sheaf else 0
        if barn:
            full = barn + layouts.offset("struct node_barn", "sheaves_full")
            linked = layouts.offset("struct slab_sheaf", "barn_list")
            number -= sum(view.word(sheaf + size, 4) for sheaf in list_at(view, full, linked, *_SHEAVES))
        return number

    def _free_in(self, node: int) -> Iterator[int]:
        # Free objects in each partial slab.
        layouts = self._view.layouts
        linked = layouts.offset("struct slab", "slab_list")
        counters = layouts.offset("struct slab", "counters")
        head = node + layouts.offset("struct kmem_cache_node", "partial")
        for slab in list_at(self._view, head, linked, *_SLABS):
            word = self._view.word(slab + counters, 4)
            yield (word >> 16 & 0x7FFF) - (word & 0xFFFF)

    def _book(self) -> Iterator[Thing]:
        for start, end, mode in self._view.kept_memtypes():
            says = f"{start:#x}-{end - 1:#x} in mode {mode}"
            yield Thing(says, (phys_to_pfn(start), pages_of(end)))

    def _areas(self) -> list[str] | None:
        # Only ioremap areas, because process stacks are cached.
        if not self._has("vmap_nodes", "nr_vmap_nodes") and not self._has("vmap_area_list"):
            return None
        return [
            f"{phys:#x} at {address:#x}, {size >> PAGE_SHIFT:,} pages"
            for address, size, _, phys in ioremap_areas(self._view)
        ]

    def _resources(self) -> list[str] | None:
        if not self._has("iomem_resource"):
            return None
        tree = self._view.resources()
        return [f"{start:#x}-{end:#x} at depth {depth + 1}" for start, end, _, depth in tree]
