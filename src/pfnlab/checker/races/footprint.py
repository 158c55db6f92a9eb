"""A kernel cut into parts, and the footprint of a turn: the parts that it touches.

Shared state is cut as finely as the order of operations can matter: the tree of an address space, its VMAs,
its page tables, its locks, the translations of each processor, the reverse map, the book. Nobody declares
footprints. While a turn runs, every attribute of these objects that is read or set is noted; a part has
changed when its value has. So a user's own policy needs no declared footprint either.

The value of a part must follow from objects whose attributes are noted for that part, and from nothing else.
Otherwise it could change without being touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import attrgetter, itemgetter
from types import FunctionType
from typing import Any, cast

from pfnlab.checker.kernel.packing import Packing
from pfnlab.hw.pgtable import EntryRun, Page, PageTables
from pfnlab.hw.tlb import Tlb
from pfnlab.mm.kernel import Kernel, Task
from pfnlab.mm.memtype import MemtypeBook
from pfnlab.mm.processors import RwLock
from pfnlab.mm.space import MmStruct
from pfnlab.mm.users.driver import DriverState
from pfnlab.mm.users.pci import PciDevice
from pfnlab.mm.users.vfio import VfioDevice
from pfnlab.mm.vma import Vma
from pfnlab.policies.guard import unguarded

#: Attributes that are no state: constants, ways to objects that are noted themselves, counters for readers.
_QUIET: dict[type, tuple[str, ...]] = {
    MmStruct: ("kernel", "tables", "mmap_lock", "page_table_lock", "tlb_gen"),
    Vma: ("mm",),
    Task: ("comm", "pid", "tlb"),
    RwLock: ("_processors", "need"),
    MemtypeBook: ("platform", "trace", "_processors", "lock", "warned"),
    Kernel: (
        *("profile", "trace", "processors", "book", "i_mmap_rwsems", "current", "warned", "next_pid"),
        # Its statement about a page is noted with the page.
        "mlock_batch",
    ),
}

#: The part that an attribute of the kernel is, or belongs to.
_OF_KERNEL = {
    "i_mmap": "reverse map",
    "tasks": "tasks",
    **dict.fromkeys(("tracker", "flushes", "walkers"), "policies"),
    **dict.fromkeys(("driver", "vfio", "pci"), "devices"),
    **dict.fromkeys(("memory", "undecoded"), "memory"),
}
_GATHERING = frozenset(("gathers", "tlb_flush_pending"))
#: The place of a VMA, by which the reverse map names it.
_PLACE = frozenset(("start", "end", "pgoff"))

#: The name of an object that a task has made, and the object, so that it is kept alive.
_Made = tuple[tuple[str, int], Any]


class Parts:
    """The parts of one kernel. Address spaces that a fork adds later are one part with the list of tasks.

    :ivar names: of the parts, in order
    :ivar stale_before: of a translation, the tasks whose revocation began after it was made; the driver sets
        this
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._mms = list({id(task.mm): task.mm for task in kernel.tasks.values()}.values())
        self._tasks = list(kernel.tasks.values())
        self.stale_before: Callable[[EntryRun], list[str]] = lambda run: []
        self.names: list[str] = []
        self._values: list[Callable[[], Any]] = []
        #: Numbers of parts by the identity of the object that is one.
        self._numbers: dict[int, int] = {}
        self._spaces: dict[int, int] = {}
        self._fields: dict[int, int] = {}
        self._gathers: dict[int, int] = {}
        #: Objects with an identity that tasks have made, by their identity.
        self._contexts: dict[int, _Made] = {}
        self._pages: dict[int, _Made] = {}
        self._anons: dict[int, _Made] = {}
        #: Every VMA that a task other than its maker could meet, removed ones too.
        self._vmas: dict[int, _Made] = {}
        for number, mm in enumerate(self._mms):
            self._add_space(number, mm)
        for task in self._tasks:
            self._add(f"TLB {task.comm}", partial(self._remembered, task), task.tlb)
        for mapping, lock in kernel.i_mmap_rwsems.items():
            self._add_lock(f"i_mmap_rwsem {mapping}", lock)
        self._add_lock("book lock", kernel.book.lock)
        self._book = self._add("book", self._booked)
        self._named = {
            "reverse map": self._add("reverse map", self._linked),
            "tasks": self._add("tasks", self._others),
            "policies": self._add("policies", self._kept),
            "devices": self._add("devices", self._plugged),
            "memory": self._add("memory", self._stored),
        }
        self._rest = self._named["tasks"]
        self._context = self._add("contexts", lambda: _known(self._contexts, self._packing().pack))
        self._page = self._add("pages", lambda: _known(self._pages, _page))
        self._machine = self._add("machine", kernel.state)
        self.notice("")

    def _add_space(self, number: int, mm: MmStruct) -> None:
        self._spaces[id(mm)] = self._add(f"tree {number}", mm.state)
        self._fields[id(mm)] = self._add(f"VMAs {number}", lambda: self._all_vmas(mm))
        self._add(f"tables {number}", lambda: self._entries(mm), mm.tables)
        self._gathers[id(mm)] = self._add(
            f"gathers {number}", lambda: (mm.tlb_flush_pending, len(mm.gathers))
        )
        self._add_lock(f"mmap_lock {number}", mm.mmap_lock)
        self._add_lock(f"page_table_lock {number}", mm.page_table_lock)

    def _add_lock(self, name: str, lock: RwLock) -> None:
        self._add(name, lock.state, lock)

    def _add(self, name: str, value: Callable[[], Any], what: object = None) -> int:
        number = len(self.names)
        if what is not None:
            self._numbers[id(what)] = number
        self.names.append(name)
        self._values.append(value)
        return number

    def value(self, number: int) -> Any:
        """The value of part *number* now, as plain values."""
        return self._values[number]()

    def name(self, one: object) -> Any:
        """The name of an object with an identity; None while only its maker could meet it."""
        for numbers in (self._numbers, self._spaces):
            if id(one) in numbers:
                return numbers[id(one)]
        if isinstance(one, Vma):
            return self._vmas[id(one)][0] if id(one) in self._vmas else self._vma(one)
        made = self._pages.get(id(one)) or self._anons.get(id(one)) or self._contexts.get(id(one))
        return made and made[0]

    def notice(self, who: str) -> set[int]:
        """Name the objects that *who* has made and others can meet by now.

        To be called after each turn.

        :return: the parts that have more objects because of it
        """
        grown: set[int] = set()
        for vma in (*(vma for mm in self._all_spaces() for vma in mm.vmas), *self._kernel.i_mmap):
            fields = self._fields.get(id(vma.mm), self._rest)
            if _call(self._vmas, vma, who):
                # A context may know its VMAs.
                grown.update((fields, self._context))
            context = None if isinstance(vma.pfnmap, int | str) else vma.pfnmap
            if context is not None and _call(self._contexts, context, who):
                grown.update((self._context, fields))
            if vma.anon_vma is not None and _call(self._anons, vma.anon_vma, who):
                grown.add(fields)
        for mm in self._all_spaces():
            for run in mm.tables.entries:
                if run.page is not None and _call(self._pages, run.page, who):
                    grown.add(self._page)
        return grown

    # Footprints.

    @contextmanager
    def watched(self, policy: bool = False) -> Iterator[set[int]]:
        """The footprint of what runs within this context: numbers of parts, added while it runs.

        :param policy: a policy's code goes on, which may touch everything it has references to
        """
        touched: set[int] = {self._named["policies"], self._context} if policy else set()
        numbers, rest, machine, devices = self._numbers, self._rest, self._machine, self._named["devices"]

        def kernel(one: Kernel, name: str, sets: bool) -> None:
            touched.add(self._named.get(_OF_KERNEL.get(name, ""), machine))

        def space(mm: MmStruct, name: str, sets: bool) -> None:
            touched.add((self._gathers if name in _GATHERING else self._spaces).get(id(mm), rest))

        def vma(one: Vma, name: str, sets: bool) -> None:
            mm = id(object.__getattribute__(one, "mm"))
            touched.add(self._fields.get(mm, rest))
            if name == "pfnmap":
                touched.add(self._context)
            if sets and name in _PLACE:
                touched.update((self._spaces.get(mm, rest), self._named["reverse map"]))

        def numbered(one: object, name: str, sets: bool) -> None:
            touched.add(numbers.get(id(one), rest))

        def one_part(number: int) -> _Note:
            return lambda one, name, sets: touched.add(number)

        notes: dict[type, _Note] = {
            **{Kernel: kernel, MmStruct: space, Vma: vma},
            **dict.fromkeys((PageTables, Tlb, RwLock), numbered),
            **{Page: one_part(self._page), MemtypeBook: one_part(self._book), Task: one_part(rest)},
            **dict.fromkeys((DriverState, VfioDevice, PciDevice), one_part(devices)),
            **dict.fromkeys(_own({type(one) for _, one in self._contexts.values()}), one_part(self._context)),
            **dict.fromkeys(_own(map(type, self._both_policies())), one_part(self._named["policies"])),
        }
        _NOTES.append(notes)
        for kind in notes:
            _watch(kind)
        try:
            yield touched
        finally:
            _NOTES.pop()
            for kind in notes:
                _unwatch(kind)

    # The values of parts.

    def _all_spaces(self) -> Iterable[MmStruct]:
        return {id(task.mm): task.mm for task in self._kernel.tasks.values()}.values()

    def _all_vmas(self, mm: MmStruct) -> Any:
        known = [(name, self._vma(vma)) for name, vma in self._vmas.values() if vma.mm is mm]
        return sorted(known, key=itemgetter(0))

    def _vma(self, vma: Vma) -> Any:
        file = None if vma.file is None else (type(vma.file).__name__, vma.file.mapping)
        anon, tracked = self._made(self._anons, vma.anon_vma), self._made(self._contexts, vma.pfnmap)
        return vma.start, vma.end, vma.pgoff, vma.flags, vma.page_prot, file, anon, tracked

    @staticmethod
    def _made(made: dict[int, _Made], one: Any) -> Any:
        """The name of *one*, or *one* itself where it is a plain value."""
        if one is None or isinstance(one, int | str):
            return one
        return made[id(one)][0] if id(one) in made else "new"

    def _entries(self, mm: MmStruct) -> Any:
        runs, spans = mm.tables.state()
        return list(map(self._run, runs)), spans

    def _run(self, run: EntryRun) -> Any:
        page = self._made(self._pages, run.page)
        return run.start, run.end, run.pfn, run.bits, page, run.level

    def _remembered(self, task: Task) -> Any:
        translations = sorted(task.tlb.state(), key=attrgetter("start"))
        return [(*self._run(run), self.stale_before(run)) for run in translations]

    def _linked(self) -> Any:
        return [
            (self._spaces.get(id(vma.mm), -1), vma.start, vma.end, vma.pgoff) for vma in self._kernel.i_mmap
        ]

    def _booked(self) -> Any:
        return [[(start, end, int(mode)) for start, end, mode in part] for part in self._kernel.book.state()]

    def _others(self) -> Any:
        tasks = self._kernel.tasks
        new = [mm for mm in self._all_spaces() if id(mm) not in self._spaces]
        numbers = self._spaces | {id(mm): -1 - number for number, mm in enumerate(new)}
        return (
            [(name, numbers[id(task.mm)]) for name, task in tasks.items()],
            [
                (
                    *(
                        mm.state(),
                        self._all_vmas(mm),
                        self._entries(mm),
                        mm.tlb_flush_pending,
                        len(mm.gathers),
                    ),
                    *(mm.mmap_lock.state(), mm.page_table_lock.state()),
                )
                for mm in new
            ],
            [self._remembered(task) for task in tasks.values() if task not in self._tasks],
        )

    def _kept(self) -> Any:
        packing = self._packing()
        return [packing.attributes(one) for one in self._both_policies()]

    def _both_policies(self) -> tuple[object, object]:
        return unguarded(self._kernel.tracker), unguarded(self._kernel.flushes)

    def _plugged(self) -> Any:
        kernel, packing = self._kernel, self._packing()
        return [packing.pack(one) for one in (kernel.driver, kernel.vfio, kernel.pci)]

    def _stored(self) -> Any:
        kernel = self._kernel
        return sorted(kernel.memory.items()), [tuple(pfns) for pfns in kernel.undecoded]

    def _packing(self) -> Packing:
        packing = Packing(self._kernel, self._mms, [])
        cast(Any, packing).vmas = {one: name for one, (name, _) in self._vmas.items()}
        return packing


def _call(made: dict[int, _Made], one: object, who: str) -> bool:
    """Name *one*, if it has no name yet."""
    if id(one) in made:
        return False
    made[id(one)] = (who, sum(name[0] == who for name, _ in made.values())), one
    return True


def _known(made: dict[int, _Made], value: Callable[[Any], Any]) -> Any:
    return sorted(((name, value(one)) for name, one in made.values()), key=itemgetter(0))


def _page(page: Page) -> Any:
    return page.value, page.mapcount, page.exclusive, page.anonymous, page.dirty, page.batched


# Noting attributes: while a class is watched, it has its own methods to read and set them.

_Note = Callable[[Any, str, bool], None]
_NOTES: list[dict[type, _Note]] = []
_WAYS: dict[type, tuple[Any, Any]] = {}


def _own(kinds: Iterable[type]) -> list[type]:
    """The classes whose attributes can be noted: made in Python, without own methods to read and set them."""
    ways = ("__getattribute__", "__setattr__")
    return [
        kind
        for kind in kinds
        if kind.__flags__ & _HEAP_TYPE
        and not any(way in one.__dict__ for one in kind.__mro__[:-1] for way in ways)
    ]


#: Py_TPFLAGS_HEAPTYPE: a class statement made it.
_HEAP_TYPE = 1 << 9


def _watch(kind: type) -> None:
    if kind not in _WAYS:
        _WAYS[kind] = _ways(kind)
    kind.__getattribute__, kind.__setattr__ = _WAYS[kind]  # type: ignore[method-assign]


def _unwatch(kind: type) -> None:
    del kind.__getattribute__, kind.__setattr__


def _ways(kind: type) -> tuple[Any, Any]:
    """Reading and setting an attribute of *kind*, noted unless it is no state."""
    methods = (name for name in dir(kind) if isinstance(getattr(kind, name), FunctionType | property))
    quiet = frozenset((*dir(object), *_QUIET.get(kind, ()), *methods))
    read, write = object.__getattribute__, object.__setattr__

    def __getattribute__(self: Any, name: str) -> Any:
        if name not in quiet:
            _NOTES[-1][kind](self, name, False)
        return read(self, name)

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if name not in quiet:
            _NOTES[-1][kind](self, name, True)
        write(self, name, value)

    return __getattribute__, __setattr__
