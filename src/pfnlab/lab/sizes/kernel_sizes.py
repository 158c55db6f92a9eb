"""Sizes of kernel structures and slab caches, read from images and guests and stored in a file per series.

``evidence/tools/record_sizes.py`` writes these files, so that the page about sizes needs no kernel. The
members of a VMA in other configurations are derived from them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any, NamedTuple

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.result import Outcome
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.lens.btf import Btf
from pfnlab.lab.lens.structure_sizes import Hole, SizedMember, SlabCache, StructureSize, size_of_structure
from pfnlab.lab.lens.vmlinux import btf_of

FORMAT = "pfnlab-sizes/1"

#: The command that writes the files.
RECORD = "python evidence/tools/record_sizes.py"

#: The structures to read, what each is for, and where its objects are.
STRUCTURES: Mapping[str, tuple[str, str]] = {
    "vm_area_struct": ("a VMA; a tracker keeps its data here", "slab `vm_area_struct`"),
    "vma_lock": ("the lock of a VMA while it was a separate object", "slab `vma_lock`"),
    "pfnmap_track_ctx": ("the kernel's own context of a tracked mapping", "kmalloc"),
    "memtype": ("an entry of the book", "kmalloc"),
    "vm_operations_struct": ("the place for a driver's hook for its first frame", "the driver's data"),
    "mm_struct": ("an address space; holds no tracker data", "slab `mm_struct`"),
    "mmu_gather": ("collects the pages a call unmaps; its bits record what to flush", "stack"),
    "vma_munmap_struct": ("the VMAs a call unmaps, flushed inside or after its loop", "stack"),
    "zap_details": ("selects the pages of a mapping to zap, with or without copied ones", "stack"),
    "follow_pfnmap_args": ("an entry of a PFN mapping, as a driver sees it", "stack"),
    "folio_walk": ("result of folio_walk_start", "stack"),
    "anon_vma": ("a private PFN mapping with a copied page has one", "slab `anon_vma`"),
    "anon_vma_chain": ("one for each anon_vma its VMA is linked to", "slab `anon_vma_chain`"),
    "dev_pagemap": ("the owner of a reservation of memremap_pages", "the driver's data"),
    "vm_struct": ("the owner of a reservation of ioremap", "kmalloc"),
}


class SeriesSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The sizes for one series.

    :param package_version: the kernel that was read, as a distribution version
    :param sha256: the checksum of the vmlinuz
    :param made_by: the command that wrote this file
    :param structures: the structures by name, without those that this kernel lacks
    :param slabs: the slab caches of a booted guest, by name; empty if no guest was booted
    :param alike: other packages in the series that have the same structures
    :param unlike: other packages, each with the structures that differ in it
    """

    series: str
    package_version: str
    release: str
    sha256: str
    made_by: str
    structures: dict[str, StructureSize]
    slabs: dict[str, SlabCache] = {}
    alike: tuple[str, ...] = ()
    unlike: dict[str, tuple[str, ...]] = {}
    format: str = FORMAT


@cache
def known_sizes() -> tuple[SeriesSizes, ...]:
    """The stored sizes for every series, oldest first; Misuse if a file is missing or damaged."""
    return tuple(
        read_sizes(files("pfnlab.lab.sizes").joinpath("data", f"{series}.json")) for series in CONFIRMED
    )


def read_sizes(path: Any) -> SeriesSizes:
    """Read one file; Misuse if it is missing or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=SeriesSizes)
    except (OSError, msgspec.DecodeError) as trouble:
        raise Misuse(f"{path}: {trouble}; install pfnlab again, or in a clone run `{RECORD}`") from trouble


def types_of(kernel: KernelImage) -> Btf:
    """The types in a kernel image; LensError if it has none."""
    return Btf(btf_of(kernel.vmlinuz), name=kernel.label)


def structures_of(types: Btf) -> dict[str, StructureSize]:
    """The structures among :data:`STRUCTURES` that a kernel has."""
    sizes = {name: size_of_structure(types, name) for name in STRUCTURES}
    return {name: size for name, size in sizes.items() if size is not None}


def holes_in_words(structure: StructureSize) -> str:
    """The holes of a structure: first those between its own members, then the bytes lost inside members."""
    own = [_hole(hole) for hole in structure.own_holes]
    inside = Counter[str]()
    for hole in structure.holes:
        if hole.inside:
            inside[hole.inside.partition(".")[0]] += hole.bits
    within = [f"{_bits(bits)} in {member}" for member, bits in inside.items()]
    return ", ".join(own + within) or "none"


def _hole(hole: Hole) -> str:
    if hole.bits % 8 or hole.bit % 8:
        return f"{hole.bits} bits from {hole.bit // 8}.{hole.bit % 8} on"
    return f"{hole.bits // 8} at {hole.offset}"


def _bits(bits: int) -> str:
    return f"{bits // 8}" if bits % 8 == 0 else f"{bits} bits"


class ListedSizes(NamedTuple):
    """The structures of several kernels, by kernel name."""

    kernels: tuple[tuple[str, dict[str, StructureSize]], ...]
    outcome: Outcome = Outcome.AS_EXPECTED

    def as_json(self) -> str:
        """The structures as JSON, with every hole and member."""
        return msgspec.json.format(msgspec.json.encode(dict(self.kernels)), indent=1).decode()


#: The size of each word in a tracker's field: a pointer, a frame or a size.
WORD = 8

#: The field that belongs to the kernel's own tracker; another tracker replaces it.
OWN_FIELD = "pfnmap_track_ctx"


class KernelOption(NamedTuple):
    """A configuration option that affects which members a VMA has.

    :param members: the members that go away if it is off
    :param added: the member that is there if it is on, if it was off in the kernels that were read
    :param needs: the option it depends on, if the kernel has that option
    """

    name: str
    members: tuple[str, ...] = ()
    added: SizedMember | None = None
    needs: str = ""


#: As in include/linux/mm_types.h, in the order in which the page lists them. On x86-64 PER_VMA_LOCK is on if
#: SMP is on, and NUMA needs SMP.
OPTIONS = (
    KernelOption("PER_VMA_LOCK", ("detached", "vm_lock_seq", "vm_lock", "vm_refcnt")),
    KernelOption("NUMA", ("vm_policy",), needs="PER_VMA_LOCK"),
    KernelOption("NUMA_BALANCING", ("numab_state",), needs="NUMA"),
    KernelOption("SWAP", ("swap_readahead_info",)),
    KernelOption("USERFAULTFD", ("vm_userfaultfd_ctx",)),
    KernelOption("ANON_VMA_NAME", added=SizedMember("anon_name", 0, WORD, WORD)),
)

#: In kernels that have this, a VMA has a name in any configuration, next to the links of a file mapping.
_NAMED_ANYWAY = "shared | anon_name"

VMA = "vm_area_struct"

#: VMA members that a PFN mapping does not use, so that a word could take their place: automatic NUMA
#: balancing skips VM_PFNMAP (vma_migratable), and userfaultfd rejects such VMAs (vma_can_userfault).
UNUSED_IN_PFN_VMAS = ("numab_state", "vm_userfaultfd_ctx")

#: The options that are on.
Configuration = frozenset[str]


def configured(members: Sequence[SizedMember], configuration: Configuration) -> tuple[SizedMember, ...]:
    """The members of a VMA in a configuration, without the field of the kernel's own tracker."""
    absent = {name for option in OPTIONS if option.name not in configuration for name in option.members}
    kept = [member for member in members if member.name not in absent | {OWN_FIELD}]
    # Without the option, this member's type is empty. An added member comes before it, or before a word.
    names = {member.name for member in members}
    for option in OPTIONS:
        if option.added and option.name in configuration and not {_NAMED_ANYWAY, option.added.name} & names:
            kept.append(option.added)
    return tuple(kept)


def options_of(members: Sequence[SizedMember]) -> tuple[KernelOption, ...]:
    """The options that affect any of these members."""
    names = {member.name for member in members}
    return tuple(
        option
        for option in OPTIONS
        if names & set(option.members) or (option.added and _NAMED_ANYWAY not in names)
    )


def configurations(members: Sequence[SizedMember]) -> Iterator[Configuration]:
    """All valid combinations of options, i.e. those that respect dependencies."""
    options = options_of(members)
    for states in product((False, True), repeat=len(options)):
        on = frozenset(option.name for option, state in zip(options, states, strict=True) if state)
        if on == possible(on, options):
            yield on


def possible(on: Configuration, options: Sequence[KernelOption]) -> Configuration:
    """The options in *on* whose dependencies are on, or unknown to the kernel."""
    names = {option.name for option in options}
    # An option comes after the one it depends on.
    kept: set[str] = set()
    for option in options:
        if option.name in on and (option.needs not in names or option.needs in kept):
            kept.add(option.name)
    return frozenset(kept)


def members_of(series: SeriesSizes) -> tuple[SizedMember, ...]:
    """The members of a VMA."""
    return series.structures[VMA].members


def sharing(series: SeriesSizes) -> tuple[int, int]:
    """The numbers of configurations in which a word can share a member unused by PFN VMAs, and of others."""
    members = members_of(series)
    able = [
        any(member.name in UNUSED_IN_PFN_VMAS for member in configured(members, on))
        for on in configurations(members)
    ]
    return sum(able), len(able) - sum(able)
