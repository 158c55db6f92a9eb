"""Leaves in programs, as far as the text tells: mappings with room for one, and whether it is touched."""

from __future__ import annotations

from pfnlab.hw.pgtable import LEAF_PAGES
from pfnlab.programs.lang.device_ops import DriverHow
from pfnlab.programs.lang.ops import Call, Mmap, Program, Read, Write
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import Walk

#: Pages of a leaf of 2 MiB, and of one of 1 GiB.
TABLE, GIGABYTE = LEAF_PAGES[2], LEAF_PAGES[3]

#: The highest level of a leaf by the way the guest driver fills its mapping.
DRIVER_LEAVES: dict[DriverHow, int] = {"fault_pmd": 2, "fault_pud": 3}


def place_of(call: Mmap) -> Span:
    """The pages of an area at which *call* maps."""
    return call.over if call.over is not None else Span(call.name or "", 0, call.source.pages)


def leaf_level(call: Mmap) -> int:
    """The level of the largest leaf that fits into the mapping of *call*: 1 where no leaf does (S6.3.1).

    Areas begin at a multiple of 1 GiB, as devices do that may have leaves.
    """
    most = (
        DRIVER_LEAVES.get(call.driver.how, 1) if call.driver is not None else 3 if call.via == "vfio" else 1
    )
    place = place_of(call)
    for level in range(most, 1, -1):
        unit = LEAF_PAGES[level]
        first = place.start + -place.start % unit
        if (place.start - call.source.start) % unit == 0 and first + unit <= place.end:
            return level
    return 1


def touched_level(program: Program) -> int:
    """The level of the largest leaf that a mapping of *program* has room for and that a later access makes.

    It is 1 where there is none. Permissions, tasks and what happens in between are not looked at.
    """
    mapped: list[tuple[Span, int]] = []
    found = 1
    for op in program.ops:
        call = op.call
        if isinstance(call, Mmap) and leaf_level(call) > 1:
            mapped.append((place_of(call), leaf_level(call)))
        for place, level in mapped:
            if level > found and touches(call, place):
                found = level
    return found


def touches(call: Call, place: Span) -> bool:
    """Whether *call* is an access that begins within *place*."""
    if not isinstance(call, Read | Write | Walk):
        return False
    return call.span.name == place.name and place.start <= call.span.start < place.end
