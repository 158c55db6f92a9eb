"""A kernel marked where it stands, so that it can be put back there after an operation.

Everything that can change is found once, by following attributes, and copied one level deep. Putting it back
gives each of these objects its content again. They stay the same objects, so whoever points to one still
does. A state has some twenty-five steps and needs one mark; a kernel made anew for each step took as long as
the step itself.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from pfnlab.checker.packing import slots_of

#: What nothing is followed into.
_VALUES = (int, str, bool, type(None), float, bytes, type, FunctionType, BuiltinFunctionType)

#: Of the classes met so far: whether it is a value, whether its objects keep their attributes, its slots.
_CLASSES: dict[type, tuple[bool, bool, list[str]]] = {}


class Mark:
    """*root* and all it leads to, as they are now.

    What never changes is passed over: values, functions, and the attributes of frozen dataclasses. What a
    policy keeps in globals or in a function is therefore not put back; :mod:`.packing` allows neither.
    """

    def __init__(self, root: object) -> None:
        self._dicts: list[tuple[dict[Any, Any], dict[Any, Any]]] = []
        self._lists: list[tuple[Any, Any]] = []
        self._sets: list[tuple[set[Any], set[Any]]] = []
        self._slots: list[tuple[object, str, Any]] = []
        self._empty: list[tuple[object, str]] = []
        # Held here, so that no number is given to a second object.
        met: dict[int, object] = {id(root): root}
        waiting = [root]
        while waiting:
            for one in self._inside(waiting.pop()):
                if id(one) not in met and not _class(type(one))[0]:
                    met[id(one)] = one
                    waiting.append(one)

    def _inside(self, value: Any) -> list[Any]:
        """What *value* leads to; what of it can change is kept."""
        found: list[Any] = []
        if isinstance(value, MethodType):
            return [value.__self__]
        if isinstance(value, tuple | frozenset):
            found.extend(value)
        elif isinstance(value, dict):
            self._dicts.append((value, dict(value)))
            found += [*value.keys(), *value.values()]
        elif isinstance(value, list | bytearray):
            self._lists.append((value, value[:]))
            found.extend(value)
        elif isinstance(value, set):
            self._sets.append((value, set(value)))
            found.extend(value)
        _, frozen, slots = _class(type(value))
        own = getattr(value, "__dict__", None)
        if own is not None:
            found += own.values()
            if not frozen:
                self._dicts.append((own, dict(own)))
        for name in slots:
            if hasattr(value, name):
                found.append(getattr(value, name))
                if not frozen:
                    self._slots.append((value, name, found[-1]))
            elif not frozen:
                self._empty.append((value, name))
        return found

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


def _class(cls: type) -> tuple[bool, bool, list[str]]:
    known = _CLASSES.get(cls)
    if known is None:
        frozen = is_dataclass(cls) and bool(cls.__dataclass_params__.frozen)  # type: ignore[attr-defined]
        known = _CLASSES[cls] = issubclass(cls, _VALUES), frozen, slots_of(cls)
    return known
