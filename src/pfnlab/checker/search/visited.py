"""The states seen so far: 64-bit fingerprints of their keys, in memory or partly on disk."""

from __future__ import annotations

import heapq
import marshal
import mmap
import sys
from array import array
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator
from enum import Enum
from hashlib import blake2b
from itertools import islice
from pathlib import Path as File
from typing import Any, Protocol, cast

from pfnlab.base.errors import Misuse
from pfnlab.checker.search.scratch import ROOM, written


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

#: The number of keys written at a time.
_TOGETHER = 1 << 16

# The size of a 64-bit int in bytes, in addition to its slot in the set.
_INT_BYTES = 32


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


class Marks(Protocol):
    """Fingerprints that can be saved."""

    def dump(self) -> Iterator[bytes]:
        """All fingerprints, in chunks."""
        ...

    def load(self, dumped: Iterable[bytes]) -> None:
        """Replace all fingerprints with those that :meth:`dump` returned.

        :raises ValueError: if *dumped* did not come from :meth:`dump`
        """
        ...


class VisitedStates(Marks, Protocol):
    """The fingerprints of the keys seen so far."""

    def add(self, key: Hashable, number: int) -> bool:
        """Add *key*, the key of state *number*; return True if it is new."""
        ...

    def holds(self, mark: int) -> bool:
        """True if a key with this fingerprint has been added."""
        ...

    def __len__(self) -> int: ...


class Fingerprints:
    """Fingerprints in memory."""

    def __init__(self) -> None:
        self._marks: set[int] = set()

    def add(self, key: Hashable, number: int) -> bool:
        before = len(self._marks)
        self._marks.add(fingerprint(key))
        return len(self._marks) > before

    def holds(self, mark: int) -> bool:
        return mark in self._marks

    def __len__(self) -> int:
        return len(self._marks)

    def dump(self) -> Iterator[bytes]:
        return _dump(self._marks)

    def load(self, dumped: Iterable[bytes]) -> None:
        self._marks = set(_load(dumped))


class NumberedFingerprints:
    """Like :class:`Fingerprints`, but with the number of each key."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def add(self, key: Hashable, number: int) -> bool:
        return number == self._numbers.setdefault(fingerprint(key), number)

    def peek(self, key: Hashable) -> int | None:
        """The number of *key*, or None if it was never added."""
        return self._numbers.get(fingerprint(key))

    def holds(self, mark: int) -> bool:
        return mark in self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def dump(self) -> Iterator[bytes]:
        # A key's number is the count of keys before it.
        assert all(number == at for at, number in enumerate(self._numbers.values()))
        return _dump(self._numbers)

    def load(self, dumped: Iterable[bytes]) -> None:
        self._numbers = {mark: number for number, mark in enumerate(_load(dumped))}


class SpillingFingerprints:
    """Fingerprints: recent ones in memory, the others in sorted files.

    A look-up bisects each file; the system's page cache decides how much of the files is in memory. Files of
    similar size are merged, so there are only a few: about the binary logarithm of states / (states in
    memory).

    :param limit: the maximum memory for recent fingerprints, in bytes
    """

    def __init__(self, limit: int, folder: File) -> None:
        self._limit = limit
        self._folder = folder
        self._recent: set[int] = set()
        self._runs: list[memoryview] = []
        self._files_made = 0
        self._count = 0
        # A set's table grows in steps, and while it grows there are two tables: measure only after a step may
        # have happened.
        self._room = max(1, limit // (3 * _INT_BYTES))

    def add(self, key: Hashable, number: int) -> bool:
        mark = fingerprint(key)
        if self.holds(mark):
            return False
        self._recent.add(mark)
        self._count += 1
        if len(self._recent) >= self._room and self.memory() >= self._limit:
            self._spill()
        return True

    def holds(self, mark: int) -> bool:
        return mark in self._recent or any(_holds(run, mark) for run in self._runs)

    def __len__(self) -> int:
        return self._count

    @property
    def files(self) -> int:
        """The number of sorted files."""
        return len(self._runs)

    def dump(self) -> Iterator[bytes]:
        return _dump(heapq.merge(sorted(self._recent), *self._runs))

    def load(self, dumped: Iterable[bytes]) -> None:
        self._recent, self._runs, self._count = set(), [], 0
        # Fingerprints from a search in memory are unordered.
        for part in dumped:
            self._recent.update(array("Q", part))
            self._count += len(part) // 8
            if self.memory() >= self._limit:
                self._spill()

    def memory(self) -> int:
        """The memory that recent fingerprints take, in bytes."""
        return sys.getsizeof(self._recent) + _INT_BYTES * len(self._recent)

    def _spill(self) -> None:
        self._runs.append(self._write(sorted(self._recent)))
        self._recent = set()
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            merged = heapq.merge(self._runs[-2], self._runs[-1])
            self._runs[-2:] = [self._write(merged)]

    def _write(self, marks: Iterable[int]) -> memoryview:
        """Write sorted *marks* to an unnamed file that lives as long as the returned view."""
        file = self._folder / f"seen-{self._files_made}"
        self._files_made += 1
        with written(self._folder, ROOM), file.open("wb+") as out:
            for part in _parts(marks):
                part.tofile(out)
            out.flush()
            view = memoryview(mmap.mmap(out.fileno(), 0, access=mmap.ACCESS_READ)).cast("Q")
        file.unlink()
        return view


def _holds(run: memoryview, mark: int) -> bool:
    at = bisect_left(run, mark)
    return at < len(run) and run[at] == mark


def _dump(marks: Iterable[int]) -> Iterator[bytes]:
    """*marks* as bytes, in chunks, in order."""
    return (part.tobytes() for part in _parts(marks))


def _load(dumped: Iterable[bytes]) -> Iterator[int]:
    for part in dumped:
        yield from array("Q", part)


def _parts(marks: Iterable[int]) -> Iterator[array[int]]:
    remaining = iter(marks)
    while part := array("Q", islice(remaining, _TOGETHER)):
        yield part
