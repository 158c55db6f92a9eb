"""The stored form of states: fingerprints of their keys, and numbers of their parts."""

from __future__ import annotations

import marshal
from array import array
from collections.abc import Hashable
from enum import Enum
from hashlib import blake2b
from typing import Any, cast

from pfnlab.base.errors import Misuse


class PartTable:
    """Numbers parts in the order in which they are found. The table only grows."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._parts: list[bytes] = []

    def words(self, parts: tuple[bytes, ...]) -> bytes:
        """The numbers of *parts*, four bytes each; within one table, equal parts have equal numbers."""
        numbers = self._numbers
        try:
            return array("I", [numbers[part] for part in parts]).tobytes()
        except KeyError:
            return array("I", [self._number(part) for part in parts]).tobytes()

    def _number(self, part: bytes) -> int:
        number = self._numbers.setdefault(part, len(self._parts))
        if number == len(self._parts):
            self._parts.append(part)
        return number

    def parts(self, words: bytes) -> tuple[bytes, ...]:
        """The parts for which :meth:`words` returned *words*."""
        kept: Any = self._parts
        return tuple([kept[number] for number in array("I", words)])

    def __len__(self) -> int:
        return len(self._parts)


_WORD = 1 << 64


def fingerprint(key: Hashable) -> int:
    """A 64-bit number that represents *key*, the same in every process.

    An int that fits is its own fingerprint, so no two ints share one. Other keys may collide: among n states,
    the probability is at most n²/2⁶⁵, or 3 in a million for ten million states.

    :raises Misuse: if *key* is not made of ints, strings, bytes, enumerations, None, and tuples and frozen
        sets of these
    """
    if isinstance(key, int) and 0 <= key < _WORD:
        return int(key)
    try:
        # Version 2 writes equal values as equal bytes; later versions also record which objects are shared.
        # Keys made of parts need no conversion: marshal can write their types.
        made_of_parts = type(key) is tuple and {*map(type, key)} == {bytes}
        data = (
            key
            if isinstance(key, bytes)
            else marshal.dumps(cast(Any, key) if made_of_parts else _plain(key), 2)
        )
    except ValueError:
        raise Misuse(f"{_KEYS}, unlike {key!r}") from None
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


_KEYS = "fingerprints need keys made of ints, strings, bytes, enumerations, None, tuples and frozen sets"


def _plain(key: object) -> Any:
    """Convert *key* to types that marshal can write, in a fixed order."""
    kind = type(key)
    if kind is int or kind is str:
        return key
    if isinstance(key, int):
        return int(key)  # as it compares
    if isinstance(key, tuple):
        return tuple([_plain(part) for part in key])
    if isinstance(key, Enum):
        return kind.__name__, key.name
    if isinstance(key, frozenset):
        return "frozenset", *sorted([fingerprint(part) for part in key])
    return key
