"""Memory type range registers (MTRRs): the memory types that the firmware sets (S1.6 to S1.9).

The memtype list consults them only to weaken a write-back request. Older and newer kernels interpret the same
registers differently: newer ones (``merged_map``) build one map of all registers and search that.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from pfnlab.kernel.hw.cachemode import CacheMode

_FIXED_END = 1 << 20
_TOM2_START = 1 << 32


class MtrrType(IntEnum):
    """A memory type as encoded in the registers (S1.2); INVALID means "no MTRRs" in older kernels."""

    UC = 0
    WC = 1
    WT = 4
    WP = 5
    WB = 6
    INVALID = 0xFF


class MtrrRange(NamedTuple):
    """One register: the memory type of bytes ``start`` up to but not including ``end``."""

    start: int
    end: int
    type: MtrrType


class _Piece(NamedTuple):
    # A range with a single type and no register boundary inside; `registers` counts the
    # registers covering it.
    end: int
    type: MtrrType
    registers: int


def merge_types(a: MtrrType, b: MtrrType) -> MtrrType:
    """The type of memory claimed by both *a* and *b* (S1.8)."""
    if a == b:
        return a
    if {a, b} == {MtrrType.WB, MtrrType.WT}:
        return MtrrType.WT
    return MtrrType.UC


@dataclass(frozen=True)
class MtrrMap:
    """The MTRRs of one machine.

    :param default_type: the type of memory not covered by any register
    :param fixed: disjoint ranges covering the first MiB, in order
    :param variable: base/size registers, which may overlap
    :param known: the kernel has read the registers ("state set")
    :param enabled: the registers are in effect
    :param fixed_enabled: the fixed ranges are in effect
    :param tom2: AMD's top of memory: everything from 4 GiB up to this address is WB; 0 if absent
    """

    default_type: MtrrType
    fixed: tuple[MtrrRange, ...] = ()
    variable: tuple[MtrrRange, ...] = ()
    known: bool = True
    enabled: bool = True
    fixed_enabled: bool = True
    tom2: int = 0

    def type_lookup(self, start: int, end: int, *, merged_map: bool) -> tuple[MtrrType, bool]:
        """The memory type of bytes *start* to *end* (half-open), and whether it is uniform (S1.7).

        :param merged_map: search one map of all registers, as since 6.5; otherwise check the fixed and then
            the variable registers, as 6.1 does
        """
        return self._lookup_merged(start, end) if merged_map else self._lookup_registers(start, end)

    def allows_huge(self, start: int, end: int, *, merged_map: bool) -> bool:
        """True if the kernel itself may map bytes *start* to *end* with one large leaf (S1.9)."""
        mtrr, uniform = self.type_lookup(start, end, merged_map=merged_map)
        return uniform or (not merged_map and mtrr in (MtrrType.INVALID, MtrrType.WB))

    def _lookup_merged(self, start: int, end: int) -> tuple[MtrrType, bool]:
        # mtrr_type_lookup since 6.5 (S1.7.4).
        if not self.known:
            return MtrrType.UC, False
        if not self.enabled:
            return MtrrType.UC, True
        mtrr_type, uniform = MtrrType.INVALID, True
        for piece in _between(self._merged, start, end):
            if mtrr_type == MtrrType.INVALID:
                mtrr_type = piece.type
                continue
            merged = merge_types(mtrr_type, piece.type)
            uniform = uniform and merged == mtrr_type
            mtrr_type = merged
        return mtrr_type, uniform

    def _lookup_registers(self, start: int, end: int) -> tuple[MtrrType, bool]:
        # mtrr_type_lookup before 6.5 (S1.7.3): the fixed range containing the first byte determines
        # the type of all bytes.
        if not (self.known and self.enabled):
            return MtrrType.INVALID, True
        if start < _FIXED_END and self.fixed and self.fixed_enabled:
            return next((r.type for r in self.fixed if r.start <= start < r.end), self.default_type), False
        pieces = list(_between(self._variable, start, end))
        mtrr_type = pieces[0].type
        for piece in pieces[1:]:
            mtrr_type = merge_types(mtrr_type, piece.type)
        if self.tom2 and start >= _TOM2_START and end <= self.tom2:
            mtrr_type = MtrrType.WB
        return mtrr_type, len(pieces) == 1 and pieces[0].registers <= 1

    @cached_property
    def _variable(self) -> tuple[list[int], list[_Piece]]:
        return _cut(self.variable, self.default_type)

    @cached_property
    def _merged(self) -> tuple[list[int], list[_Piece]]:
        # Fixed ranges and TOM2 replace the variable registers instead of being merged with them.
        winners = list(self.fixed) if self.fixed_enabled else []
        if self.tom2 > _TOM2_START:
            winners.append(MtrrRange(_TOM2_START, self.tom2, MtrrType.WB))
        return _cut(self.variable, self.default_type, tuple(winners))


def _cut(
    registers: tuple[MtrrRange, ...], default_type: MtrrType, winners: tuple[MtrrRange, ...] = ()
) -> tuple[list[int], list[_Piece]]:
    # All of physical memory in pieces, and the sorted starts of the pieces for bisection.
    borders = sorted({0, 1 << 64} | {border for r in registers + winners for border in (r.start, r.end)})
    pieces = []
    for start, end in pairwise(borders):
        covering = [r.type for r in winners if r.start <= start < r.end]
        covering = covering or [r.type for r in registers if r.start <= start < r.end]
        mtrr_type = covering[0] if covering else default_type
        for other in covering[1:]:
            mtrr_type = merge_types(mtrr_type, other)
        pieces.append(_Piece(end, mtrr_type, len(covering)))
    return borders[:-1], pieces


def _between(cut: tuple[list[int], list[_Piece]], start: int, end: int) -> Iterator[_Piece]:
    # The pieces that overlap bytes start to end, in order.
    starts, pieces = cut
    for piece in pieces[bisect_right(starts, start) - 1 :]:
        yield piece
        if piece.end >= end:
            return


# S1.6, rows by MTRR type, columns by CacheMode value: WB WC UC- UC WT WP.
_EFFECTIVE = {
    MtrrType.UC: "uc wc uc uc uc uc",
    MtrrType.WC: "wc wc wc uc uc uc",
    MtrrType.WT: "wt wc uc uc wt wp",
    MtrrType.WB: "wb wc uc uc wt wp",
    MtrrType.WP: "wp wc wc uc wt wp",
}


def effective_type(mtrr: MtrrType, pat_mode: CacheMode) -> CacheMode:
    """A page's effective cache mode, given its MTRR type and the mode in its entry (S1.6).

    :raises KeyError: if *mtrr* is INVALID, a type that no register can hold
    """
    return CacheMode.from_short(_EFFECTIVE[mtrr].split()[pat_mode])
