"""The continuation of a stopped operation: its frames and their variables, as plain values.

Operations with equal continuations go on alike, whatever each met before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from types import FrameType, FunctionType, MethodType
from typing import Any

import msgspec
from greenlet import greenlet

from pfnlab import programs
from pfnlab.hw.pgtable import Page, PageTables
from pfnlab.hw.tlb import Tlb
from pfnlab.mm import processors
from pfnlab.mm.gather import MmuGather
from pfnlab.mm.kernel import Kernel, Task
from pfnlab.mm.memtype import MemtypeBook
from pfnlab.mm.processors import Locked, Operation, Processors, RwLock
from pfnlab.mm.profile import Profile
from pfnlab.mm.space import MmStruct
from pfnlab.mm.users.driver import DriverState
from pfnlab.mm.users.pci import PciDevice
from pfnlab.mm.users.vfio import VfioDevice
from pfnlab.mm.vma import AnonVma, Vma
from pfnlab.policies import flushes, trackers
from pfnlab.programs.model import running
from pfnlab.trace import Trace

_PLAIN = frozenset((int, str, bool, type(None), float, bytes))

#: Modules whose frames drive an operation: they stay the same as long as it lasts.
_DRIVING = (running.__name__, processors.__name__)


class UnsayableError(Exception):
    """A continuation has no value that could be compared."""


def in_policy(run: greenlet) -> bool:
    """Whether *run* has stopped in a policy's code, or in code that such code called."""
    return any(not _is_ours(module) or module.startswith(_POLICIES) for _, module in _frames(run))


def _frames(run: greenlet) -> Iterator[tuple[FrameType, str]]:
    """The frames of a stopped operation, the innermost first, with the names of their modules."""
    frame: FrameType | None = run.gr_frame
    while frame is not None:
        yield frame, frame.f_globals["__name__"]
        frame = frame.f_back


def _is_ours(module: str) -> bool:
    return module.startswith("pfnlab.") or module == "contextlib"


def variables(run: greenlet, name: Callable[[Any], Any]) -> Any:
    """The continuation of *run*: functions, places in them and variables, the innermost first.

    A loop's variable says how far the loop is. Code outside this package may count in another way.

    :param name: the name of an object that has an identity; None where it has none
    :raises UnsayableError: a variable has no value that could be compared, or the code is not of this package
    """
    found = []
    for frame, module in _frames(run):
        if module in _DRIVING:
            continue
        if not _is_ours(module):
            raise UnsayableError(f"{module} is not of this package")
        said = [(local, _said(value, name)) for local, value in frame.f_locals.items()]
        found.append((frame.f_code.co_qualname, frame.f_lasti, said))
    return found


def _said(value: Any, name: Callable[[Any], Any]) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    says = _SAYS.get(kind)
    if says is None:
        says = _SAYS[kind] = _way(kind, value)
    return says(value, name)


_Way = Callable[[Any, Callable[[Any], Any]], Any]


def _named(value: Any, name: Callable[[Any], Any]) -> Any:
    called = name(value)
    if called is None:
        raise UnsayableError(f"{type(value).__qualname__} has no name yet")
    return type(value).__name__, called


def _items(value: Any, name: Callable[[Any], Any]) -> Any:
    return (type(value).__name__, *[_said(one, name) for one in value])


def _type_only(value: Any, name: Callable[[Any], Any]) -> Any:
    return type(value).__name__


def _unsayable(value: Any, name: Callable[[Any], Any]) -> Any:
    raise UnsayableError(f"{type(value).__qualname__} has no value that could be compared")


#: How a value is made plain, by its type; :func:`_way` adds types that are not here.
_SAYS: dict[type, _Way] = {
    **dict.fromkeys((Vma, Page, AnonVma, MmStruct, PageTables, Tlb, RwLock), _named),
    # A kernel has one of each, or they lie in a part that has a value of its own.
    **dict.fromkeys((Kernel, Processors, MemtypeBook, Profile, Trace, Operation), _type_only),
    **dict.fromkeys((DriverState, PciDevice, VfioDevice), _type_only),
    dict: lambda value, name: ("dict", *[(_said(key, name), _said(one, name)) for key, one in value.items()]),
    MmuGather: lambda gather, name: ("gather", name(gather.mm), gather.state()),
    Locked: lambda locked, name: ("locked", name(locked.lock), locked.write),
    Task: lambda task, name: ("task", task.comm),
    FunctionType: lambda function, name: (
        *("function", function.__qualname__),
        *[_said(cell.cell_contents, name) for cell in function.__closure__ or ()],
    ),
    MethodType: lambda method, name: ("method", method.__func__.__qualname__, _said(method.__self__, name)),
    partial: lambda made, name: ("partial", _said(made.func, name), _said(made.args, name)),
}


def _way(kind: type, value: Any) -> _Way:
    if isinstance(value, tuple | list):
        return _items
    if isinstance(value, Enum):
        return lambda one, name: (kind.__name__, one.name)
    # The operation's own objects do not change; the memory of policies is a part of the kernel.
    if isinstance(value, msgspec.Struct | type) or kind.__module__.startswith(_ELSEWHERE):
        return _type_only
    if getattr(getattr(kind, "__dataclass_params__", None), "frozen", False):
        return lambda one, name: (kind.__name__, repr(one))
    return _unsayable


_POLICIES = (f"{trackers.__name__}.", f"{flushes.__name__}.")
_ELSEWHERE = (f"{programs.__name__}.", processors.__name__, *_POLICIES)
