"""Holes in words."""

from __future__ import annotations

from pfnlab.lens.structure_sizes import Hole, StructureSize


def holes_in_words(structure: StructureSize) -> str:
    """The holes of a structure: those between its own members, then how much is lost inside of members."""
    own = [_hole(hole) for hole in structure.own_holes]
    inside: dict[str, int] = {}
    for hole in structure.holes:
        if hole.inside:
            member = hole.inside.partition(".")[0]
            inside[member] = inside.get(member, 0) + hole.bits
    within = [f"{_bits(bits)} in {member}" for member, bits in inside.items()]
    return ", ".join(own + within) or "none"


def _hole(hole: Hole) -> str:
    if hole.bits % 8 or hole.bit % 8:
        return f"{hole.bits} bits from {hole.bit // 8}.{hole.bit % 8} on"
    return f"{hole.bits // 8} at {hole.offset}"


def _bits(bits: int) -> str:
    return f"{bits // 8}" if bits % 8 == 0 else f"{bits} bits"
