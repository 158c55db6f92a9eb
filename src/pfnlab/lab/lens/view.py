"""Kernel memory by virtual address, and walks over the kernel's own structures in it.

Every walk terminates: it counts its steps, and visiting a structure twice means there is a loop. Memory may
change while it is read, or may have been crafted to mislead; the worst outcome is a `LensError`.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from drgn import FaultError, Program

from pfnlab.base.units import PAGE_SHIFT, PAGE_SIZE, PHYSICAL_MASK
from pfnlab.kernel.mm.flags import VM_SEALED
from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.layout import Layouts, Record
from pfnlab.lab.lens.memory import MemorySource
from pfnlab.lab.lens.program import KERNEL_MAP, OBJECTS
from pfnlab.lab.lens.recall import Recall

#: Step limits for walks.
MAX_TASKS, MAX_VMAS, MAX_MEMTYPES, MAX_RESOURCES = 100_000, 300_000, 2_000_000, 1_000_000

#: Address bits resolved by one page-table level, entries in a table, and top-level entries for user space.
LEVEL_BITS, ENTRIES, USER_ENTRIES = 9, 512, 256

#: Maximum depth of a kernel tree.
MAX_DEPTH = 128

#: Size of the image mapping in kernels without KASLR, in bytes.
_IMAGE_SIZE = 512 << 20
_KERNEL_HALF = 1 << 63
_NODE_MASK = 0xFF
_NODE_WORDS = struct.Struct("<32Q")
_ULONG_MAX = (1 << 64) - 1

#: VM_SEALED in 6.17 and later; the types name it from 6.19 on.
_SEALED_LATER = 1 << 42


class _Cut(NamedTuple):
    # The requested part of a VMA tree, the addresses found in it, and the nodes visited.
    low: int
    high: int
    addresses: list[int]
    nodes: set[int]


class _Maple(NamedTuple):
    # Maple tree nodes: offsets of pivots and slots in words, how many of each there are, and the node types.
    range: tuple[int, int, int, int]
    arange: tuple[int, int, int, int]
    leaf: int
    range_kind: int
    arange_kind: int


class KernelView:
    """One kernel's memory by virtual address; LensError if it is damaged or not in the source.

    :param program: provides the types, and translates addresses outside the linear mappings
    :param symbols: run-time addresses, at least those of :data:`pfnlab.lab.lens.program.OBJECTS`
    """

    def __init__(self, program: Program, source: MemorySource, symbols: Mapping[str, int]) -> None:
        self.program, self.source, self.info = program, source, source.info
        self.layouts = Layouts(program, self.info.release)
        #: Values derived from its memory; every read below is recorded here.
        self.recall = Recall()
        self._symbols = symbols
        pieces = source.ranges()
        self._starts = [start for start, _ in pieces]
        self._ends = [start + size for start, size in pieces]
        self._image = KERNEL_MAP - self.info.number("phys_base")
        # Modules come after the image, and are mapped page by page.
        self._image_end = KERNEL_MAP + self.info.number("KERNEL_IMAGE_SIZE", _IMAGE_SIZE)
        # The direct map extends to the end of memory.
        self._direct, self._direct_size = 0, 0
        self._direct = self.word(self.symbol("page_offset_base"))
        if not self._direct & _KERNEL_HALF or self._direct % PAGE_SIZE:
            raise self.error(f"page_offset_base is {self._direct:#x}")
        self._direct_size = self._ends[-1]
        self._task = self.layouts.record("struct task_struct", "tasks.next", "tasks.prev", "pid", "mm")
        self._places_of_tasks: dict[int, int] = {}
        self._owners: dict[int, int] = {}
        self._task_tasks = self.layouts.offset("struct task_struct", "tasks")

    @cached_property
    def levels(self) -> int:
        """The number of levels of its page tables."""
        return 5 if self.info.number("pgtable_l5_enabled", 0) else 4

    @cached_property
    def kernel_table(self) -> int:
        """The physical address of the kernel's own page table; LensError if it is unknown."""
        return self.physical(self.info.address("swapper_pg_dir"))

    @cached_property
    def _memtype(self) -> tuple[int, Record, int]:
        # The address of the book's root, the reader for a reservation, and the offset of its node.
        layouts = self.layouts
        record = layouts.record("struct memtype", "start", "end", "type", "rb.rb_left", "rb.rb_right")
        root = layouts.offset("struct rb_root_cached", "rb_root.rb_node")
        return self.symbol("memtype_rbroot") + root, record, layouts.offset("struct memtype", "rb")

    @cached_property
    def _maple(self) -> _Maple:
        kinds = self.layouts.enumerators("enum maple_type")
        return _Maple(
            self._node("mr64"),
            self._node("ma64"),
            *(kinds.get(name, -1) for name in ("maple_leaf_64", "maple_range_64", "maple_arange_64")),
        )

    def check(self) -> None:
        """Check that the book and the VMA trees can be read; LensError if a type or symbol is missing."""
        assert self._memtype and self._maple

    def error(self, message: str) -> LensError:
        """An error that names the kernel and where its memory comes from."""
        return LensError(f"kernel {self.info.release} in {self.source.name}: {message}")

    def symbol(self, name: str) -> int:
        """The address of a symbol; LensError if it is unknown."""
        address = self._symbols.get(name)
        if address is None:
            hint = "" if name in OBJECTS else " and the lens does not look it up"
            raise self.error(f"the address of {name} is not known{hint}")
        return address

    def has_symbol(self, name: str) -> bool:
        """True if the address of a symbol is known."""
        return name in self._symbols

    def read(self, address: int, size: int) -> bytes:
        """Kernel memory at a virtual address; LensError if nothing is mapped there."""
        return self.recall.note(self._read, address, size, self._read(address, size))

    def members(self, address: int, record: Record) -> tuple[int, ...]:
        """Some members of the structure at a virtual address; the bytes between them are ignored."""
        return self.recall.note(self._members, address, record, self._members(address, record))

    def read_physical(self, address: int, size: int) -> bytes:
        """Memory at a physical address."""
        read = self.source.read
        return self.recall.note(read, address, size, read(address, size))

    def _members(self, address: int, record: Record) -> tuple[int, ...]:
        return record.unpack(self._read(address, record.size))

    def _read(self, address: int, size: int) -> bytes:
        offset = address - self._direct
        if 0 <= offset < self._direct_size:
            return self.source.read(offset, size)
        if KERNEL_MAP <= address < self._image_end:
            return self.source.read(address - self._image, size)
        if not address & _KERNEL_HALF:
            raise self.error(f"{address:#x} is not a kernel address")
        try:
            return bytes(self.program.read(address, size))
        except (FaultError, OverflowError, ValueError) as trouble:
            raise self.error(f"{address:#x} cannot be read: {trouble}") from trouble

    def word(self, address: int, size: int = 8, *, signed: bool = False) -> int:
        """*size* bytes as a number."""
        return int.from_bytes(self.read(address, size), "little", signed=signed)

    def holds(self, pfn: int) -> bool:
        """True if a page frame is in the source's memory, i.e. is RAM."""
        place = bisect_right(self._starts, pfn << PAGE_SHIFT) - 1
        return place >= 0 and pfn + 1 << PAGE_SHIFT <= self._ends[place]

    def spaces(self, pids: Iterable[int]) -> dict[int, int]:
        """The ``mm_struct`` of each process in *pids* that has one, by pid.

        The list is walked from its end, where the newest processes are, until all have been found. A
        process's address is then remembered and reused.
        """
        spaces, missing = {}, set()
        for pid in pids:
            mm = self._remembered_space(pid)
            if mm is None:
                missing.add(pid)
            elif mm:
                spaces[pid] = mm
        for task, pid, mm in self.tasks() if missing else ():
            if pid in missing:
                missing.remove(pid)
                self._places_of_tasks[pid] = task
                if mm:
                    spaces[pid] = mm
                if not missing:
                    break
        return spaces

    def stack_pointer(self, pid: int) -> int:
        """Kernel stack pointer of a process that is not running; LensError if there is no such process."""
        self.spaces([pid])
        if pid not in self._places_of_tasks:
            raise self.error(f"no process {pid}")
        return self.word(self._places_of_tasks[pid] + self.layouts.offset("struct task_struct", "thread.sp"))

    def lives(self, mm: int) -> bool:
        """True if an ``mm_struct`` belongs to a process.

        The processes outside the program are few and do not exit, so their addresses are remembered too.
        """
        if self._remembered_owner(mm):
            return True
        self._owners = {space: task for task, _, space in self.tasks() if space}
        return mm in self._owners

    def tasks(self) -> Iterator[tuple[int, int, int]]:
        """All processes, starting at the end of the list: ``task_struct``, pid and ``mm_struct``."""
        first = task = self.symbol("init_task")
        visited = set[int]()
        while True:
            _, link, pid, mm = self.members(task, self._task)
            yield task, pid, mm
            visited.add(task)
            task = link - self._task_tasks
            if task == first:
                return
            if task in visited or len(visited) >= MAX_TASKS:
                raise self.error(f"the task list does not return to init_task after {len(visited):,} tasks")

    def _remembered_space(self, pid: int) -> int | None:
        # The mm_struct of the process at its remembered address: 0 if it no longer has one, None if only the
        # list can tell. An exiting process loses its mm_struct before its task_struct is freed, and whatever
        # is stored there later has a different pid.
        task = self._places_of_tasks.get(pid)
        if task is None:
            return None
        try:
            _, _, pid_now, mm = members = self.members(task, self._task)
            if pid_now != pid or not mm:
                return 0
            if self._is_listed(task, members):
                return mm
        except LensError:
            pass
        del self._places_of_tasks[pid]
        return None

    def _remembered_owner(self, mm: int) -> bool:
        # True if the process last seen with an mm_struct is still on the list with that mm_struct.
        task = self._owners.get(mm)
        if task is None:
            return False
        try:
            members = self.members(task, self._task)
            return members[3] == mm and self._is_listed(task, members)
        except LensError:
            return False

    def _is_listed(self, task: int, members: tuple[int, ...]) -> bool:
        link = task + self._task_tasks
        return self.word(members[0] + 8) == link == self.word(members[1])

    def memtypes(self) -> Iterator[list[int]]:
        """The reservations in the book, in order: physical start and end, and the mode's number."""
        root, record, at = self._memtype
        return (memtype for _, *memtype in self.rb_tree(self.word(root), record, at, "memtype"))

    def kept_memtypes(self) -> Sequence[Sequence[int]]:
        """The same, from the latest walk if the book is unchanged."""
        return self.recall.value("memtypes", lambda: [*self.memtypes()])

    def rb_tree(self, node: int, record: Record, at: int, name: str) -> Iterator[tuple[int, ...]]:
        """The address and members of each structure in a red-black tree; LensError if the tree has a loop.

        :param node: the ``rb_node`` at the root, or 0 for an empty tree
        :param record: the structure; its last members are rb_left and rb_right
        :param at: offset of ``rb_node`` in the structure, in bytes
        :param name: the tree's name in messages
        """
        stack: list[tuple[tuple[int, ...], int]] = []
        visited: set[int] = set()
        while node or stack:
            while node:
                if node in visited or len(stack) > MAX_DEPTH or len(visited) >= MAX_MEMTYPES:
                    raise self.error(f"the {name} tree has a loop at node {node:#x}")
                visited.add(node)
                *members, left, right = self.members(node - at, record)
                stack.append(((node - at, *members), right))
                node = left
            found, node = stack.pop()
            yield found

    def resources(self) -> Iterator[tuple[int, int, int, int]]:
        """The memory resources, in /proc/iomem order: first and last byte, address of the name, and depth."""
        record = self.layouts.record("struct resource", "start", "end", "name", "sibling", "child")
        *_, first = self.members(self.symbol("iomem_resource"), record)
        visited = set[int]()
        waiting = [(first, 0)] if first else []
        while waiting:
            address, depth = waiting.pop()
            if address in visited or len(visited) >= MAX_RESOURCES or depth > MAX_DEPTH:
                raise self.error(f"the tree of resources has a loop at {address:#x}")
            visited.add(address)
            start, end, name, sibling, child = self.members(address, record)
            yield start, end, name, depth
            waiting += [(sibling, depth)] * bool(sibling) + [(child, depth + 1)] * bool(child)

    def vma_addresses(self, root: int, low: int, high: int) -> list[int]:
        """Addresses of the VMAs in maple tree *root* that overlap *low* up to *high*."""
        addresses: list[int] = []
        if root & 3 == 2 and root > PAGE_SIZE:
            self._descend(_Cut(low, high, addresses, set()), root, 0, _ULONG_MAX, 0)
        elif root:
            raise self.error(f"a VMA tree has the root {root:#x}, which is not a node")
        return addresses

    def _descend(self, cut: _Cut, entry: int, first: int, last: int, depth: int) -> None:
        # Reads the entries of one node, which covers *first* to *last* inclusive.
        node, kind = entry & ~_NODE_MASK, entry >> 3 & 0xF
        if node in cut.nodes or len(cut.nodes) >= MAX_VMAS or depth > MAX_DEPTH:
            raise self.error(f"a VMA tree has a loop at node {node:#x}")
        cut.nodes.add(node)
        maple = self._maple
        pivot_at, pivots, slot_at, slots = maple.arange if kind == maple.arange_kind else maple.range
        if kind not in (maple.leaf, maple.range_kind, maple.arange_kind):
            raise self.error(f"a VMA tree has a node of unknown type {kind} at {node:#x}")
        words = _NODE_WORDS.unpack(self.read(node, _NODE_WORDS.size))
        leaf = kind == maple.leaf
        for number in range(slots):
            pivot = words[pivot_at + number] if number < pivots else last
            # A pivot of 0 after the first slot marks the end: that slot extends to the node's last address.
            if (pivot == 0 and number) or pivot > last:
                pivot = last
            child = words[slot_at + number]
            if child and first < cut.high and pivot >= cut.low:
                if not leaf:
                    self._descend(cut, child, first, pivot, depth + 1)
                elif child > PAGE_SIZE:
                    cut.addresses.append(child)
            first = pivot + 1
            if pivot == last or first >= cut.high:
                return

    def _node(self, name: str) -> tuple[int, int, int, int]:
        # For one maple node type: the offsets of pivots and slots, in words, and how many of each there are.
        layouts, node = self.layouts, "struct maple_node"
        pivot, slot = layouts.offset(node, f"{name}.pivot"), layouts.offset(node, f"{name}.slot")
        pivots, slots = layouts.length(node, f"{name}.pivot"), layouts.length(node, f"{name}.slot")
        if max(pivot + 8 * pivots, slot + 8 * slots) > _NODE_WORDS.size:
            raise self.error(f"{node}.{name} is larger than {_NODE_WORDS.size} bytes")
        return pivot // 8, pivots, slot // 8, slots

    def sealed_bits(self) -> int:
        """The ``vm_flags`` bits that may be VM_SEALED in this kernel.

        Kernels that name their VMA bits define it. In others it is one of two bits, and the
        other bit is unused.
        """
        try:
            return 1 << int(self.program.constant("VMA_SEALED_BIT").value_())
        except LookupError:
            return VM_SEALED | _SEALED_LATER

    def table(self, entry: int, first: int, count: int) -> tuple[int, ...]:
        """*count* entries of a page table, from index *first*; *entry* is its address or points to it."""
        physical = (entry & PHYSICAL_MASK & -PAGE_SIZE) + 8 * first
        return struct.unpack(f"<{count}Q", self.read_physical(physical, 8 * count))

    def physical(self, address: int) -> int:
        """Physical address of data in the direct map or in the kernel image."""
        return address - (self._image if address >= KERNEL_MAP else self._direct)


def smaps_bits(bits: int, sealed: int) -> int:
    """The ``vm_flags`` *bits*, with VM_SEALED where the model has it; *sealed* are the bits it may be in."""
    return bits & ~sealed | (VM_SEALED if bits & sealed else 0)
