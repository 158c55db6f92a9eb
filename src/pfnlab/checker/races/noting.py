"""Records attribute accesses: a watched class gets its own methods for reading and setting attributes."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import FunctionType
from typing import Any

from pfnlab.kernel.hw.tlb import Tlb
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.locks import RwLock
from pfnlab.kernel.mm.memtype import MemtypeBook
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.table_locks import TableLocks
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.mm.vma_locks import VmaLocks

#: Attributes that are not state: constants, references to recorded objects, and counters for readers.
QUIET: dict[type, tuple[str, ...]] = {
    MmStruct: ("kernel", "tables", "mmap_lock", "vma_locks", "table_locks", "tlb_gen"),
    Vma: ("mm",),
    Task: ("comm", "pid", "tlb", "exec_update_lock"),
    # Whether an entry has been used since then is not part of a state, nor is the accessed bit.
    Tlb: ("flushed", "_aged", "_spared"),
    RwLock: ("_processors", "need", "_unlocked"),
    TableLocks: ("_processors", "_tables"),
    VmaLocks: ("_processors",),
    MemtypeBook: ("platform", "trace", "_processors", "lock", "report", "warned"),
    Kernel: (
        *("profile", "trace", "processors", "book", "i_mmap_rwsems", "device_lock"),
        *("current", "warned", "next_pid", "additional_pages"),
        # It does not matter for races.
        "committed",
        # Used only during a turn of a task that has left `tasks`.
        "exiting",
        # A page's membership is recorded with the page.
        "mlock_batch",
    ),
}

#: Called with the object, the attribute's name, and whether it is being set.
Note = Callable[[Any, str, bool], None]
_NOTES: list[Mapping[type, Note]] = []
_METHODS: dict[tuple[type, bool], tuple[Any, Any]] = {}


def notable(kinds: Iterable[type]) -> list[type]:
    """The Python classes whose attribute accesses can be recorded because they define no accessors."""
    return list(filter(_is_notable, kinds))


@cache
def _is_notable(kind: type) -> bool:
    methods = ("__getattribute__", "__setattr__")
    return bool(kind.__flags__ & _HEAP_TYPE) and not any(
        method in base.__dict__ for base in kind.__mro__[:-1] for method in methods
    )


#: Py_TPFLAGS_HEAPTYPE: the class comes from a class statement.
_HEAP_TYPE = 1 << 9


@cache
def methods_of(kind: type[Any]) -> frozenset[str]:
    """The names of the methods and properties of *kind*."""
    return frozenset(name for name in dir(kind) if isinstance(getattr(kind, name), FunctionType | property))


@contextmanager
def noting(notes: Mapping[type, Note], with_methods: Collection[type] = ()) -> Iterator[None]:
    """Record each attribute access on objects of these classes while this context is active.

    :param with_methods: the classes whose methods are recorded, too
    """
    _NOTES.append(notes)
    for kind in notes:
        _watch(kind, kind in with_methods)
    try:
        yield
    finally:
        _NOTES.pop()
        for kind in notes:
            _unwatch(kind)


def _watch(kind: type, with_methods: bool) -> None:
    key = kind, with_methods
    if key not in _METHODS:
        _METHODS[key] = _noting_methods(kind, with_methods)
    kind.__getattribute__, kind.__setattr__ = _METHODS[key]  # type: ignore[method-assign]


def _unwatch(kind: type) -> None:
    del kind.__getattribute__, kind.__setattr__


def _noting_methods(kind: type, with_methods: bool) -> tuple[Any, Any]:
    """The methods that read and set attributes of *kind* and record those that are state."""
    methods = () if with_methods else methods_of(kind)
    quiet = frozenset((*dir(object), *QUIET.get(kind, ()), *methods))
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
