"""The areas of a program: their places, equal on all machines, and those that may show device pages."""

from collections.abc import Collection, Iterable

from pfnlab.programs.lang.ops import Call, Mmap, Mremap, Program, RemapFilePages

#: The page number at which the first area starts (16 TiB), far from anything a process maps itself.
FIRST_AREA_PAGE = 1 << 32

#: The name of the clock pages.
VVAR = "vvar"

#: Areas start at multiples of 1 GiB and leave at least one free GiB between them, so no two areas
#: touch and no two share a page table.
AREA_ALIGN_PAGES = 1 << 18


def area_extents(program: Program) -> dict[str, int]:
    """Every area of the program with the number of pages that may be named in it, in order of first use.

    A declared area keeps its declared size if that is larger than the mapping there.
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


#: The operations that map pages of a device into an area.
SHOWING = (Mmap, Mremap, RemapFilePages)


def areas_showing(calls: Iterable[Call], devices: Collection[str], *, shared: bool = False) -> frozenset[str]:
    """The areas in which pages of *devices* are mapped, or into which such a mapping may be moved.

    Neither the success nor the order of the operations matters.

    :param shared: count only mappings through which a store reaches the device
    """
    showing = [call for call in calls if isinstance(call, SHOWING)]
    areas = {target_of(call) for call in showing if _is_seed(call, devices, shared)}
    return _moved_to(showing, areas | ({VVAR} & set(devices)))


def areas_of_driver(calls: Iterable[Call], *, vfio: bool = False) -> frozenset[str]:
    """The areas in which the guest driver maps something through its first file, or to which that may be
    moved.

    Revocations of the first file do not cover mappings of the second (S9.12.1).

    :param vfio: consider mappings of vfio-pci instead of the guest driver's
    """
    showing = [call for call in calls if isinstance(call, SHOWING)]
    maps = [call for call in showing if isinstance(call, Mmap)]
    return _moved_to(
        showing,
        {target_of(call) for call in maps if (call.via == "vfio" if vfio else _by_first_file(call))},
    )


def _by_first_file(call: Mmap) -> bool:
    return call.driver is not None and call.driver.how != "export"


def _moved_to(showing: Iterable[Call], areas: set[str]) -> frozenset[str]:
    """These areas, and those to which their mappings may be moved."""
    moves = [(call.span.name, target_of(call)) for call in showing if isinstance(call, Mremap)]
    while found := {to for start, to in moves if start in areas} - areas:
        areas |= found
    return frozenset(areas)


def target_of(call: Mmap | Mremap | RemapFilePages) -> str:
    """The area that contains the pages of *call* afterwards."""
    if isinstance(call, RemapFilePages):
        return call.span.name
    if call.over is not None:
        return call.over.name
    return call.name or (call.span.name if isinstance(call, Mremap) else "")


def areas_of_unknown(program: Program) -> frozenset[str]:
    """The areas whose contents depend on the machine: pages of an ``isa`` device hold data of the kernel and
    the firmware, those of perf hold the kernel's data about the event, and those of vvar the time.
    """
    own = {device.name for device in program.devices if device.kind == "isa"} | {"perf", VVAR}
    return areas_showing((op.call for op in program.ops), own) - {VVAR}


def moves_vvar(program: Program) -> bool:
    """True if *program* moves the clock pages to an area."""
    return any(isinstance(op.call, Mremap) and op.call.span.name == VVAR for op in program.ops)


def _is_seed(call: Call, devices: Collection[str], shared: bool) -> bool:
    if isinstance(call, RemapFilePages):
        return call.source.name in devices
    return isinstance(call, Mmap) and call.source.name in devices and (call.shared or not shared)
