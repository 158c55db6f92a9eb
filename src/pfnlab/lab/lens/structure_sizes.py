"""The layout of a structure, from BTF: its size, its members and its unused bits.

Unused bits are of two kinds: a **hole** is between members (including the rest of a bit-field's word), and
the **padding** comes after the last one. Holes inside a named member are listed too, with that member's name,
because only a change to that member's type can use them. Anonymous structures count as part of the structure
around them. In a union, bits that no variant uses are a hole.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.btf import MAX_DEPTH, Btf
from pfnlab.lab.lens.btf_types import Array, Composite, Kind, Member

#: Maximum number of holes in a structure, counted separately for each element of an array.
MAX_HOLES = 4096

_BYTE = 8
_POINTER = 8


class SizedMember(msgspec.Struct, frozen=True, array_like=True):
    """One member of a structure.

    :param name: its name; for an anonymous structure or union, the names of up to three of its members
    :param offset: its first byte
    :param size: its size in bytes; for a bit-field, the size of its integer type
    :param alignment: the alignment in bytes that the types require; an attribute in the
        source may require more
    :param first_bit: for a bit-field, its first bit relative to *offset*
    :param bits: the width of a bit-field; 0 for other members
    """

    name: str
    offset: int
    size: int
    alignment: int
    first_bit: int = 0
    bits: int = 0


class Hole(msgspec.Struct, frozen=True, array_like=True):
    """Bits that no member uses.

    :param bit: the first of these bits, counted from the start of the structure
    :param bits: the number of bits
    :param inside: the named member that contains the hole (``a.b``); empty if the structure itself does
    """

    bit: int
    bits: int
    inside: str = ""

    @property
    def offset(self) -> int:
        """The first complete byte."""
        return -(-self.bit // _BYTE)

    @property
    def size(self) -> int:
        """The number of complete bytes; 0 if the hole is smaller than a byte."""
        return max(0, (self.bit + self.bits) // _BYTE - self.offset)


class StructureSize(msgspec.Struct, frozen=True):
    """The layout of one structure in one kernel, in bytes; an anonymous structure counts as one member.

    :param alignment: the largest alignment of any member; an attribute in the source may require more
    :param padding: unused bytes after the last member
    """

    size: int
    alignment: int
    padding: int
    holes: tuple[Hole, ...]
    members: tuple[SizedMember, ...]

    @property
    def own_holes(self) -> tuple[Hole, ...]:
        """Holes large enough for a new member."""
        return tuple(hole for hole in self.holes if not hole.inside)


class SlabCache(msgspec.Struct, frozen=True):
    """One slab cache.

    :param name: its name; a merged cache has the name of the cache it was merged into
    :param object_size: the requested object size in bytes
    :param size: the bytes from one object to the next, aligned to *align*
    :param flags: those of ``FLAGS`` in ``evidence/tools/record_sizes.py`` that it has
    :param order: the page order of a slab, which holds *objects* objects
    """

    name: str
    object_size: int
    size: int
    align: int
    flags: tuple[str, ...]
    order: int
    objects: int


def size_of_structure(btf: Btf, name: str) -> StructureSize | None:
    """The layout of ``struct NAME``; None if the kernel lacks it, LensError if its types are damaged."""
    type_id = btf.find(name, Kind.STRUCT)
    if type_id is None:
        return None
    record = btf[type_id]
    assert isinstance(record, Composite)
    end = max((span.end for span in _spans(btf, record)), default=0)
    gaps = _unused(btf, type_id, 0)
    holes = tuple(Hole(gap.start, gap.end - gap.start, gap.inside) for gap in gaps if gap.start < end)
    return StructureSize(
        record.size,
        _alignment(btf, type_id, 0),
        record.size - -(-end // _BYTE),
        holes,
        tuple(_member(btf, record, place) for place in range(len(record.members))),
    )


class _Gap(NamedTuple):
    # A type's unused bits, and the named member that contains them.
    start: int
    end: int
    inside: str = ""


class _Extent(NamedTuple):
    # The bits that a member occupies, and the member.
    start: int
    end: int
    member: Member


def _spans(btf: Btf, record: Composite) -> list[_Extent]:
    return [
        _Extent(
            member.bit_offset,
            member.bit_offset + (member.bit_size or _BYTE * btf.size_of(member.target)),
            member,
        )
        for member in record.members
    ]


# The unused bits in an object of a type, from start to end.
def _unused(btf: Btf, type_id: int, depth: int) -> list[_Gap]:
    if depth > MAX_DEPTH:
        raise LensError(f"{btf.name}: type {type_id} is nested deeper than {MAX_DEPTH}")
    record = btf[btf.resolve(type_id)]
    if isinstance(record, Array):
        element = _unused(btf, record.target, depth + 1)
        if len(element) * record.length > MAX_HOLES:
            raise LensError(f"{btf.name}: an array in {type_id} has more than {MAX_HOLES:,} holes")
        size = _BYTE * btf.size_of(record.target)
        return [_shifted(gap, place * size, "") for place in range(record.length) for gap in element]
    if not isinstance(record, Composite):
        return []
    variants = []
    for span in _spans(btf, record):
        inner = [] if span.member.bit_size else _unused(btf, span.member.target, depth + 1)
        variants.append((span, [_shifted(gap, span.start, span.member.name) for gap in inner]))
    bits = _BYTE * record.size
    if record.kind is Kind.UNION:
        return _unused_by_all(bits, variants)
    gaps = _between(bits, [(span.start, span.end) for span, _ in variants])
    found = sorted([*gaps, *(gap for _, inner in variants for gap in inner)])
    if len(found) > MAX_HOLES:
        raise LensError(f"{btf.name}: type {type_id} has more than {MAX_HOLES:,} holes")
    return found


def _shifted(gap: _Gap, by: int, name: str) -> _Gap:
    return _Gap(gap.start + by, gap.end + by, ".".join(filter(None, (name, gap.inside))))


# The gaps between used ranges within *bits* bits.
def _between(bits: int, used: Iterable[tuple[int, int]]) -> list[_Gap]:
    gaps, at = [], 0
    for start, end in sorted(used):
        if at < start < end:
            gaps.append(_Gap(at, start))
        at = max(at, end)
    return [*gaps, _Gap(at, bits)] if at < bits else gaps


# Bits of a union that no variant uses.
def _unused_by_all(bits: int, variants: Sequence[tuple[_Extent, list[_Gap]]]) -> list[_Gap]:
    used: list[tuple[int, int]] = []
    for span, inner in variants:
        at = span.start
        for gap in sorted(inner):
            if gap.start > at:
                used.append((at, gap.start))
            at = max(at, gap.end)
        if at < span.end:
            used.append((at, span.end))
    return _between(bits, used)


# The alignment that the parts of a type require, in bytes.
def _alignment(btf: Btf, type_id: int, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise LensError(f"{btf.name}: type {type_id} is nested deeper than {MAX_DEPTH}")
    resolved = btf.resolve(type_id)
    record = btf[resolved]
    if isinstance(record, Array):
        return _alignment(btf, record.target, depth + 1)
    if isinstance(record, Composite):
        return max((_alignment(btf, member.target, depth + 1) for member in record.members), default=1)
    return max(1, btf.size_of(resolved)) if record.kind is not Kind.PTR else _POINTER


def _member(btf: Btf, record: Composite, place: int) -> SizedMember:
    member = record.members[place]
    size, alignment = btf.size_of(member.target), _alignment(btf, member.target, 0)
    name = member.name or " | ".join(_names(btf, member.target)[:3])
    if not member.bit_size:
        return SizedMember(name, member.bit_offset // _BYTE, size, alignment)
    # A bit-field lies in an aligned integer of its type.
    word = member.bit_offset // (_BYTE * alignment) * alignment
    return SizedMember(name, word, size, alignment, member.bit_offset - _BYTE * word, member.bit_size)


# The names in an anonymous structure or union, including those in nested anonymous ones.
def _names(btf: Btf, type_id: int, depth: int = 0) -> list[str]:
    record = btf[btf.resolve(type_id)]
    if not isinstance(record, Composite) or depth > MAX_DEPTH:
        return []
    return [
        name
        for member in record.members
        for name in ([member.name] if member.name else _names(btf, member.target, depth + 1))
    ]
