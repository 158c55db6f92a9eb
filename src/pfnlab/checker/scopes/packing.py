"""Objects as plain values and back: all data of policies, drivers and VMAs, also in user-defined policies."""

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import blake2s
from operator import attrgetter
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from pfnlab.base.errors import Undecided
from pfnlab.checker.scopes.declared_fields import restore
from pfnlab.checker.scopes.naming import KEPT_BITS, EntryRow, Naming, at_page
from pfnlab.checker.search.model import UnmetError
from pfnlab.kernel.hw.pgtable import EntryRun, Page
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.locks import RwLock
from pfnlab.kernel.mm.processors import Need
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.vma import AnonVma, Vma

_PLAIN = frozenset((int, str, bool, type(None), float, bytes))

#: Parts of a kernel that other objects may refer to.
_PARTS = ("book", "trace", "processors", "tracker", "flushes", "profile")


class _Registry(dict[int, Any]):
    """The values that numbers refer to in this process; a number of another process is refused."""

    def __missing__(self, number: int) -> Any:
        raise UnmetError


#: The registered classes, and the registered values that never change, each once, with a short number. The
#: first process of a search has registered all of them before any other begins.
_CLASSES = _Registry()
_CLASS_NAMES: dict[type, int] = {}
_CONSTANTS = _Registry()
_BY_VALUE: dict[Any, tuple[str, int]] = {}
_BY_IDENTITY: dict[int, tuple[str, int]] = {}

#: The names of attributes by number, and the reverse.
_LAYOUTS = _Registry()
_LAYOUT_NUMBERS: dict[tuple[str, ...], int] = {}

#: By class, the form in which :meth:`Packing.pack` packs its objects, and the number of the class. A form is
#: a letter, mostly the one that begins the packed value.
_FORMS: dict[type, tuple[str, int]] = {}

#: The forms of mutable objects.
_MUTABLE_FORMS = "Olds"

#: The slots of classes.
_SLOTS: dict[type, tuple[str, ...]] = {}

#: By class, a function that returns the values of all of its slots.
_SLOT_VALUES: dict[type, Callable[[Any], tuple[Any, ...]]] = {}


class Packing:
    """Converts objects into plain values, with a number for each object that occurs again.

    :param vmas: VMAs that are replaced by a number
    :param mms: address spaces that are replaced by a number
    """

    def __init__(
        self, kernel: Kernel, mms: list[MmStruct], vmas: list[Vma], naming: Naming | None = None
    ) -> None:
        self._bits = -1 if naming is None else KEPT_BITS
        self._labels: dict[int, Any] = {id(getattr(kernel, part)): ("K", part) for part in _PARTS}
        self._labels[id(kernel)] = ("K", "")
        self._labels[id(kernel.tracker)] = ("K", "tracker")
        for number, mm in enumerate(mms):
            self._labels[id(mm)] = ("m", number)
        self.vmas = {id(vma): number for number, vma in enumerate(vmas)}
        self.pages: list[Page] = []
        self._page_numbers: dict[int, int] = {}
        self._anons: dict[int, int] = {}
        self._packed_objects: list[object] = []

    def page(self, page: Page | None) -> int:
        """The number of an ordinary page, or -1 for None."""
        if page is None:
            return -1
        number = self._page_numbers.get(id(page))
        if number is None:
            number = self._page_numbers[id(page)] = len(self.pages)
            self.pages.append(page)
        return number

    def run(self, run: EntryRun, moved: dict[int, int]) -> EntryRow:
        """Entries of page tables.

        :param moved: the number of pages by which each area moves down, by the area's number
        """
        start, end, pfn, bits, page, level = run
        if moved:
            start, end = at_page(start, moved), at_page(end - 1, moved) + 1
        return start, end, pfn, bits & self._bits, -1 if page is None else self.page(page), level

    def anon(self, anon: AnonVma | None) -> int:
        """The number of a reverse map of anonymous pages, or -1 for None."""
        return -1 if anon is None else self._anons.setdefault(id(anon), len(self._anons)) * 2 + anon.inherited

    def file(self, file: Any) -> Any:
        """A file as a plain value: its number if it, and everything it refers to, never changes."""
        if file is None:
            return None
        label = _BY_IDENTITY.get(id(file))
        if label is not None:
            return label
        if _varies(type(file)) is None:
            if _is_constant(file):
                return _constant(file)
            # Equal files cannot be told apart later.
            return ("F", _class_name(type(file)), *self.attributes(file))
        return self.pack(file)

    def pack(self, value: Any) -> Any:
        """*value* as plain values.

        :raises Undecided: if it contains an object without a value, such as a function
        """
        kind = type(value)
        if kind in _PLAIN:
            return value
        label = self._labels.get(id(value))
        if label is not None:
            return label
        form, name = _FORMS.get(kind) or _form(kind)
        if form == "t":
            return ("t", name, *self._items(value))
        if form in _MUTABLE_FORMS:
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
        raise Undecided(f"a policy or driver stores {value!r}, a value the checker cannot save")

    def _object(self, value: Any, form: str, name: int) -> Any:
        """A mutable object: it has an identity, and is referred to by a number from then on."""
        self._packed_objects.append(value)
        self._labels[id(value)] = ("o", len(self._packed_objects))
        if form == "O":
            return ("O", name, *self.attributes(value))
        if form == "l":
            return ("l", *self._items(value))
        if form == "d":
            return ("d", *[(self.pack(key), self.pack(item)) for key, item in value.items()])
        before = len(self._packed_objects)
        members = sorted(self._items(value), key=repr)
        if len(self._packed_objects) > before:
            raise Undecided("a policy or driver stores a set of objects, which has no order to save")
        return (name, *members)

    def _items(self, values: Iterable[Any]) -> list[Any]:
        pack = self.pack
        return [value if type(value) in _PLAIN else pack(value) for value in values]

    def attributes(self, value: Any) -> tuple[Any, ...]:
        """The attributes of an object: the number of their names, and then their values."""
        names, values = _attributes(value)
        return _LAYOUT_NUMBERS.get(names) or _layout(names), *self._items(values)


class Unpacking:
    """The reverse of :class:`Packing`, with the same numbers.

    :param pages: ordinary pages, by their numbers
    """

    def __init__(self, kernel: Kernel, pages: Iterable[tuple[Any, ...]]) -> None:
        self.kernel = kernel
        self.mms: list[MmStruct] = []
        self.vmas: list[Vma] = []
        self._anons: dict[int, AnonVma] = {}
        self._objects: list[Any] = []
        self._pages: list[Page] = []
        for value, batched, plain in pages:
            page = Page(value)
            restore(page, plain)
            if batched:
                kernel.mlock_batch.add(page)
            self._pages.append(page)

    def space(self, space: tuple[Any, ...]) -> None:
        """Add an address space; files and the memory of trackers come later."""
        mm = MmStruct(self.kernel)
        self.mms.append(mm)
        plain, tables, runs, vmas = space
        restore(mm, plain)
        mm.tables.load([self.run(run) for run in runs], tables)
        new_vmas = []
        for start, end, vma_plain, _, anon in vmas:
            vma = Vma(mm, start, end, pgoff=0, flags=0, page_prot=0, file=None)
            restore(vma, vma_plain)
            new_vmas.append(vma)
            if anon >= 0:
                vma.anon_vma = self.anon(anon)
        mm.load(new_vmas)
        self.vmas.extend(new_vmas)

    def anon(self, number: int) -> AnonVma:
        """The reverse map of that number."""
        return self._anons.setdefault(number, AnonVma(inherited=bool(number % 2)))

    def run(self, run: tuple[int, ...]) -> EntryRun:
        """Entries of page tables."""
        start, end, pfn, bits, page, level = run
        return EntryRun(start, end, pfn, bits, self._pages[page] if page >= 0 else None, level)

    def unpack(self, value: Any) -> Any:
        """The object from which :meth:`Packing.pack` made *value*."""
        if type(value) is not tuple:
            return value
        match value[0]:
            case "c":
                return _CONSTANTS[value[1]]
            case "K":
                return getattr(self.kernel, value[1]) if value[1] else self.kernel
            case "m":
                return self.mms[value[1]]
            case "v":
                return self.vmas[value[1]]
            case "p":
                return self._pages[value[1]]
            case "a":
                return self.anon(value[1])
            case "o":
                return self._objects[value[1] - 1]
            case "e":
                return _CLASSES[value[1]](value[2])
            case "k":
                # No task holds a lock between two operations.
                return RwLock(self.kernel.processors, Need(value[1]))
            case "t":
                cls = _CLASSES[value[1]]
                items = map(self.unpack, value[2:])
                return tuple(items) if cls is tuple else cls(*items)
        return self._object(value)

    def _object(self, value: tuple[Any, ...]) -> Any:
        kind, items = value[0], value[1:]
        instance: Any
        if kind == "F":
            cls = _CLASSES[items[0]]
            instance = cls.__new__(cls)
            self.attributes(instance, items[1:])
        elif kind == "l":
            instance = []
            self._objects.append(instance)
            instance.extend(map(self.unpack, items))
        elif kind == "d":
            instance = {}
            self._objects.append(instance)
            instance.update((self.unpack(key), self.unpack(item)) for key, item in items)
        elif kind == "O":
            cls = _CLASSES[items[0]]
            instance = cls.__new__(cls)
            self._objects.append(instance)
            self.attributes(instance, items[1:])
        else:
            cls = _CLASSES[kind]
            self._objects.append(None)
            place = len(self._objects) - 1
            instance = self._objects[place] = cls(map(self.unpack, items))
        return instance

    def attributes(self, instance: Any, packed: tuple[Any, ...]) -> None:
        """Give an object its attributes."""
        layout, *values = packed
        for name, value in zip(_LAYOUTS[layout], values, strict=True):
            object.__setattr__(instance, name, self.unpack(value))


def _form(cls: type) -> tuple[str, int]:
    forms: list[tuple[str, Any]] = [
        *(("v", Vma), ("t", tuple), ("p", Page), ("a", AnonVma), ("e", Enum), ("k", RwLock)),
        ("f", (FunctionType, BuiltinFunctionType, MethodType, type)),
        *(("l", list), ("d", dict), ("s", (set, frozenset))),
    ]
    form = next((form for form, kinds in forms if issubclass(cls, kinds)), "O")
    default_reduce = all(
        getattr(cls, name) is getattr(object, name) for name in ("__reduce__", "__reduce_ex__")
    )
    if (form == "O" and not default_reduce) or (form in "lds" and cls not in (list, dict, set, frozenset)):
        # Part of its content is not in attributes, e.g. in a deque, a Counter or an iterator.
        form = "f"
    _FORMS[cls] = form, _class_name(cls)
    return _FORMS[cls]


def _attributes(value: Any) -> tuple[tuple[str, ...], Iterable[Any]]:
    """The names and the values of the attributes of an object, from its slots and its dictionary."""
    dictionary = getattr(value, "__dict__", None) or {}
    slots = slots_of(type(value))
    if not slots:
        return tuple(dictionary), dictionary.values()
    try:
        values: Iterable[Any] = (_SLOT_VALUES.get(type(value)) or _slot_values(type(value), slots))(value)
    except AttributeError:
        # Some have no value yet.
        slots = tuple(name for name in slots if hasattr(value, name))
        values = [getattr(value, name) for name in slots]
    return (*slots, *dictionary) if dictionary else slots, [*values, *dictionary.values()]


def _slot_values(cls: type, slots: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    get = attrgetter(*slots)
    _SLOT_VALUES[cls] = get if len(slots) > 1 else lambda value: (get(value),)
    return _SLOT_VALUES[cls]


def slots_of(cls: type) -> tuple[str, ...]:
    """The slots that objects of a class have."""
    slots = _SLOTS.get(cls)
    if slots is None:
        declarations = [base.__dict__.get("__slots__", ()) for base in cls.__mro__]
        names = [name for entry in declarations for name in ((entry,) if isinstance(entry, str) else entry)]
        slots = _SLOTS[cls] = tuple(name for name in names if name not in ("__dict__", "__weakref__"))
    return slots


def _class_name(cls: type) -> int:
    name = _CLASS_NAMES.get(cls)
    if name is None:
        name = _CLASS_NAMES[cls] = _short(f"{cls.__module__}:{cls.__qualname__}")
        _CLASSES[name] = cls
    return name


def _layout(names: tuple[str, ...]) -> int:
    number = _LAYOUT_NUMBERS[names] = _short(f"{names}")
    _LAYOUTS[number] = names
    return number


#: By class, True if its instances are mutable; None if that depends on their content.
_VARYING: dict[type, bool | None] = {}


def _varies(cls: type) -> bool | None:
    """True if instances of *cls* are mutable; None for a tuple or a frozen dataclass, which may hold some."""
    if cls not in _VARYING:
        frozen = is_dataclass(cls) and cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
        plain = cls in _PLAIN or issubclass(cls, Enum)
        _VARYING[cls] = None if frozen or issubclass(cls, tuple) else not plain
    return _VARYING[cls]


def _is_constant(value: Any) -> bool:
    """True if neither *value* nor anything it refers to ever changes."""
    varies = _varies(type(value))
    if varies is not None:
        return not varies
    return all(map(_is_constant, value if isinstance(value, tuple) else _attributes(value)[1]))


def _constant(value: Any) -> tuple[str, int]:
    label = _BY_VALUE.get(value)
    if label is None:
        spelling = repr(tuple((field.name, getattr(value, field.name)) for field in fields(value)))
        label = _BY_VALUE[value] = ("c", _short(f"{type(value)}{spelling}"))
        _CONSTANTS[label[1]] = value
        _BY_IDENTITY[id(value)] = label
    return label


def _short(spelling: str) -> int:
    """A number for a name, the same in every process."""
    return int.from_bytes(blake2s(spelling.encode(), digest_size=6).digest(), "big")
