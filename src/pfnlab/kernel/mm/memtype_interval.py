"""The data structure of the memtype list: intervals ordered by start, then by insertion (S2.1.1).

The kernel uses an interval tree. Here, entries are kept in blocks of about a thousand, each block as four
parallel lists. Overlaps, within a block and across blocks, are found through ``reach``, the largest end of an
entry and all entries before it. Since ``reach`` never decreases, bisection finds the first entry that ends
after an address, however entries of different lengths are mixed. Starts never decrease either, so if that
entry does not overlap, none does.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain, pairwise
from operator import attrgetter
from typing import NamedTuple

from pfnlab.kernel.hw.cachemode import CacheMode

#: Number of entries in a new block; a block is split when it reaches twice as many.
LOAD = 1000

# Indexing a tuple is faster than calling the enum.
_MODES = tuple(CacheMode)


class MemtypeEntry(NamedTuple):
    """One reservation: bytes ``start`` up to but not including ``end``."""

    start: int
    end: int
    type: CacheMode


#: The same as numbers: start, end and mode.
BookRow = tuple[int, int, int]

_start = attrgetter("start")


class _Block:
    # Adjacent entries, one list per field; reach is computed from the start of this block only.

    __slots__ = ("ends", "reach", "starts", "types")

    def __init__(self, starts: list[int], ends: list[int], types: bytearray) -> None:
        self.starts = starts
        self.ends = ends
        self.types = types
        self.reach = list(accumulate(ends, max))

    def entry(self, i: int) -> MemtypeEntry:
        return MemtypeEntry(self.starts[i], self.ends[i], _MODES[self.types[i]])

    def insert(self, start: int, end: int, mode: int) -> None:
        starts, reach = self.starts, self.reach
        i = bisect_right(starts, start)
        starts.insert(i, start)
        self.ends.insert(i, end)
        self.types.insert(i, mode)
        reach.insert(i, reach[i - 1] if i else 0)
        if end > reach[i]:
            _raise(reach, i, end)

    def copy(self) -> _Block:
        twin = _Block.__new__(_Block)
        twin.starts, twin.ends = self.starts[:], self.ends[:]
        twin.types, twin.reach = self.types[:], self.reach[:]
        return twin

    def cut(self) -> _Block:
        # Keep the lower half and return the upper half.
        half = len(self.starts) // 2
        upper = _Block(self.starts[half:], self.ends[half:], self.types[half:])
        del self.starts[half:], self.ends[half:], self.types[half:], self.reach[half:]
        return upper


class MemtypeIntervals:
    """A multiset of :class:`MemtypeEntry` in tree order.

    :param entries: the initial entries; those with equal starts keep their order
    """

    def __init__(self, entries: Iterable[MemtypeEntry] = ()) -> None:
        ordered = sorted(entries, key=_start)
        self._blocks: list[_Block] = []
        if not ordered:
            self._firsts: list[int] = []
            self._tops: list[int] = []
            self._reach: list[int] = []
            self._kinds = bytearray()
            return
        for i in range(0, len(ordered), LOAD):
            starts, ends, types = zip(*ordered[i : i + LOAD], strict=True)
            self._blocks.append(_Block(list(starts), list(ends), bytearray(types)))
        # One item per block: its first start, its largest end, the largest end up to and including it, and
        # its types as a bit set of modes.
        self._firsts = [block.starts[0] for block in self._blocks]
        self._tops = [block.reach[-1] for block in self._blocks]
        self._reach = list(accumulate(self._tops, max))
        self._kinds = bytearray(map(_kinds, self._blocks))

    def __len__(self) -> int:
        return sum(len(block.starts) for block in self._blocks)

    def __iter__(self) -> Iterator[MemtypeEntry]:
        for block in self._blocks:
            for start, end, mode in zip(block.starts, block.ends, block.types, strict=True):
                yield MemtypeEntry(start, end, _MODES[mode])

    def rows(self) -> list[BookRow]:
        """All entries in tree order, as plain numbers."""
        return [
            row for block in self._blocks for row in zip(block.starts, block.ends, block.types, strict=True)
        ]

    def copy(self) -> MemtypeIntervals:
        """An independent copy."""
        twin = MemtypeIntervals.__new__(MemtypeIntervals)
        twin._blocks = [block.copy() for block in self._blocks]
        twin._firsts, twin._tops = self._firsts[:], self._tops[:]
        twin._reach, twin._kinds = self._reach[:], self._kinds[:]
        return twin

    def insert(self, start: int, end: int, mode: CacheMode) -> None:
        """Add an entry, after all others that start at the same address."""
        if not self._firsts:
            self._blocks.append(_Block([start], [end], bytearray((mode,))))
            self._firsts.append(start)
            self._tops.append(end)
            self._reach.append(end)
            self._kinds.append(1 << mode)
            return
        b = bisect_right(self._firsts, start) - 1
        if b < 0:
            b = 0
            self._firsts[0] = start
        block = self._blocks[b]
        starts, reach = block.starts, block.reach
        if start >= starts[-1]:
            # Loading in order always ends up here, without a search or a call.
            starts.append(start)
            block.ends.append(end)
            block.types.append(mode)
            reach.append(end if end > reach[-1] else reach[-1])
        else:
            block.insert(start, end, mode)
        if not self._kinds[b] >> mode & 1:
            self._kinds[b] |= 1 << mode
        if end > self._tops[b]:
            self._tops[b] = end
            if end > self._reach[b]:
                _raise(self._reach, b, end)
        if len(starts) >= 2 * LOAD:
            self._cut(b)

    def first_overlap(self, start: int, end: int) -> MemtypeEntry | None:
        """The first entry in tree order that overlaps bytes *start* to *end*, if any."""
        b = bisect_right(self._reach, start)
        if b == len(self._reach):
            return None
        block = self._blocks[b]
        i = bisect_right(block.reach, start)
        return block.entry(i) if block.starts[i] < end else None

    def first_other(self, start: int, end: int, mode: CacheMode) -> MemtypeEntry | None:
        """The first entry that **begins** within *start* to *end* and has a type other than *mode*."""
        b = max(bisect_left(self._firsts, start) - 1, 0)
        behind = bisect_left(self._firsts, end, b)
        while b < behind:
            # Blocks with only this mode are skipped as a whole.
            b = behind - len(self._kinds[b:behind].lstrip(bytes((1 << mode,))))
            if b == behind:
                break
            block = self._blocks[b]
            hi = bisect_left(block.starts, end)
            others = block.types[bisect_left(block.starts, start) : hi].lstrip(bytes((mode,)))
            if others:
                return block.entry(hi - len(others))
            b += 1
        return None

    def first_ending(self, start: int, end: int) -> MemtypeEntry | None:
        """The first entry in tree order that begins before *start* and ends exactly at *end*."""
        b = bisect_left(self._reach, end)
        while b < len(self._blocks) and self._firsts[b] < start:
            block = self._blocks[b]
            if self._tops[b] >= end:
                hi = bisect_left(block.starts, start)
                i = _index(block.ends, end, bisect_left(block.reach, end), hi)
                if i is not None:
                    return block.entry(i)
            b += 1
        return None

    def remove(self, start: int, end: int) -> MemtypeEntry | None:
        """Remove the first entry with exactly these bounds and return it; return None if there is none."""
        b = max(bisect_left(self._firsts, start) - 1, 0)
        while b < len(self._blocks) and self._firsts[b] <= start:
            block = self._blocks[b]
            lo = bisect_left(block.starts, start)
            i = _index(block.ends, end, lo, bisect_right(block.starts, start, lo))
            if i is not None:
                entry = block.entry(i)
                self._delete(b, i)
                return entry
            b += 1
        return None

    def _delete(self, b: int, i: int) -> None:
        block = self._blocks[b]
        mode, end = block.types[i], block.ends[i]
        del block.starts[i], block.ends[i], block.types[i], block.reach[i]
        if not block.starts:
            del self._blocks[b], self._firsts[b], self._tops[b], self._reach[b], self._kinds[b]
        else:
            _lower(block.reach, i, block.ends, end)
            self._firsts[b] = block.starts[0]
            self._tops[b] = block.reach[-1]
            if mode not in block.types:
                self._kinds[b] ^= 1 << mode
        _lower(self._reach, b, self._tops, end)

    def _cut(self, b: int) -> None:
        block = self._blocks[b]
        upper = block.cut()
        self._blocks.insert(b + 1, upper)
        self._firsts.insert(b + 1, upper.starts[0])
        self._tops[b : b + 1] = block.reach[-1], upper.reach[-1]
        self._reach.insert(b, max(block.reach[-1], self._reach[b - 1] if b else 0))
        self._kinds[b : b + 1] = bytes((_kinds(block), _kinds(upper)))

    def _check(self) -> None:
        assert len(self._blocks) == len(self._firsts) == len(self._reach), vars(self)
        for block, first in zip(self._blocks, self._firsts, strict=True):
            assert 0 < len(block.starts) < 2 * LOAD, vars(self)
            assert len(block.starts) == len(block.ends) == len(block.types), vars(self)
            assert block.starts[0] == first, vars(self)
            assert block.reach == list(accumulate(block.ends, max)), vars(self)
        assert self._tops == [block.reach[-1] for block in self._blocks], vars(self)
        assert self._reach == list(accumulate(self._tops, max)), vars(self)
        assert self._kinds == bytearray(map(_kinds, self._blocks)), vars(self)
        starts = chain.from_iterable(block.starts for block in self._blocks)
        assert all(a <= b for a, b in pairwise(starts)), vars(self)
        assert all(entry.start < entry.end for entry in self), vars(self)


def _raise(reach: list[int], i: int, end: int) -> None:
    # From place i on, everything reaches at least to end, so the smaller values are contiguous.
    j = bisect_left(reach, end, i)
    if j == i + 1:
        reach[i] = end
    else:
        reach[i:j] = [end] * (j - i)


def _lower(reach: list[int], i: int, ends: list[int], removed: int) -> None:
    # An end before place i is gone; from i on, it stays the reach wherever it was the largest.
    j = bisect_right(reach, removed, i)
    if i < j and reach[i] == removed:
        reach[i:j] = list(accumulate(ends[i:j], max, initial=reach[i - 1] if i else 0))[1:]


def _kinds(block: _Block) -> int:
    return sum(1 << mode for mode in set(block.types))


def _index(ends: list[int], end: int, lo: int, hi: int) -> int | None:
    # Like list.index(), but returns None instead of raising.
    try:
        return ends.index(end, lo, hi)
    except ValueError:
        return None
