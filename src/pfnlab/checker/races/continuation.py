"""Continuations of stopped operations: their frames and variables as plain values.

Operations with equal continuations behave the same from there on, whatever happened before. So what remains
of a loop must be in a variable, because Python shows no other values in a frame.
"""

import dis
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache, partial
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any

import msgspec
from greenlet import greenlet

from pfnlab import programs
from pfnlab.base.trace import Trace
from pfnlab.kernel.hw.pgtable import Page, PageTables
from pfnlab.kernel.hw.tlb import Tlb
from pfnlab.kernel.mm import processors
from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.locks import LockGuard, RwLock
from pfnlab.kernel.mm.memtype import MemtypeBook
from pfnlab.kernel.mm.processors import Operation, Processors
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.table_locks import TableLockGuard, TableLocks, TablePiece
from pfnlab.kernel.mm.users.driver import DriverState
from pfnlab.kernel.mm.users.pci import PciDevice
from pfnlab.kernel.mm.users.vfio import VfioDevice
from pfnlab.kernel.mm.vma import AnonVma, Vma
from pfnlab.kernel.mm.vma_locks import VmaLocks, VmaRead
from pfnlab.kernel.policies import flushes, trackers
from pfnlab.programs.model import execution

_PLAIN = frozenset((int, str, bool, type(None), float, bytes))

#: Modules whose frames drive an operation; these frames do not change while it runs.
_DRIVING = (execution.__name__, processors.__name__)


class UnsayableError(Exception):
    """A continuation contains a value that cannot be compared."""


def in_policy(run: greenlet) -> bool:
    """True if *run* is stopped in policy code, or in code called by a policy."""
    return any(not _is_ours(module) or module.startswith(_POLICIES) for _, module in _frames(run))


def _frames(run: greenlet) -> Iterator[tuple[FrameType, str]]:
    """The frames of a stopped operation, innermost first, with their module names."""
    frame: FrameType | None = run.gr_frame
    while frame is not None:
        yield frame, frame.f_globals["__name__"]
        frame = frame.f_back


def _is_ours(module: str) -> bool:
    return module.startswith("pfnlab.") or module == "contextlib"


def variables(run: greenlet, name: Callable[[Any], Any]) -> Any:
    """The continuation of *run*: function, instruction and variables of each frame, innermost first.

    The progress of a loop is the value of its variable. Code outside this package might keep it elsewhere.

    :param name: returns the name of an object with an identity, or None if it has no name
    :raises UnsayableError: if a variable has a value that cannot be compared, a loop iterates over something
        not held in a variable, or the code is outside this package
    """
    frames = []
    for frame, module in _frames(run):
        if module in _DRIVING:
            continue
        if not _is_ours(module):
            raise UnsayableError(f"{module} is not of this package")
        _check_loops(frame)
        values = [(local, _plain(value, name)) for local, value in frame.f_locals.items()]
        frames.append((frame.f_code.co_qualname, frame.f_lasti, values))
    return frames


def _check_loops(frame: FrameType) -> None:
    """:raises UnsayableError: if a running loop in *frame* iterates over something not held in a variable"""
    at = frame.f_lasti
    for first, after, source in _loops(frame.f_code):
        if first <= at < after and not isinstance(frame.f_locals.get(source), list | tuple | dict):
            raise UnsayableError(f"line {frame.f_lineno} is in a loop through something without a name")


@cache
def _loops(code: CodeType) -> tuple[tuple[int, int, str], ...]:
    """The loops in *code*, except over constants: the first instruction, the one after the loop, and the
    variable.
    """
    loops, sources, before = [], [], ""
    for instruction in dis.get_instructions(code):
        if instruction.opname == "GET_ITER":
            sources.append(before)
        elif instruction.opname == "FOR_ITER" and (not sources or sources[-1] != _CONSTANT):
            loops.append((instruction.offset, int(instruction.argval), sources[-1] if sources else ""))
        before = _source(instruction)
    return tuple(loops)


_CONSTANT = "a constant"


def _source(instruction: dis.Instruction) -> str:
    """The object that *instruction* gives to a loop: a variable's name, or a marker for a constant."""
    if instruction.opname in ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_DEREF"):
        return str(instruction.argval)
    return _CONSTANT if instruction.opname == "LOAD_CONST" else ""


def _plain(value: Any, name: Callable[[Any], Any]) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    conversion = _CONVERSIONS.get(kind)
    if conversion is None:
        conversion = _CONVERSIONS[kind] = _conversion_of(kind, value)
    return conversion(value, name)


_Conversion = Callable[[Any, Callable[[Any], Any]], Any]


def _name_of(value: Any, name: Callable[[Any], Any]) -> Any:
    label = name(value)
    if label is None:
        raise UnsayableError(f"{type(value).__qualname__} has no name yet")
    return type(value).__name__, label


def _items(value: Any, name: Callable[[Any], Any]) -> Any:
    return (type(value).__name__, *[_plain(item, name) for item in value])


def _type_only(value: Any, name: Callable[[Any], Any]) -> Any:
    return type(value).__name__


def _unsayable(value: Any, name: Callable[[Any], Any]) -> Any:
    raise UnsayableError(f"{type(value).__qualname__} has no value that could be compared")


#: Conversions to plain values, by type; :func:`_conversion_of` adds further types.
_CONVERSIONS: dict[type, _Conversion] = {
    **dict.fromkeys((Vma, Page, AnonVma, MmStruct, PageTables, Tlb, RwLock), _name_of),
    **dict.fromkeys((TableLocks, VmaLocks), _name_of),
    # A kernel has only one of each, or they belong to a part that has its own value.
    **dict.fromkeys((Kernel, Processors, MemtypeBook, Profile, Trace, Operation), _type_only),
    **dict.fromkeys((DriverState, PciDevice, VfioDevice), _type_only),
    dict: lambda value, name: (
        "dict",
        *[(_plain(key, name), _plain(item, name)) for key, item in value.items()],
    ),
    MmuGather: lambda gather, name: ("gather", name(gather.mm), gather.state()),
    LockGuard: lambda locked, name: (*_name_of(locked.lock, name), locked.write),
    TableLockGuard: lambda locked, name: (*_name_of(locked.locks, name), _plain(locked.tables, name)),
    TablePiece: lambda piece, name: (
        *_name_of(piece.locks, name),
        *(piece.start, piece.end, _plain(piece.table, name)),
    ),
    VmaRead: lambda read, name: (*_name_of(read.locks, name), _name_of(read.vma, name)),
    Task: lambda task, name: ("task", task.comm),
    FunctionType: lambda function, name: (
        *("function", function.__qualname__),
        *[_plain(cell.cell_contents, name) for cell in function.__closure__ or ()],
    ),
    MethodType: lambda method, name: ("method", method.__func__.__qualname__, _plain(method.__self__, name)),
    partial: lambda call, name: ("partial", _plain(call.func, name), _plain(call.args, name)),
}


def _conversion_of(kind: type, value: Any) -> _Conversion:
    if isinstance(value, tuple | list):
        return _items
    if isinstance(value, Enum):
        return lambda value, name: (kind.__name__, value.name)
    # The operation's objects do not change, and a policy's data is part of the kernel.
    if isinstance(value, msgspec.Struct | type) or kind.__module__.startswith(_ELSEWHERE):
        return _type_only
    if getattr(getattr(kind, "__dataclass_params__", None), "frozen", False):
        return lambda value, name: (kind.__name__, repr(value))
    return _unsayable


_POLICIES = (f"{trackers.__name__}.", f"{flushes.__name__}.")
_ELSEWHERE = (f"{programs.__name__}.", processors.__name__, *_POLICIES)
