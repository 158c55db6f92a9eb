"""Kernels split into parts, and the footprint of a turn: the parts it touches.

The parts are just fine enough to tell when the order of operations matters: an address space's tree, its
VMAs, its page tables, its locks, each processor's translations, the reverse map, and the book (memtype list).
Footprints need not be declared, not even for user-defined policies: while a turn runs, every attribute access
on these objects is recorded. A part has changed if its value has changed.

A part's value must depend only on objects whose attributes are recorded for that part; otherwise it could
change without being touched.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any, cast

from pfnlab.checker.races.noting import Note, methods_of, notable, noting
from pfnlab.checker.scopes.declared_fields import PLAIN
from pfnlab.checker.scopes.modes import FrameReach, reaches
from pfnlab.checker.scopes.moment import USED_VMA
from pfnlab.checker.scopes.packing import Packing
from pfnlab.checker.scopes.policies_apart import ANY_POLICY, policies_of
from pfnlab.kernel.hw.pgtable import EntryRun, Page, PageTables
from pfnlab.kernel.hw.tlb import Tlb
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.locks import RwLock
from pfnlab.kernel.mm.memtype import MemtypeBook
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.table_locks import TableLocks
from pfnlab.kernel.mm.users.driver import DriverState
from pfnlab.kernel.mm.users.pci import PciDevice
from pfnlab.kernel.mm.users.vfio import VfioDevice
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.mm.vma_locks import VmaLocks

#: The part that each kernel attribute belongs to.
_OF_KERNEL = {
    "i_mmap": "reverse map",
    "tasks": "tasks",
    **dict.fromkeys(("tracker", "flushes", "walkers"), "policies"),
    **dict.fromkeys(("driver", "vfio", "pci"), "devices"),
    **dict.fromkeys(("memory", "undecoded"), "memory"),
}
_GATHERING = frozenset(("gathers", "tlb_flush_pending"))
#: The location of a VMA, which names it in the reverse map and in the VMA locks.
_PLACE = frozenset(("start", "end", "pgoff"))

#: The name of an object created by a task, and the object itself, to keep it alive.
_NamedObject = tuple[tuple[str, int], Any]


class Parts:
    """The parts of one kernel. Address spaces added by a later fork form one part with the list of tasks.

    Such an address space is reached through its task, or through the reverse map while fork is filling it.

    :ivar stale_before: returns the tasks whose revocation began after a given translation was made; set by
        the code that drives turns
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._mms = list({id(task.mm): task.mm for task in kernel.tasks.values()}.values())
        self._tasks = list(kernel.tasks.values())
        #: What the code last watched used of policies, each as ``SEAM.ATTRIBUTE``.
        self.used: set[str] = set()
        self.stale_before: Callable[[EntryRun], list[str]] = lambda run: []
        self.names: list[str] = []
        self._values: list[Callable[[], Any]] = []
        self._locks: list[RwLock | TableLocks | VmaLocks] = []
        #: The part number of each object, by object identity.
        self._object_parts: dict[int, int] = {}
        self._space_parts: dict[int, int] = {}
        #: For the parts through which frames are reached: the places, by entries and by translations.
        self._reaching: dict[int, Callable[[], tuple[list[FrameReach], list[FrameReach]]]] = {}
        self._vma_parts: dict[int, int] = {}
        self._gather_parts: dict[int, int] = {}
        self._lookup_parts: dict[int, int] = {}
        self._vma_lock_parts: dict[int, int] = {}
        #: Objects created by tasks that have an identity, by identity.
        self._contexts: dict[int, _NamedObject] = {}
        self._pages: dict[int, _NamedObject] = {}
        self._anons: dict[int, _NamedObject] = {}
        self._new_spaces: dict[int, _NamedObject] = {}
        #: Every VMA that a task other than its creator could reach, including removed VMAs.
        self._vmas: dict[int, _NamedObject] = {}
        for number, mm in enumerate(self._mms):
            self._add_space(number, mm)
        for task in self._tasks:
            tlb = self._add(f"TLB {task.comm}", partial(self._tlb_value, task), task.tlb)
            self._reaching[tlb] = partial(self._reached_by_tlbs, [task])
            self._add_lock(f"exec_update_lock {task.comm}", task.exec_update_lock)
        for mapping, lock in kernel.i_mmap_rwsems.items():
            self._add_lock(f"i_mmap_rwsem {mapping}", lock)
        self._add_lock("book lock", kernel.book.lock)
        self._add_lock("device lock", kernel.device_lock)
        for name, device in sorted(kernel.vfio.items()):
            self._add_lock(f"memory_lock of {name}", device.memory_lock)
            self._add_lock(f"vma_lock of {name}", device.vma_lock)
        self._book_part = self._add("book", self._book_value)
        self._kernel_parts = {
            "reverse map": self._add("reverse map", self._reverse_map_value),
            "tasks": self._add("tasks", self._tasks_value),
            "policies": self._add("policies", self._policies_value),
            "devices": self._add("devices", self._devices_value),
            "memory": self._add("memory", self._memory_value),
        }
        self._tasks_part = self._kernel_parts["tasks"]
        self._reaching[self._tasks_part] = self._reached_by_new_tasks
        self._contexts_part = self._add("contexts", lambda: _values(self._contexts, self._packing().pack))
        self._pages_part = self._add("pages", lambda: _values(self._pages, _page_value))
        self._machine_part = self._add("machine", kernel.state)
        # Last, so that kernels with other policies have the other parts in common.
        for policy in self._policies_with_memory():
            for attribute, lock in getattr(policy, "__dict__", {}).items():
                if isinstance(lock, RwLock):
                    self._add_lock(f"policy's {attribute}", lock)
        self.notice("")

    def _add_space(self, number: int, mm: MmStruct) -> None:
        self._space_parts[id(mm)] = self._add(f"tree {number}", partial(_tree_value, mm))
        self._vma_parts[id(mm)] = self._add(f"VMAs {number}", lambda: self._vmas_value(mm))
        tables = self._add(f"tables {number}", lambda: self._tables_value(mm), mm.tables)
        self._reaching[tables] = lambda: (list(reaches(mm, mm.tables.entries, number)), [])
        self._gather_parts[id(mm)] = self._add(
            f"gathers {number}", lambda: (mm.tlb_flush_pending, len(mm.gathers))
        )
        self._lookup_parts[id(mm)] = self._add(f"lookups {number}", lambda: self._lookups_value(mm))
        self._add_lock(f"mmap_lock {number}", mm.mmap_lock)
        self._vma_lock_parts[id(mm)] = self._add_lock(f"VMA locks {number}", mm.vma_locks)
        self._add_lock(f"page-table locks {number}", mm.table_locks)

    def _add_lock(self, name: str, lock: RwLock | TableLocks | VmaLocks) -> int:
        self._locks.append(lock)
        return self._add(name, lock.state, lock)

    def _add(self, name: str, value: Callable[[], Any], instance: object = None) -> int:
        number = len(self.names)
        if instance is not None:
            self._object_parts[id(instance)] = number
        self.names.append(name)
        self._values.append(value)
        return number

    @property
    def taken(self) -> bool:
        """True if a lock is held. VMA locks are left out, because they are released with mmap_lock."""
        return any(lock.taken for lock in self._locks if not isinstance(lock, VmaLocks))

    def value(self, number: int) -> Any:
        """The current value of part *number*, as plain values."""
        return self._values[number]()

    @property
    def reaching(self) -> Sequence[int]:
        """The numbers of the parts through which frames are reached: page tables and cached translations."""
        return tuple(self._reaching)

    def reached(self, number: int) -> tuple[list[FrameReach], list[FrameReach]]:
        """The places where a part in :attr:`reaching` reaches frames: by entries, and by translations."""
        return self._reaching[number]()

    def _reached_by_tlbs(self, tasks: Iterable[Task]) -> tuple[list[FrameReach], list[FrameReach]]:
        spaces = {id(mm): number for number, mm in enumerate(self._mms)}
        spaces |= {id(mm): number for number, mm in enumerate(self._new_mms(), len(self._mms))}
        return [], [
            one for task in tasks for one in reaches(task.mm, task.tlb.state(), spaces.get(id(task.mm), -1))
        ]

    def _reached_by_new_tasks(self) -> tuple[list[FrameReach], list[FrameReach]]:
        entries = [
            one
            for number, mm in enumerate(self._new_mms(), len(self._mms))
            for one in reaches(mm, mm.tables.entries, number)
        ]
        others = [task for task in self._kernel.tasks.values() if task not in self._tasks]
        return entries, self._reached_by_tlbs(others)[1]

    def name(self, instance: object) -> Any:
        """The name of an object with an identity, or None while only its creator can reach it."""
        for numbers in (self._object_parts, self._space_parts):
            if id(instance) in numbers:
                return numbers[id(instance)]
        if isinstance(instance, Vma):
            return self._vmas[id(instance)][0] if id(instance) in self._vmas else self._vma_value(instance)
        tables = self._pages, self._anons, self._contexts, self._new_spaces
        return next((table[id(instance)][0] for table in tables if id(instance) in table), None)

    def notice(self, maker: str) -> set[int]:
        """Name objects that *maker* created and others can now reach; return the parts that have grown."""
        grown_parts: set[int] = set()
        for mm in self._all_spaces():
            if id(mm) not in self._space_parts and _name_object(self._new_spaces, mm, maker):
                grown_parts.update((self._tasks_part, self._kernel_parts["reverse map"]))
        for vma in (*(vma for mm in self._all_spaces() for vma in mm.vmas), *self._kernel.i_mmap):
            vma_part = self._vma_parts.get(id(vma.mm), self._tasks_part)
            if _name_object(self._vmas, vma, maker):
                # A context may refer to its VMAs.
                grown_parts.update((vma_part, self._contexts_part))
            context = None if isinstance(vma.pfnmap, int | str) else vma.pfnmap
            if context is not None and _name_object(self._contexts, context, maker):
                grown_parts.update((self._contexts_part, vma_part))
            if vma.anon_vma is not None and _name_object(self._anons, vma.anon_vma, maker):
                grown_parts.add(vma_part)
        for mm in self._all_spaces():
            for run in mm.tables.entries:
                if run.page is not None and _name_object(self._pages, run.page, maker):
                    grown_parts.add(self._pages_part)
        return grown_parts

    # Footprints.

    @contextmanager
    def watched(self, policy: bool = False) -> Iterator[set[int]]:
        """The footprint of code run within this context: a growing set of part numbers.

        :param policy: whether that code continues in a policy, which may touch everything it refers to
        """
        policies_part = self._kernel_parts["policies"]
        touched: set[int] = {policies_part, self._contexts_part} if policy else set()
        policies: list[tuple[str, Any]] = [(seam, type(one)) for seam, one in policies_of(self._kernel)]
        seams = {kind: (seam, methods_of(kind)) for seam, kind in policies}
        noted_policies = notable(seams)
        # A policy that is not noted may be used anywhere.
        self.used = used = {ANY_POLICY} if policy or len(noted_policies) < len(seams) else set[str]()
        object_parts, tasks_part, machine_part, devices_part = (
            self._object_parts,
            self._tasks_part,
            self._machine_part,
            self._kernel_parts["devices"],
        )

        def note_kernel(kernel: Kernel, name: str, sets: bool) -> None:
            touched.add(self._kernel_parts.get(_OF_KERNEL.get(name, ""), machine_part))

        def note_space(mm: MmStruct, name: str, sets: bool) -> None:
            parts = self._gather_parts if name in _GATHERING else self._space_parts
            touched.add((self._lookup_parts if name == "lookups" else parts).get(id(mm), tasks_part))

        def note_vma(vma: Vma, name: str, sets: bool) -> None:
            # Freeing a VMA is no use of it, and a new VMA is not freed.
            if name != "freed" and object.__getattribute__(vma, "freed"):
                self._kernel.trace.misuses.add(USED_VMA)
            mm = id(object.__getattribute__(vma, "mm"))
            touched.add(self._vma_parts.get(mm, tasks_part))
            if name == "pfnmap":
                touched.add(self._contexts_part)
            if sets and name in _PLACE:
                parts = self._space_parts.get(mm, tasks_part), self._vma_lock_parts.get(mm, tasks_part)
                touched.update((*parts, self._kernel_parts["reverse map"]))

        def note_object(instance: object, name: str, sets: bool) -> None:
            touched.add(object_parts.get(id(instance), tasks_part))

        def note_part(number: int) -> Note:
            return lambda instance, name, sets: touched.add(number)

        def note_policy(policy: Any, name: str, sets: bool) -> None:
            seam, methods = seams[type(policy)]
            used.add(f"{seam}.{name}")
            if name not in methods:
                touched.add(policies_part)

        notes: dict[type, Note] = {
            **{Kernel: note_kernel, MmStruct: note_space, Vma: note_vma},
            **dict.fromkeys((PageTables, Tlb, RwLock, TableLocks, VmaLocks), note_object),
            **{
                Page: note_part(self._pages_part),
                MemtypeBook: note_part(self._book_part),
                Task: note_part(tasks_part),
            },
            **dict.fromkeys((DriverState, VfioDevice, PciDevice), note_part(devices_part)),
            **dict.fromkeys(
                notable({type(context) for _, context in self._contexts.values()}),
                note_part(self._contexts_part),
            ),
            **dict.fromkeys(noted_policies, note_policy),
        }
        with noting(notes, noted_policies):
            yield touched

    # The values of parts.

    def _all_spaces(self) -> Iterable[MmStruct]:
        """Every address space that tasks can reach, or could reach when it was named."""
        spaces = {id(task.mm): task.mm for task in self._kernel.tasks.values()}
        spaces |= {id(vma.mm): vma.mm for vma in self._kernel.i_mmap}
        return (spaces | {id(mm): mm for _, mm in self._new_spaces.values()}).values()

    def _vmas_value(self, mm: MmStruct) -> Any:
        values = [(name, self._vma_value(vma)) for name, vma in self._vmas.values() if vma.mm is mm]
        return sorted(values, key=itemgetter(0))

    def _vma_value(self, vma: Vma) -> Any:
        file = None if vma.file is None else (type(vma.file).__name__, vma.file.mapping)
        anon, context = (
            self._name_or_value(self._anons, vma.anon_vma),
            self._name_or_value(self._contexts, vma.pfnmap),
        )
        return vma.start, vma.end, PLAIN[Vma](vma), file, anon, context, vma.freed

    @staticmethod
    def _name_or_value(table: dict[int, _NamedObject], value: Any) -> Any:
        """The name of the object *value*, or *value* itself if it is plain."""
        if value is None or isinstance(value, int | str):
            return value
        return table[id(value)][0] if id(value) in table else "new"

    def _tables_value(self, mm: MmStruct) -> Any:
        runs, spans = mm.tables.state()
        return list(map(self._run_value, runs)), spans

    def _run_value(self, run: EntryRun) -> Any:
        page = self._name_or_value(self._pages, run.page)
        return run.start, run.end, run.pfn, run.bits, page, run.level

    def _lookups_value(self, mm: MmStruct) -> Any:
        return [(*self._run_value(run), self.stale_before(run)) for run in mm.lookups]

    def _tlb_value(self, task: Task) -> Any:
        translations = sorted(task.tlb.state(), key=attrgetter("start"))
        return [(*self._run_value(run), self.stale_before(run)) for run in translations]

    def _reverse_map_value(self) -> Any:
        return [(self.name(vma.mm), vma.start, vma.end, vma.pgoff) for vma in self._kernel.i_mmap]

    def _book_value(self) -> Any:
        return [[(start, end, int(mode)) for start, end, mode in part] for part in self._kernel.book.state()]

    def _tasks_value(self) -> Any:
        tasks = self._kernel.tasks
        return (
            [(name, self.name(task.mm)) for name, task in tasks.items()],
            [
                (
                    *(
                        name,
                        _tree_value(mm),
                        self._vmas_value(mm),
                        self._tables_value(mm),
                        mm.tlb_flush_pending,
                        len(mm.gathers),
                        self._lookups_value(mm),
                    ),
                    *(mm.mmap_lock.state(), mm.vma_locks.state(), mm.table_locks.state()),
                )
                for name, mm in sorted(self._new_spaces.values(), key=itemgetter(0))
            ],
            [
                (self._tlb_value(task), task.exec_update_lock.state())
                for task in tasks.values()
                if task not in self._tasks
            ],
        )

    def _policies_value(self) -> Any:
        packing = self._packing()
        return [packing.attributes(policy) for policy in self._policies_with_memory()]

    def _policies_with_memory(self) -> list[object]:
        return [policy for _, policy in policies_of(self._kernel)]

    def _devices_value(self) -> Any:
        kernel, packing = self._kernel, self._packing()
        return [packing.pack(state) for state in (kernel.driver, kernel.vfio, kernel.pci)]

    def _memory_value(self) -> Any:
        kernel = self._kernel
        return sorted(kernel.memory.items()), [tuple(pfns) for pfns in kernel.undecoded]

    def _new_mms(self) -> list[MmStruct]:
        return [mm for _, mm in sorted(self._new_spaces.values(), key=itemgetter(0))]

    def _packing(self) -> Packing:
        packing = Packing(self._kernel, [*self._mms, *self._new_mms()], [])
        cast(Any, packing).vmas = {identity: name for identity, (name, _) in self._vmas.items()}
        return packing


def _name_object(table: dict[int, _NamedObject], instance: object, maker: str) -> bool:
    """Name *instance*; return True if it had no name before."""
    if id(instance) in table:
        return False
    table[id(instance)] = (maker, sum(name[0] == maker for name, _ in table.values())), instance
    return True


def _values(table: dict[int, _NamedObject], value: Callable[[Any], Any]) -> Any:
    return sorted(((name, value(instance)) for name, instance in table.values()), key=itemgetter(0))


def _page_value(page: Page) -> Any:
    return page.value, PLAIN[Page](page), page.batched, page.maker


def _tree_value(mm: MmStruct) -> Any:
    return PLAIN[MmStruct](mm), mm.forking, mm.guests, [(vma.start, vma.end) for vma in mm.vmas]
