"""The parts of states, each stored once: a state is a few short words that name its parts (hash consing)."""

from __future__ import annotations

from array import array
from typing import Any


class PartTable:
    """Numbers parts in the order in which they are found. It only grows."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._parts: list[bytes] = []

    def words(self, parts: tuple[bytes, ...]) -> bytes:
        """The numbers of *parts*, four bytes each: equal for equal parts, in this table."""
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
        """The parts for which :meth:`words` gave *words*."""
        kept: Any = self._parts
        return tuple([kept[number] for number in array("I", words)])

    def __len__(self) -> int:
        return len(self._parts)
