"""A kernel as a value: everything that lives between two operations, as a short string of bytes (S1 to S9).

Page tables, VMAs, book and tasks have a form of their own here. What a tracker, a flush placement or a driver
remembers is theirs: it is taken as it is found, attribute by attribute, so that a user's own policy needs to
know nothing of this. Nothing is under way in a kernel that is frozen.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import blake2s
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from pfnlab.errors import Undecided
from pfnlab.hw.bits import PAGE_ACCESSED
from pfnlab.hw.cachemode import CacheMode
from pfnlab.hw.pgtable import TABLE_PAGES, Page, Run
from pfnlab.hw.physmap import Resource
from pfnlab.hw.spans import SpanSet
from pfnlab.mm.kernel import Kernel, Task
from pfnlab.mm.memtype import MemtypeBook
from pfnlab.mm.memtype_interval import MemtypeEntry, MemtypeIntervals
from pfnlab.mm.space import MmStruct
from pfnlab.mm.vma import AnonVma, Vma
from pfnlab.policies.guard import unguarded
from pfnlab.programs.ops import AREA_ALIGN_PAGES, FIRST_AREA_PAGE, MAIN_TASK
from pfnlab.units import PfnRange

_PLAIN = frozenset((int, str, bool, type(None), float, bytes))

#: Parts of a kernel others may point to.
_PARTS = ("book", "trace", "processors", "tracker", "flushes", "profile")

#: Areas begin that far apart: a small one is followed by as much that is free.
AREA_STRIDE = 2 * AREA_ALIGN_PAGES

#: Bits of an entry that decide what can happen: that somebody looked at a page decides nothing here.
_KEPT = ~PAGE_ACCESSED

#: The number of the first task of a kernel.
_FIRST_PID = 100

_MODES = tuple(CacheMode)

#: Classes met so far, and values that never change, each once: both are said by a short number. The first
#: process that searches has met all of them before any other begins.
_CLASSES: dict[int, Any] = {}
_CLASS_NAMES: dict[type, int] = {}
_CONSTANTS: dict[int, Any] = {}
#: The slots of classes.
_SLOTS: dict[type, list[str]] = {}
_BY_VALUE: dict[Any, tuple[str, int]] = {}
_BY_IDENTITY: dict[int, tuple[str, int]] = {}


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
        used = {(vma.start - FIRST_AREA_PAGE) // AREA_STRIDE for task in self.tasks for vma in task.mm._vmas}
        self.areas = sorted(used)
        self.moved: dict[int, int] = {}
        self._in_order = True
        if not symmetry:
            self.areas = list(range(max(used, default=-1) + 1))
            return
        self.moved = {
            area: (area - rank) * AREA_STRIDE for rank, area in enumerate(self.areas) if area != rank
        }
        if len(self.tasks) > 1:
            self.tasks.sort(key=self._shape)
            self._in_order = self.tasks == list(kernel.tasks.values())

    @property
    def as_it_is(self) -> bool:
        """Whether everything keeps its name."""
        return not self.moved and self._in_order

    def _shape(self, task: Task) -> tuple[Any, ...]:
        """A task without the identity of anything, to sort by."""
        moved = self.moved
        vmas = [(_at(vma.start, moved), vma.nr, vma.pgoff, vma.flags, vma.page_prot) for vma in task.mm._vmas]
        runs = [
            (_at(run.start, moved), run.end - run.start, run.pfn, run.bits & _KEPT)
            for run in task.mm.tables._runs
        ]
        return tuple(vmas), tuple(runs)


def task_name(number: int) -> str:
    """What a canonical state calls its tasks, counted from 0; there is always one."""
    return MAIN_TASK if number == 0 else f"p{number}"


def _at(vpn: int, moved: dict[int, int] | None) -> int:
    return vpn - moved.get((vpn - FIRST_AREA_PAGE) // AREA_STRIDE, 0) if moved else vpn


class Packing:
    """What objects become: plain values, with numbers for what is met again.

    :param kernel: whose objects they are
    :param vmas: VMAs that are said by number
    :param mms: address spaces that are said by number
    """

    def __init__(
        self, kernel: Kernel, mms: list[MmStruct], vmas: list[Vma], naming: Naming | None = None
    ) -> None:
        self._moved = naming.moved if naming is not None else None
        self._bits = -1 if naming is None else _KEPT
        self._known: dict[int, Any] = {id(getattr(kernel, part)): ("K", part) for part in _PARTS}
        self._known[id(kernel)] = ("K", "")
        self._known[id(unguarded(kernel.tracker))] = ("K", "tracker")
        for number, mm in enumerate(mms):
            self._known[id(mm)] = ("m", number)
        self.vmas = {id(vma): number for number, vma in enumerate(vmas)}
        self.pages: list[Page] = []
        self._page_numbers: dict[int, int] = {}
        self._anons: dict[int, int] = {}
        self._kept: list[object] = []

    def page(self, page: Page | None) -> int:
        """The number of an ordinary page, -1 for none."""
        if page is None:
            return -1
        number = self._page_numbers.get(id(page))
        if number is None:
            number = self._page_numbers[id(page)] = len(self.pages)
            self.pages.append(page)
        return number

    def run(self, run: Run) -> tuple[int, ...]:
        """Entries of page tables."""
        start, end, pfn, bits, page, level = run
        if self._moved:
            start, end = _at(start, self._moved), _at(end - 1, self._moved) + 1
        return start, end, pfn, bits & self._bits, -1 if page is None else self.page(page), level

    def anon(self, anon: AnonVma | None) -> int:
        """The number of a reverse map of anonymous pages, -1 for none."""
        return -1 if anon is None else self._anons.setdefault(id(anon), len(self._anons))

    def file(self, file: Any) -> Any:
        """A file: those that never change by their number."""
        if file is None:
            return None
        named = _BY_IDENTITY.get(id(file))
        if named is not None:
            return named
        if is_dataclass(file) and not isinstance(file, type) and file.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            return _constant(file)
        return self.pack(file)

    def pack(self, value: Any) -> Any:
        """*value* as plain values.

        :raises Undecided: it holds what has no value, as a function
        """
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is PfnRange:
            return ("t", _class_name(kind), *value)
        known = self._known.get(id(value))
        if known is not None:
            return known
        if type(value) is Vma and id(value) in self.vmas:
            return "v", self.vmas[id(value)]
        if isinstance(value, tuple):
            return ("t", _class_name(type(value)), *map(self.pack, value))
        if isinstance(value, Page):
            return "p", self.page(value)
        if isinstance(value, AnonVma):
            return "a", self.anon(value)
        if isinstance(value, Enum):
            return "e", _class_name(type(value)), value.value
        if isinstance(value, FunctionType | BuiltinFunctionType | MethodType | type):
            raise Undecided(f"a policy or driver remembers {value!r}, which is no value the checker can keep")
        self._kept.append(value)
        self._known[id(value)] = ("o", len(self._kept))
        if isinstance(value, list):
            return ("l", *map(self.pack, value))
        if isinstance(value, dict):
            return ("d", *((self.pack(key), self.pack(one)) for key, one in value.items()))
        if isinstance(value, set | frozenset):
            before = len(self._kept)
            members = sorted((self.pack(one) for one in value), key=repr)
            if len(self._kept) > before:
                raise Undecided("a policy or driver remembers a set of objects, whose order is no value")
            return (_class_name(type(value)), *members)
        return ("O", _class_name(type(value)), *self.attributes(value))

    def attributes(self, value: Any) -> list[Any]:
        """The attributes of an object, names and values in turn."""
        found: list[Any] = []
        for name in _attributes(value):
            found += (name, self.pack(getattr(value, name)))
        return found


def freeze(kernel: Kernel, naming: Naming | None = None) -> bytes:
    """Everything about *kernel* that outlives an operation; kernel log and events do not.

    :param naming: what its tasks and areas are called instead; what only names or counts is left out then:
        process numbers, contents of pages, accessed bits, counters that only grow, warnings given once
    :raises Undecided: a policy remembers something that is no value
    """
    tasks = list(kernel.tasks.values()) if naming is None else naming.tasks
    mms = list({id(task.mm): task.mm for task in tasks}.values())
    vmas = [vma for mm in mms for vma in mm._vmas]
    packing = Packing(kernel, mms, vmas, naming)
    numbers = {id(mm): number for number, mm in enumerate(mms)}
    spaces = tuple([_space(mm, packing, naming) for mm in mms])
    run = packing.run
    value: tuple[Any, ...] = (
        spaces,
        tuple(
            [(numbers[id(task.mm)], tuple(map(run, task.tlb._entries.values()))) for task in tasks]
            if naming is None
            else [
                (numbers[id(task.mm)], tuple(sorted(map(run, task.tlb._entries.values())))) for task in tasks
            ]
        ),
        tuple([packing.vmas[id(vma)] for vma in kernel.i_mmap]),
        _booked(kernel.book),
        (
            tuple([tuple(one) for one in kernel.platform.phys.resources if one.busy and not one.system_ram]),
            tuple(map(tuple, kernel.undecoded)),
        ),
        _remembered(kernel, vmas, packing),
        tuple(
            [
                (0 if naming else page.value, page.mapcount, page.exclusive, page.anonymous, page.dirty)
                for page in packing.pages
            ]
        ),
        None
        if naming is not None
        else (
            tuple((task.comm, task.pid) for task in tasks),
            tuple(mm.tlb_gen for mm in mms),
            tuple(kernel.memory.items()),
            (kernel._next_pid, tuple(sorted(kernel._warned)), tuple(sorted(kernel.book._warned))),
        ),
    )
    return marshal.dumps(value, 2)


def _booked(book: MemtypeBook) -> tuple[tuple[tuple[int, int, int], ...], ...]:
    """What the book holds: reservations, types of RAM, modes of the direct map."""
    parts = (book._entries, book._ram_types.runs(), book._direct_map.runs())
    return tuple(tuple((start, end, int(mode)) for start, end, mode in part) for part in parts)


def _remembered(kernel: Kernel, vmas: list[Vma], packing: Packing) -> tuple[Any, ...]:
    """What policies and drivers remember, in an order that :func:`thaw` repeats."""
    return (
        tuple(packing.attributes(unguarded(kernel.tracker))),
        tuple(packing.attributes(unguarded(kernel.flushes))),
        tuple(packing.pack(vma.pfnmap) for vma in vmas),
        packing.pack(kernel.driver),
        packing.pack(kernel.vfio),
        packing.pack(kernel.pci),
    )


def thaw(value: bytes, blank: Callable[[], Kernel]) -> Kernel:
    """A kernel that goes on where the frozen one stood.

    :param blank: a kernel just booted, with the same profile, platform and policies
    """
    spaces, tasks, i_mmap, booked, machine, remembered, pages, exact = marshal.loads(value)
    kernel = blank()
    unpacking = _Unpacking(kernel, pages)
    for space in spaces:
        unpacking.space(space)
    vmas = unpacking.vmas
    files = [vma[5] for space in spaces for vma in space[-1]]
    for vma, file in zip(vmas, files, strict=True):
        if file is not None:
            vma.file = unpacking.unpack(file)
    for at, (number, translations) in enumerate(tasks):
        comm, pid = exact[0][at] if exact else (task_name(at), _FIRST_PID + at)
        task = kernel.tasks[comm] = Task(comm, pid, unpacking.mms[number])
        for run in translations:
            task.tlb.fill(unpacking.run(run))
    kernel._next_pid = _FIRST_PID + len(tasks)
    kernel._current = next(iter(kernel.tasks.values()), None)
    kernel.i_mmap = [vmas[number] for number in i_mmap]
    book = kernel.book
    if booked[0]:
        book.load([MemtypeEntry(start, end, _MODES[mode]) for start, end, mode in booked[0]])
    for runs, part in ((booked[1], book._ram_types), (booked[2], book._direct_map)):
        if runs:
            part._runs = MemtypeIntervals(MemtypeEntry(start, end, _MODES[mode]) for start, end, mode in runs)
    for resource in machine[0]:
        kernel.claim(Resource(*resource))
    kernel.undecoded = tuple(PfnRange(*pfns) for pfns in machine[1])
    tracker, flushes, pfnmaps, driver, vfio, pci = remembered
    unpacking.attributes(unguarded(kernel.tracker), tracker)
    unpacking.attributes(unguarded(kernel.flushes), flushes)
    # In the order in which they were packed: a number stands for what was met before.
    for vma, pfnmap in zip(vmas, pfnmaps, strict=True):
        if pfnmap is not None:
            vma.pfnmap = unpacking.unpack(pfnmap)
    kernel.driver = unpacking.unpack(driver)
    kernel.vfio = unpacking.unpack(vfio)
    kernel.pci = unpacking.unpack(pci)
    if exact:
        for mm, generation in zip(unpacking.mms, exact[1], strict=True):
            mm.tlb_gen = generation
        kernel.memory = dict(exact[2])
        kernel._next_pid = exact[3][0]
        kernel._warned, book._warned = set(exact[3][1]), frozenset(exact[3][2])
    return kernel


def _space(mm: MmStruct, packing: Packing, naming: Naming | None) -> tuple[Any, ...]:
    tables, file, anon, run = mm.tables, packing.file, packing.anon, packing.run
    spans = [tuple(tables._tables[level]) for level in TABLE_PAGES]
    moved = naming.moved if naming is not None else None
    if moved:
        # All areas lie in one PUD table, so its span has no name to change.
        spans[:2] = [
            tuple((_at(start, moved), _at(end - 1, moved) + 1) for start, end in one) for one in spans[:2]
        ]
    return (
        *(mm.def_flags, mm.stacks_shared, mm.visible),
        tuple(spans),
        tuple(map(run, tables._runs)),
        tuple(
            [
                (
                    *(
                        _at(vma.start, moved),
                        _at(vma.end - 1, moved) + 1,
                        vma.pgoff,
                        vma.flags,
                        vma.page_prot,
                    ),
                    *(None if vma.file is None else file(vma.file), anon(vma.anon_vma)),
                )
                for vma in mm._vmas
            ]
        ),
    )


class _Unpacking:
    # The other direction; numbers count as in Packing.

    def __init__(self, kernel: Kernel, pages: Iterable[tuple[Any, ...]]) -> None:
        self.kernel = kernel
        self.mms: list[MmStruct] = []
        self.vmas: list[Vma] = []
        self._anons: dict[int, AnonVma] = {}
        self._met: list[Any] = []
        self._pages: list[Page] = []
        for value, mapcount, exclusive, anonymous, dirty in pages:
            page = Page(value, anonymous=anonymous)
            page.mapcount, page.exclusive, page.dirty = mapcount, exclusive, dirty
            self._pages.append(page)

    def space(self, space: tuple[Any, ...]) -> None:
        mm = MmStruct(self.kernel)
        self.mms.append(mm)
        mm.def_flags, mm.stacks_shared, mm.visible, tables, runs, vmas = space
        for level, spans in zip(TABLE_PAGES, tables, strict=True):
            if spans:
                mm.tables._tables[level] = _spans(spans)
        mm.tables._runs = [self.run(run) for run in runs]
        mm.tables._starts = [run[0] for run in runs]
        for start, end, pgoff, flags, prot, _, anon in vmas:
            vma = Vma(mm, start, end, pgoff=pgoff, flags=flags, page_prot=prot, file=None)
            self.vmas.append(vma)
            mm._vmas.append(vma)
            mm._starts.append(start)
            if anon >= 0:
                vma.anon_vma = self.anon(anon)

    def anon(self, number: int) -> AnonVma:
        return self._anons.setdefault(number, AnonVma())

    def run(self, run: tuple[int, ...]) -> Run:
        start, end, pfn, bits, page, level = run
        return Run(start, end, pfn, bits, self._pages[page] if page >= 0 else None, level)

    def unpack(self, value: Any) -> Any:
        if type(value) is not tuple:
            return value
        match value[0]:
            case "c":
                return _CONSTANTS[value[1]]
            case "K":
                return unguarded(getattr(self.kernel, value[1])) if value[1] else self.kernel
            case "m":
                return self.mms[value[1]]
            case "v":
                return self.vmas[value[1]]
            case "p":
                return self._pages[value[1]]
            case "a":
                return self.anon(value[1])
            case "o":
                return self._met[value[1] - 1]
            case "e":
                return _CLASSES[value[1]](value[2])
            case "t":
                cls = _CLASSES[value[1]]
                items = map(self.unpack, value[2:])
                return tuple(items) if cls is tuple else cls(*items)
        return self._object(value)

    def _object(self, value: tuple[Any, ...]) -> Any:
        kind, rest = value[0], value[1:]
        made: Any
        if kind == "l":
            made = []
            self._met.append(made)
            made.extend(map(self.unpack, rest))
        elif kind == "d":
            made = {}
            self._met.append(made)
            made.update((self.unpack(key), self.unpack(one)) for key, one in rest)
        elif kind == "O":
            cls = _CLASSES[rest[0]]
            made = cls.__new__(cls)
            self._met.append(made)
            self.attributes(made, rest[1:])
        else:
            cls = _CLASSES[kind]
            self._met.append(None)
            at = len(self._met) - 1
            made = self._met[at] = cls(map(self.unpack, rest))
        return made

    def attributes(self, made: Any, packed: Iterable[Any]) -> None:
        turns = iter(packed)
        for name, value in zip(turns, turns, strict=True):
            object.__setattr__(made, name, self.unpack(value))


def _attributes(value: Any) -> Iterable[str]:
    """The names of the attributes an object has, of slots and its dictionary."""
    slots = _SLOTS.get(type(value))
    if slots is None:
        declared = [cls.__dict__.get("__slots__", ()) for cls in type(value).__mro__]
        names = [name for one in declared for name in ((one,) if isinstance(one, str) else one)]
        slots = _SLOTS[type(value)] = [name for name in names if name not in ("__dict__", "__weakref__")]
    there = [name for name in slots if hasattr(value, name)] if slots else slots
    own = getattr(value, "__dict__", None)
    return [*there, *own] if own else there


def _spans(spans: Sequence[tuple[int, int]]) -> SpanSet:
    made = SpanSet()
    made._starts = [start for start, _ in spans]
    made._ends = [end for _, end in spans]
    return made


def _class_name(cls: type) -> int:
    name = _CLASS_NAMES.get(cls)
    if name is None:
        name = _CLASS_NAMES[cls] = _short(f"{cls.__module__}:{cls.__qualname__}")
        _CLASSES[name] = cls
    return name


def _constant(value: Any) -> tuple[str, int]:
    named = _BY_VALUE.get(value)
    if named is None:
        spelling = repr(tuple((one.name, getattr(value, one.name)) for one in fields(value)))
        named = _BY_VALUE[value] = ("c", _short(f"{type(value)}{spelling}"))
        _CONSTANTS[named[1]] = value
        _BY_IDENTITY[id(value)] = named
    return named


def _short(spelling: str) -> int:
    """A number for a name, the same in every process."""
    return int.from_bytes(blake2s(spelling.encode(), digest_size=6).digest(), "big")
