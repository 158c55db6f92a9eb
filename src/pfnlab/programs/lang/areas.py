"""Where a program's areas are: on every machine alike, each with room behind it."""

from __future__ import annotations

from pfnlab.programs.lang.ops import Mmap, Mremap, Program

#: The page number at which the first area starts (16 TiB), far from everything a process maps itself.
FIRST_AREA_PAGE = 1 << 32

#: Areas start at multiples of 1 GiB and leave at least one free GiB between them, so no two areas
#: touch and no two share a page table.
AREA_ALIGN_PAGES = 1 << 18


def area_extents(program: Program) -> dict[str, int]:
    """Every area of the program with the pages that may be named in it, in order of first use.

    Declared areas keep their declared size when it is larger than the mapping there.
    """
    extents = {area.name: area.pages for area in program.areas}
    for op in program.ops:
        call = op.call
        if isinstance(call, Mmap) and call.name is not None:
            extents[call.name] = max(extents.get(call.name, 0), call.source.pages)
        elif isinstance(call, Mremap) and call.name is not None:
            extents[call.name] = max(extents.get(call.name, 0), call.pages)
    return extents


def area_starts(program: Program) -> dict[str, int]:
    """The page number at which every area starts, the same on every machine."""
    starts: dict[str, int] = {}
    page = FIRST_AREA_PAGE
    for name, pages in area_extents(program).items():
        starts[name] = page
        page += (-(-pages // AREA_ALIGN_PAGES) + 1) * AREA_ALIGN_PAGES
    return starts
