"""Marks a kernel's current state, so that the kernel can be restored after an operation.

All mutable objects are found once, by following attributes, and copied one level deep. Restoring the mark
gives each object its old content. The objects stay the same, so references to them remain valid. A state has
about twenty-five steps and needs only one mark, while building a kernel for each step took as long as the
step itself.
"""

from collections.abc import Iterable
from dataclasses import is_dataclass
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from pfnlab.checker.scopes.packing import slots_of
from pfnlab.kernel.mm.locks import RwLock

#: Classes that are never followed.
_VALUES = (int, str, bool, type(None), float, bytes, Enum, type, FunctionType, BuiltinFunctionType)

#: For each class met so far, whether it is one of these, or a lock, which no task holds between operations.
_IS_VALUE: dict[type, bool] = {}

#: The same, where locks are followed.
_IS_VALUE_BUT_LOCK: dict[type, bool] = {}


class Mark:
    """The current content of objects and of everything they refer to.

    Values, functions and attributes of frozen dataclasses never change, so they are left out. State that a
    policy keeps in globals or in a function is therefore not restored; :mod:`.packing` allows neither.

    :param constant: objects that need not be followed because they never change
    :param locks: whether locks are followed, because operations may stop while they hold some
    """

    def __init__(self, *roots: object, constant: Iterable[object] = (), locks: bool = False) -> None:
        self._values = (_VALUES, _IS_VALUE_BUT_LOCK) if locks else ((*_VALUES, RwLock), _IS_VALUE)
        self._blank: list[Any] = []
        self._dicts: list[tuple[dict[Any, Any], dict[Any, Any]]] = []
        self._lists: list[tuple[Any, Any]] = []
        self._sets: list[tuple[set[Any], set[Any]]] = []
        self._slots: list[tuple[object, str, Any]] = []
        self._empty: list[tuple[object, str]] = []
        # Keep them alive, so that no other object gets the same identity.
        self._objects: dict[int, object] = {id(value): value for value in constant}
        self._waiting: list[Any] = []
        self._follow(roots)
        while self._waiting:
            self._copy(self._waiting.pop())

    def _follow(self, values: Iterable[Any]) -> None:
        objects, (never_followed, known) = self._objects, self._values
        for value in values:
            kind = type(value)
            is_value = known.get(kind)
            if is_value is None:
                is_value = known[kind] = issubclass(kind, never_followed)
            if not is_value and id(value) not in objects:
                objects[id(value)] = value
                self._waiting.append(value)

    def _copy(self, value: Any) -> None:
        """Copy the mutable content of *value* and follow its references."""
        if isinstance(value, MethodType):
            self._follow((value.__self__,))
            return
        if isinstance(value, tuple | frozenset):
            self._follow(value)
        elif isinstance(value, dict | list | bytearray | set):
            self._copy_items(value)
        attributes, slots = getattr(value, "__dict__", None), slots_of(type(value))
        frozen = is_dataclass(value) and type(value).__dataclass_params__.frozen  # type: ignore[union-attr]
        if attributes is not None:
            self._follow(attributes.values())
            if not attributes:
                self._blank.append(attributes)
            elif not frozen:
                self._dicts.append((attributes, dict(attributes)))
        for name in slots:
            if not hasattr(value, name):
                self._empty.append((value, name))
                continue
            content = getattr(value, name)
            self._follow((content,))
            if not frozen:
                self._slots.append((value, name, content))

    def _copy_items(self, value: Any) -> None:
        # Half of them are empty, and most of those stay empty.
        if not value:
            self._blank.append(value)
        elif isinstance(value, dict):
            self._dicts.append((value, dict(value)))
            self._follow(value)
            self._follow(value.values())
        elif isinstance(value, set):
            self._sets.append((value, set(value)))
            self._follow(value)
        else:
            self._lists.append((value, value[:]))
            self._follow(value)

    def restore(self) -> None:
        """Restore the content that every object had when the mark was made."""
        for value in self._blank:
            if value:
                value.clear()
        for mapping, before in self._dicts:
            mapping.clear()
            mapping.update(before)
        for content, items in self._lists:
            content[:] = items
        for members, elements in self._sets:
            members.clear()
            members.update(elements)
        for holder, name, content in self._slots:
            setattr(holder, name, content)
        for holder, name in self._empty:
            if hasattr(holder, name):
                delattr(holder, name)
