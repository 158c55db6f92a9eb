"""The price of one more field, by the compiler's structure layout rules and the slab's rules.

Types determine the alignment of each member unless the source requires more (:data:`FORCED`). The recorded
structure is laid out again by these rules, also without the members of a disabled option. A tracker's words
then go where they cost least: into a hole with room for one, or else after the last member. A test compares
both steps with the kernels, and with a compiler's layout of their headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from pfnlab.lab.lens.structure_sizes import SizedMember, SlabCache
from pfnlab.lab.sizes.kernel_sizes import WORD, Configuration, configured, options_of

#: Members that the source aligns to more than their types require: ``____cacheline_aligned_in_smp``.
FORCED = {"vm_refcnt": 64}

#: The cache line size on every x86 processor since 2003; SLAB_HWCACHE_ALIGN aligns to it.
CACHE_LINE = 64


class Price(NamedTuple):
    """The price of a field in every VMA.

    :param before: the size of the structure without any tracker's field
    :param after: its size with the field
    :param in_holes: bytes of the field that fit in holes
    :param in_padding: bytes of the field that fit in former padding
    :param slab_before: the size of a slab object without it
    :param slab_after: the size of a slab object with it
    """

    before: int
    after: int
    in_holes: int
    in_padding: int
    slab_before: int
    slab_after: int


def laid_out(members: Sequence[SizedMember]) -> tuple[tuple[SizedMember, ...], int, int]:
    """Lay out members in order, as a compiler does; also return the size and alignment of the whole.

    Bit-fields are not supported.
    """
    at, alignment, placed = 0, 1, []
    for member in members:
        assert not member.bits, member
        wanted = max(member.alignment, FORCED.get(member.name, 1))
        at = _rounded(at, wanted)
        placed.append(msgspec.structs.replace(member, offset=at))
        at, alignment = at + member.size, max(alignment, wanted)
    return tuple(placed), _rounded(at, alignment), alignment


def configuration_of(members: Sequence[SizedMember]) -> Configuration:
    """The enabled options of the recorded kernel."""
    names = {member.name for member in members}
    return frozenset(
        option.name
        for option in options_of(members)
        if names & set(option.members) or (option.added and option.added.name in names)
    )


def price(members: Sequence[SizedMember], size: int, slab: SlabCache, configuration: Configuration) -> Price:
    """Return the price of a *size*-byte field in a configuration.

    :param slab: the cache of VMAs, for its alignment
    """
    placed, before, alignment = laid_out(configured(members, configuration))
    end = max((member.offset + member.size for member in placed), default=0)
    holes = list(_holes(placed))
    in_holes = 0
    for _ in range(size // WORD):
        hole = next((hole for hole in holes if hole[0] + WORD <= hole[1]), None)
        if hole is None:
            break
        holes[holes.index(hole)] = (hole[0] + WORD, hole[1])
        in_holes += WORD
    behind = size - in_holes
    after = _rounded(_rounded(end, WORD) + behind, max(alignment, WORD)) if behind else before
    return Price(
        before,
        after,
        in_holes,
        max(0, min(behind, before - _rounded(end, WORD))),
        slab_object(before, alignment, slab),
        slab_object(after, alignment, slab),
    )


def slab_object(size: int, alignment: int, slab: SlabCache) -> int:
    """Return the distance in bytes between *size*-byte objects in a cache with the flags of *slab*."""
    wanted = max(alignment, WORD)
    if "SLAB_HWCACHE_ALIGN" in slab.flags:
        line = CACHE_LINE
        # Small objects share a cache line (calculate_alignment).
        while size <= line // 2:
            line //= 2
        wanted = max(wanted, line)
    return _rounded(size, wanted)


def objects_in(slab: SlabCache, size: int) -> int:
    """Return how many *size*-byte objects fit in a slab with the same number of pages."""
    return (4096 << slab.order) // size


def kmalloc_object(size: int, slabs: Mapping[str, SlabCache]) -> int:
    """Return the bytes that kmalloc uses for *size*: the object size of the smallest cache that fits."""
    return min(
        slab.size for name, slab in slabs.items() if name.startswith("kmalloc-") and slab.object_size >= size
    )


# The gaps between members where a word could start, as first byte and end.
def _holes(placed: Sequence[SizedMember]) -> Iterator[tuple[int, int]]:
    at = 0
    for member in placed:
        if _rounded(at, WORD) < member.offset:
            yield _rounded(at, WORD), member.offset
        at = max(at, member.offset + member.size)


def _rounded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
