"""The members of a VMA, in every configuration that a kernel may have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from pfnlab.lab.lens.structure_sizes import SizedMember
from pfnlab.lab.sizes.kernel_sizes import SeriesSizes

#: A tracker's field is made of these: a pointer, a frame, a size.
WORD = 8

#: The field of the kernel's own tracker, which another tracker takes the place of.
OWN_FIELD = "pfnmap_track_ctx"


class KernelOption(NamedTuple):
    """A configuration option that decides about members of a VMA.

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
