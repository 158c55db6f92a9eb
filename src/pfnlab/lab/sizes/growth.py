"""The price of one more field, by the compiler's rule for structures and the slab's.

The types say how each member has to be aligned, but not where the source asks for more; that is in
:data:`FORCED`. What was read is laid out again by these rules, also without the members of an option that is
off, and a tracker's words are put where they cost least: into a hole that has room for one, else behind the
last member. A test compares both steps with the kernels, and with what a compiler makes of their headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import msgspec

from pfnlab.lab.lens.structure_sizes import SizedMember, SlabCache
from pfnlab.lab.sizes.kernel_sizes import SeriesSizes

#: A tracker's field is made of these: a pointer, a frame, a size.
WORD = 8

#: Members the source aligns to more than their types ask for: ``____cacheline_aligned_in_smp``.
FORCED = {"vm_refcnt": 64}

#: A cache line of every x86 processor since 2003, to which SLAB_HWCACHE_ALIGN aligns.
CACHE_LINE = 64

#: The field of the kernel's own tracker, which another tracker takes the place of.
OWN_FIELD = "pfnmap_track_ctx"


class KernelOption(NamedTuple):
    """
    A configuration option that decides about members of a VMA.

    :param members: what is left out where it is off
    :param added: what there is where it is on, if the kernels read have it off
    :param needs: the option it depends on, where the kernel has that
    """

    name: str
    members: tuple[str, ...] = ()
    added: SizedMember | None = None
    needs: str = ""


#: As include/linux/mm_types.h has them, in the order of the page. On x86-64 PER_VMA_LOCK is on where SMP is,
#: and NUMA needs SMP.
OPTIONS = (
    KernelOption("PER_VMA_LOCK", ("detached", "vm_lock_seq", "vm_lock", "vm_refcnt")),
    KernelOption("NUMA", ("vm_policy",), needs="PER_VMA_LOCK"),
    KernelOption("NUMA_BALANCING", ("numab_state",), needs="NUMA"),
    KernelOption("SWAP", ("swap_readahead_info",)),
    KernelOption("USERFAULTFD", ("vm_userfaultfd_ctx",)),
    KernelOption("ANON_VMA_NAME", added=SizedMember("anon_name", 0, WORD, WORD)),
)

#: Kernels where a VMA has a name whatever is configured, beside the links of a file mapping.
_NAMED_ANYWAY = "shared | anon_name"

VMA = "vm_area_struct"

#: Members of a VMA that a PFN mapping has no use for, so that a word could share their place: automatic NUMA
#: balancing leaves VM_PFNMAP out (vma_migratable), and userfaultfd takes none (vma_can_userfault).
UNUSED_IN_PFN_VMAS = ("numab_state", "vm_userfaultfd_ctx")

#: The options that are on.
Configuration = frozenset[str]


class Price(NamedTuple):
    """
    The price of a field in every VMA.

    :param before: the size of the structure without any tracker's field
    :param after: its size with the field
    :param in_holes: bytes of the field that lie in holes
    :param in_padding: bytes of the field that lie in what was padding
    :param slab_before: the size of an object of the slab cache without it
    :param slab_after: and with it
    """

    before: int
    after: int
    in_holes: int
    in_padding: int
    slab_before: int
    slab_after: int


def laid_out(members: Sequence[SizedMember]) -> tuple[tuple[SizedMember, ...], int, int]:
    """
    The members in their order as a compiler lays them out; with the size and the alignment of the whole.

    Bit-fields are not known here.
    """
    at, alignment, placed = 0, 1, []
    for member in members:
        assert not member.bits, member
        wanted = max(member.alignment, FORCED.get(member.name, 1))
        at = _rounded(at, wanted)
        placed.append(msgspec.structs.replace(member, offset=at))
        at, alignment = at + member.size, max(alignment, wanted)
    return tuple(placed), _rounded(at, alignment), alignment


def configured(members: Sequence[SizedMember], configuration: Configuration) -> tuple[SizedMember, ...]:
    """The members a VMA has in a configuration, without the field of the kernel's own tracker."""
    absent = {name for option in OPTIONS if option.name not in configuration for name in option.members}
    kept = [member for member in members if member.name not in absent | {OWN_FIELD}]
    # Without the option the type of this member is empty, and what is added comes before it or before a word.
    names = {member.name for member in members}
    for option in OPTIONS:
        if option.added and option.name in configuration and not {_NAMED_ANYWAY, option.added.name} & names:
            kept.append(option.added)
    return tuple(kept)


def options_of(members: Sequence[SizedMember]) -> tuple[KernelOption, ...]:
    """The options that decide about anything in these members."""
    names = {member.name for member in members}
    return tuple(
        option
        for option in OPTIONS
        if names & set(option.members) or (option.added and _NAMED_ANYWAY not in names)
    )


def configuration_of(members: Sequence[SizedMember]) -> Configuration:
    """The options that were on in the kernel that was read."""
    names = {member.name for member in members}
    return frozenset(
        option.name
        for option in options_of(members)
        if names & set(option.members) or (option.added and option.added.name in names)
    )


def configurations(members: Sequence[SizedMember]) -> Iterator[Configuration]:
    """Every way to have options on and off, those that depend on another with that one only."""
    options = options_of(members)
    for states in product((False, True), repeat=len(options)):
        on = frozenset(option.name for option, state in zip(options, states, strict=True) if state)
        if on == possible(on, options):
            yield on


def possible(on: Configuration, options: Sequence[KernelOption]) -> Configuration:
    """Of the options that are on those that can be: what they depend on is on, or unknown to the kernel."""
    names = {option.name for option in options}
    # An option comes after the one it depends on.
    kept: set[str] = set()
    for option in options:
        if option.name in on and (option.needs not in names or option.needs in kept):
            kept.add(option.name)
    return frozenset(kept)


def price(members: Sequence[SizedMember], size: int, slab: SlabCache, configuration: Configuration) -> Price:
    """
    The price of a field of *size* bytes in a configuration.

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


def members_of(series: SeriesSizes) -> tuple[SizedMember, ...]:
    """The members of a VMA."""
    return series.structures[VMA].members


def sharing(series: SeriesSizes) -> tuple[int, int]:
    """In how many configurations a word could share a member PFN VMAs do not use, and in how many not."""
    members = members_of(series)
    able = [
        any(member.name in UNUSED_IN_PFN_VMAS for member in configured(members, on))
        for on in configurations(members)
    ]
    return sum(able), len(able) - sum(able)


def slab_object(size: int, alignment: int, slab: SlabCache) -> int:
    """The bytes from one object of *size* bytes to the next in a cache with the flags of *slab*."""
    wanted = max(alignment, WORD)
    if "SLAB_HWCACHE_ALIGN" in slab.flags:
        line = CACHE_LINE
        # Small objects share a line (calculate_alignment).
        while size <= line // 2:
            line //= 2
        wanted = max(wanted, line)
    return _rounded(size, wanted)


def objects_in(slab: SlabCache, size: int) -> int:
    """How many objects of *size* bytes each a slab of the same pages has."""
    return (4096 << slab.order) // size


def kmalloc_object(size: int, slabs: Mapping[str, SlabCache]) -> int:
    """The bytes kmalloc takes for *size*: those of the smallest of its caches that has room."""
    return min(
        slab.size for name, slab in slabs.items() if name.startswith("kmalloc-") and slab.object_size >= size
    )


# The bytes between members from which a word could begin, as first byte and end.
def _holes(placed: Sequence[SizedMember]) -> Iterator[tuple[int, int]]:
    at = 0
    for member in placed:
        if _rounded(at, WORD) < member.offset:
            yield _rounded(at, WORD), member.offset
        at = max(at, member.offset + member.size)


def _rounded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
