"""Objects as plain values and back: what policies, drivers and VMAs hold, whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import blake2s
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from pfnlab.checker.kernel.naming import KEPT_BITS, Naming, at_page
from pfnlab.errors import Undecided
from pfnlab.hw.pgtable import EntryRun, Page
from pfnlab.mm.kernel import Kernel
from pfnlab.mm.processors import Need, RwLock
from pfnlab.mm.space import MmStruct
from pfnlab.mm.vma import AnonVma, Vma
from pfnlab.policies.guard import unguarded

_PLAIN = frozenset((int, str, bool, type(None), float, bytes))

#: Parts of a kernel others may point to.
_PARTS = ("book", "trace", "processors", "tracker", "flushes", "profile")

#: Classes met so far, and values that never change, each once: both are said by a short number. The first
#: process that searches has met all of them before any other begins.
_CLASSES: dict[int, Any] = {}
_CLASS_NAMES: dict[type, int] = {}
_CONSTANTS: dict[int, Any] = {}
_BY_VALUE: dict[Any, tuple[str, int]] = {}
_BY_IDENTITY: dict[int, tuple[str, int]] = {}

#: How :meth:`Packing.pack` takes objects of a class, a letter, mostly that of the value it makes; and the
#: number of the class.
_FORMS: dict[type, tuple[str, int]] = {}

#: The forms of what can change.
_MET_AGAIN = "Olds"

#: The slots of classes.
_SLOTS: dict[type, tuple[str, ...]] = {}

#: What a slot without a value has.
_EMPTY = object()


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
        self._bits = -1 if naming is None else KEPT_BITS
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

    def run(self, run: EntryRun) -> tuple[int, ...]:
        """Entries of page tables."""
        start, end, pfn, bits, page, level = run
        if self._moved:
            start, end = at_page(start, self._moved), at_page(end - 1, self._moved) + 1
        return start, end, pfn, bits & self._bits, -1 if page is None else self.page(page), level

    def anon(self, anon: AnonVma | None) -> int:
        """The number of a reverse map of anonymous pages, -1 for none."""
        return -1 if anon is None else self._anons.setdefault(id(anon), len(self._anons)) * 2 + anon.inherited

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
        known = self._known.get(id(value))
        if known is not None:
            return known
        form, name = _FORMS.get(kind) or _form(kind)
        if form == "t":
            return ("t", name, *self._all(value))
        if form in _MET_AGAIN:
            return self._object(value, form, name)
        if form == "v":
            number = self.vmas.get(id(value))
            return ("v", number) if number is not None else self._object(value, "O", name)
        if form == "p":
            return "p", self.page(value)
        if form == "a":
            return "a", self.anon(value)
        if form == "e":
            return "e", name, value._value_
        if form == "k":
            return "k", value.need._value_
        raise Undecided(f"a policy or driver remembers {value!r}, which is no value the checker can keep")

    def _object(self, value: Any, form: str, name: int) -> Any:
        """What can change, and is the same object wherever it is met."""
        self._kept.append(value)
        self._known[id(value)] = ("o", len(self._kept))
        if form == "O":
            return ("O", name, *self.attributes(value))
        if form == "l":
            return ("l", *self._all(value))
        if form == "d":
            return ("d", *[(self.pack(key), self.pack(one)) for key, one in value.items()])
        before = len(self._kept)
        members = sorted(self._all(value), key=repr)
        if len(self._kept) > before:
            raise Undecided("a policy or driver remembers a set of objects, whose order is no value")
        return (name, *members)

    def _all(self, values: Iterable[Any]) -> list[Any]:
        pack = self.pack
        return [one if type(one) in _PLAIN else pack(one) for one in values]

    def attributes(self, value: Any) -> tuple[Any, ...]:
        """The attributes of an object: their names, and then their values."""
        names, values = _attributes(value)
        return names, *self._all(values)


class Unpacking:
    """The other direction; numbers count as in :class:`Packing`.

    :param pages: ordinary pages, by their numbers
    """

    def __init__(self, kernel: Kernel, pages: Iterable[tuple[Any, ...]]) -> None:
        self.kernel = kernel
        self.mms: list[MmStruct] = []
        self.vmas: list[Vma] = []
        self._anons: dict[int, AnonVma] = {}
        self._met: list[Any] = []
        self._pages: list[Page] = []
        for value, mapcount, exclusive, anonymous, dirty, batched in pages:
            page = Page(value, anonymous=anonymous)
            page.mapcount, page.exclusive, page.dirty = mapcount, exclusive, dirty
            if batched:
                kernel.mlock_batch.add(page)
            self._pages.append(page)

    def space(self, space: tuple[Any, ...]) -> None:
        """One address space more; files and what trackers remember come later."""
        mm = MmStruct(self.kernel)
        self.mms.append(mm)
        mm.def_flags, mm.stacks_shared, mm.visible, tables, runs, vmas = space
        mm.tables.load([self.run(run) for run in runs], tables)
        own = []
        for start, end, pgoff, flags, prot, _, anon in vmas:
            vma = Vma(mm, start, end, pgoff=pgoff, flags=flags, page_prot=prot, file=None)
            own.append(vma)
            if anon >= 0:
                vma.anon_vma = self.anon(anon)
        mm.load(own)
        self.vmas.extend(own)

    def anon(self, number: int) -> AnonVma:
        """The reverse map of that number."""
        return self._anons.setdefault(number, AnonVma(inherited=bool(number % 2)))

    def run(self, run: tuple[int, ...]) -> EntryRun:
        """Entries of page tables."""
        start, end, pfn, bits, page, level = run
        return EntryRun(start, end, pfn, bits, self._pages[page] if page >= 0 else None, level)

    def unpack(self, value: Any) -> Any:
        """What :meth:`Packing.pack` made a plain value of."""
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
            case "k":
                # Nobody has a lock between two operations.
                return RwLock(self.kernel.processors, Need(value[1]))
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

    def attributes(self, made: Any, packed: tuple[Any, ...]) -> None:
        """Give an object its attributes."""
        names, *values = packed
        for name, value in zip(names, values, strict=True):
            object.__setattr__(made, name, self.unpack(value))


def _form(cls: type) -> tuple[str, int]:
    forms: list[tuple[str, Any]] = [
        *(("v", Vma), ("t", tuple), ("p", Page), ("a", AnonVma), ("e", Enum), ("k", RwLock)),
        ("f", (FunctionType, BuiltinFunctionType, MethodType, type)),
        *(("l", list), ("d", dict), ("s", (set, frozenset))),
    ]
    form = next((form for form, kinds in forms if issubclass(cls, kinds)), "O")
    ours = all(getattr(cls, name) is getattr(object, name) for name in ("__reduce__", "__reduce_ex__"))
    if (form == "O" and not ours) or (form in "lds" and cls not in (list, dict, set, frozenset)):
        # It holds what is no attribute, as a deque, a Counter or an iterator does.
        form = "f"
    _FORMS[cls] = form, _class_name(cls)
    return _FORMS[cls]


def _attributes(value: Any) -> tuple[tuple[str, ...], Iterable[Any]]:
    """The names of the attributes an object has, of slots and its dictionary, and their values."""
    own = getattr(value, "__dict__", None) or {}
    slots = slots_of(type(value))
    if not slots:
        return tuple(own), own.values()
    values = [getattr(value, name, _EMPTY) for name in slots]
    if any(one is _EMPTY for one in values):
        slots = tuple(name for name in slots if hasattr(value, name))
        values = [getattr(value, name) for name in slots]
    return (*slots, *own), [*values, *own.values()]


def slots_of(cls: type) -> tuple[str, ...]:
    """The slots that objects of a class have."""
    slots = _SLOTS.get(cls)
    if slots is None:
        declared = [one.__dict__.get("__slots__", ()) for one in cls.__mro__]
        names = [name for one in declared for name in ((one,) if isinstance(one, str) else one)]
        slots = _SLOTS[cls] = tuple(name for name in names if name not in ("__dict__", "__weakref__"))
    return slots


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


def met() -> set[int]:
    """The numbers of the classes and values met so far: of no others can anything be unpacked."""
    return {*_CLASSES, *_CONSTANTS}


def _short(spelling: str) -> int:
    """A number for a name, the same in every process."""
    return int.from_bytes(blake2s(spelling.encode(), digest_size=6).digest(), "big")
