"""Consistency checks on the kernel's own structures for an address space."""

import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from pfnlab.base.units import PAGE_SHIFT, PAGE_SIZE, PHYSICAL_MASK
from pfnlab.kernel.hw.bits import PAGE_PRESENT, PAGE_PSE
from pfnlab.kernel.mm.flags import VM_LOCKED
from pfnlab.lab.lens.plain import Fault
from pfnlab.lab.lens.view import ENTRIES, LEVEL_BITS, USER_ENTRIES, KernelView
from pfnlab.programs.runs.memory_faults import file_maps, mm_counts, tables_counted, tables_owned, vma_order

#: Maximum number of cached tables; a program's processes have a few dozen.
_TABLES_KEPT = 1000

#: Table entries are unpacked in groups of this size.
_GROUP = 32
_GROUP_WORDS = struct.Struct(f"<{_GROUP}Q")
_EMPTY = bytes(_GROUP_WORDS.size)

#: Page tables at this level are not counted.
_UNCOUNTED_LEVEL = 4

_ULONG_MAX = (1 << 64) - 1


class _AddressSpace(NamedTuple):
    # One mm_struct and its VMAs: the address, start, end, flags and file of each.
    task: str
    pgd: int
    map_count: int
    total_vm: int
    locked_vm: int
    pgtables_bytes: int
    vmas: list[tuple[int, int, int, int, int]]


class _Table(NamedTuple):
    # The contents of one page table: index and address of each table below it, and the indices of its leaves.
    data: bytes
    below: list[tuple[int, int]]
    leaves: list[int]


class Structures:
    """Checks address spaces in one kernel; LensError if it cannot."""

    def __init__(self, view: KernelView) -> None:
        self._view = view
        layouts = view.layouts
        self._mm = layouts.record(
            "struct mm_struct",
            *("mm_mt.ma_root", "pgd", "map_count", "total_vm", "locked_vm", "pgtables_bytes.counter"),
        )
        vma = "struct vm_area_struct"
        self._vma = layouts.record(vma, "vm_start", "vm_end", "vm_mm", "vm_flags", "vm_file")
        self._listed = layouts.record(vma, "vm_mm", "shared.rb.rb_left", "shared.rb.rb_right")
        self._vma_rb = layouts.offset(vma, "shared.rb")
        self._f_mapping = layouts.offset("struct file", "f_mapping")
        self._i_mmap = layouts.offset("struct address_space", "i_mmap.rb_root.rb_node")
        self._read: dict[int, _Table] = {}

    def faults(self, mms: Mapping[str, int], low: int, high: int) -> Iterator[Fault]:
        """Inconsistencies in the tasks' address spaces; LensError if memory is damaged.

        :param mms: the ``mm_struct`` of each task
        :param low: the start of the program's areas
        :param high: the end of these areas; only files mapped in between are checked
        """
        recall = self._view.recall.value
        spaces = []
        for task, address in mms.items():
            space = recall(("space", task, address), partial(self._space, task, address))
            spaces.append(space)
            yield from recall(("faults", task, address), partial(self._faults, space), space)
        yield from recall("files", lambda: tuple(self._mapped_files(spaces, low, high)), *spaces)

    def _faults(self, space: _AddressSpace) -> tuple[Fault, ...]:
        return (*self._counts(space), *self._tables(space))

    def _space(self, task: str, address: int) -> _AddressSpace:
        members = self._view.members
        root, *counts = members(address, self._mm)
        vmas = []
        for at in self._view.vma_addresses(root, 0, _ULONG_MAX):
            start, end, mm, flags, file = members(at, self._vma)
            if mm != address:
                raise self._view.error(f"the VMA at {at:#x} is in the tree of another address space")
            vmas.append((at, start, end, flags, file))
        pgd, map_count, total_vm, locked_vm, pgtables_bytes = counts
        return _AddressSpace(task, pgd, map_count, total_vm, locked_vm, pgtables_bytes, vmas)

    def _counts(self, space: _AddressSpace) -> Iterator[Fault]:
        pages = [(end - start >> PAGE_SHIFT, flags) for _, start, end, flags, _ in space.vmas]
        locked = sum(number for number, flags in pages if flags & VM_LOCKED)
        for name, counted, there in (
            ("map_count", space.map_count, len(pages)),
            ("total_vm", space.total_vm, sum(number for number, _ in pages)),
            ("locked_vm", space.locked_vm, locked),
        ):
            if counted != there:
                yield Fault(mm_counts.name, f"{name} of {space.task} is {counted:,}, but there are {there:,}")
        ends = [0]
        for _, start, end, _, _ in space.vmas:
            if start < ends[-1] or start >= end:
                yield Fault(vma_order.name, f"VMAs of {space.task} overlap or are empty at {start:#x}")
            ends.append(end)

    def _tables(self, space: _AddressSpace) -> Iterator[Fault]:
        # Page tables below the top level: each must map a range that contains a VMA, and must be counted.
        starts = [vma[1] for vma in space.vmas]
        found: list[tuple[int, int]] = []
        leaves: list[int] = []
        self._descend(self._view.physical(space.pgd), self._view.levels, 0, found, leaves, set())
        for level, at in found:
            size = PAGE_SIZE << LEVEL_BITS * level
            # The last VMA that begins before the end of the range must extend into it.
            place = bisect_right(starts, at + size - 1) - 1
            if place < 0 or space.vmas[place][2] <= at:
                yield Fault(tables_owned.name, f"a page table of {space.task} maps no VMA (level {level})")
        counted = space.pgtables_bytes // PAGE_SIZE
        # The kernel does not count level 4 tables (mm_inc_nr_puds is its highest counter).
        there = sum(level < _UNCOUNTED_LEVEL for level, _ in found)
        # An anonymous huge page has a spare table, for a later split.
        anonymous = (space.vmas[bisect_right(starts, at) - 1] for at in leaves)
        there += sum(not file for *_, file in anonymous)
        if counted != there:
            yield Fault(
                tables_counted.name, f"{space.task} counts {counted:,} page tables, but has {there:,}"
            )

    def _descend(
        self,
        table: int,
        level: int,
        base: int,
        found: list[tuple[int, int]],
        leaves: list[int],
        visited: set[int],
    ) -> None:
        # Collects the levels and first addresses of the tables below one, and the addresses of 2 MiB leaves;
        # tables at the lowest level have neither.
        size = PAGE_SIZE << LEVEL_BITS * (level - 1)
        here = self._table(table, USER_ENTRIES if level == self._view.levels else ENTRIES)
        if level == 2:
            leaves += (base + number * size for number in here.leaves)
        for number, frame in here.below:
            at = base + number * size
            found.append((level - 1, at))
            # Reaching a table twice means there is a loop, and makes the count exceed the kernel's.
            if level > 2 and frame not in visited:
                visited.add(frame)
                self._descend(frame, level - 1, at, found, leaves, visited)

    def _table(self, table: int, entries: int) -> _Table:
        data = self._view.read_physical(table, 8 * entries)
        kept = self._read.get(table)
        if kept is not None and kept.data == data:
            return kept
        if len(self._read) > _TABLES_KEPT:
            self._read.clear()
        # Most groups of entries are empty.
        present = [
            (number, entry)
            for group in range(0, entries, _GROUP)
            if (part := data[8 * group : 8 * (group + _GROUP)]) != _EMPTY
            for number, entry in enumerate(_GROUP_WORDS.unpack(part), group)
            if entry & PAGE_PRESENT
        ]
        below = [
            (number, entry & PHYSICAL_MASK & -PAGE_SIZE) for number, entry in present if not entry & PAGE_PSE
        ]
        kept = _Table(data, below, [number for number, entry in present if entry & PAGE_PSE])
        self._read[table] = kept
        return kept

    def _mapped_files(self, spaces: Sequence[_AddressSpace], low: int, high: int) -> Iterator[Fault]:
        # A file must list every VMA that maps it, and no VMA that has been freed.
        users: dict[int, dict[int, int]] = {}
        known = {vma[0] for space in spaces for vma in space.vmas}
        for space in spaces:
            for at, start, end, _, file in space.vmas:
                if not file or end <= low or start >= high:
                    continue
                mapping = self._view.word(file + self._f_mapping)
                if mapping not in users:
                    users[mapping] = self._members(mapping)
                if at not in users[mapping]:
                    yield Fault(file_maps.name, f"a file that {space.task} maps does not list its VMA")
        for at, mm in {vma for members in users.values() for vma in members.items()}:
            if at not in known and not self._view.lives(mm):
                yield Fault(file_maps.name, "a file lists a VMA of an address space that is gone")

    def _members(self, mapping: int) -> dict[int, int]:
        # The VMAs that a file lists, each with its address space.
        root = self._view.word(mapping + self._i_mmap)
        listed = self._view.rb_tree(root, self._listed, self._vma_rb, "file's VMA")
        return {vma[0]: vma[1] for vma in listed}
