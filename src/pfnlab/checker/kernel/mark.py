"""A kernel marked where it stands, so that it can be put back there after an operation.

Everything that can change is found once, by following attributes, and copied one level deep. Putting it back
gives each of these objects its content again. They stay the same objects, so whoever points to one still
does. A state has some twenty-five steps and needs one mark; a kernel made anew for each step took as long as
the step itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import is_dataclass
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from pfnlab.checker.kernel.packing import slots_of
from pfnlab.mm.processors import RwLock

#: What is never followed: values, and locks, which nobody has between two operations.
_VALUES = (int, str, bool, type(None), float, bytes, Enum, type, FunctionType, BuiltinFunctionType, RwLock)

#: Of the classes met so far: whether it is one of these.
_IS_VALUE: dict[type, bool] = {}


class Mark:
    """Objects and all they lead to, as they are now.

    What never changes is passed over: values, functions, and the attributes of frozen dataclasses. What a
    policy keeps in globals or in a function is therefore not put back; :mod:`.packing` allows neither.

    :param constant: what need not be followed, because nothing in it changes
    """

    def __init__(self, *roots: object, constant: Iterable[object] = ()) -> None:
        self._dicts: list[tuple[dict[Any, Any], dict[Any, Any]]] = []
        self._lists: list[tuple[Any, Any]] = []
        self._sets: list[tuple[set[Any], set[Any]]] = []
        self._slots: list[tuple[object, str, Any]] = []
        self._empty: list[tuple[object, str]] = []
        # Held here, so that no number is given to a second object.
        self._met: dict[int, object] = {id(one): one for one in constant}
        self._waiting: list[Any] = []
        self._follow(roots)
        while self._waiting:
            self._keep(self._waiting.pop())

    def _follow(self, values: Iterable[Any]) -> None:
        met = self._met
        for one in values:
            kind = type(one)
            known = _IS_VALUE.get(kind)
            if known is None:
                known = _IS_VALUE[kind] = issubclass(kind, _VALUES)
            if not known and id(one) not in met:
                met[id(one)] = one
                self._waiting.append(one)

    def _keep(self, value: Any) -> None:
        """Keep what of *value* can change, and follow what it leads to."""
        if isinstance(value, MethodType):
            self._follow((value.__self__,))
            return
        if isinstance(value, tuple | frozenset):
            self._follow(value)
        elif isinstance(value, dict):
            self._dicts.append((value, dict(value)))
            self._follow(value)
            self._follow(value.values())
        elif isinstance(value, list | bytearray):
            self._lists.append((value, value[:]))
            self._follow(value)
        elif isinstance(value, set):
            self._sets.append((value, set(value)))
            self._follow(value)
        own, slots = getattr(value, "__dict__", None), slots_of(type(value))
        frozen = is_dataclass(value) and type(value).__dataclass_params__.frozen  # type: ignore[union-attr]
        if own is not None:
            self._follow(own.values())
            if not frozen:
                self._dicts.append((own, dict(own)))
        for name in slots:
            if not hasattr(value, name):
                self._empty.append((value, name))
                continue
            content = getattr(value, name)
            self._follow((content,))
            if not frozen:
                self._slots.append((value, name, content))

    def restore(self) -> None:
        """Everything is again as it was when the mark was made."""
        for there, before in self._dicts:
            there.clear()
            there.update(before)
        for content, kept in self._lists:
            content[:] = kept
        for members, known in self._sets:
            members.clear()
            members.update(known)
        for holder, name, value in self._slots:
            setattr(holder, name, value)
        for holder, name in self._empty:
            if hasattr(holder, name):
                delattr(holder, name)
