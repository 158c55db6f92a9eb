"""A program's areas: where they are, the same on every machine, and which may show device pages."""

from collections.abc import Collection, Iterable

from pfnlab.programs.lang.ops import Call, Mmap, Mremap, Program, RemapFilePages

#: The page number of the first area (16 TiB), far from anything that a process maps on its own.
FIRST_AREA_PAGE = 1 << 32

#: The name of the clock pages.
VVAR = "vvar"

#: Areas start at multiples of 1 GiB with at least 1 GiB free between them, so no two touch
#: or share a page table.
AREA_ALIGN_PAGES = 1 << 18


def area_extents(program: Program) -> dict[str, int]:
    """Every area in the program, in order of first use, with the number of pages that may be named in it.

    A declared area keeps its declared size if that exceeds the largest mapping there.
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
    """The page number where each area starts, the same on every machine."""
    starts: dict[str, int] = {}
    page = FIRST_AREA_PAGE
    for name, pages in area_extents(program).items():
        starts[name] = page
        page += (-(-pages // AREA_ALIGN_PAGES) + 1) * AREA_ALIGN_PAGES
    return starts


#: The operations that map device pages into an area.
SHOWING = (Mmap, Mremap, RemapFilePages)


def areas_showing(calls: Iterable[Call], devices: Collection[str], *, shared: bool = False) -> frozenset[str]:
    """The areas where pages of *devices* are mapped, or to which such a mapping may be moved.

    The success and the order of the operations are ignored.

    :param shared: count only mappings through which a store reaches the device
    """
    showing = [call for call in calls if isinstance(call, SHOWING)]
    areas = {target_of(call) for call in showing if _is_seed(call, devices, shared)}
    return _moved_to(showing, areas | ({VVAR} & set(devices)))


def areas_of_driver(calls: Iterable[Call], *, vfio: bool = False) -> frozenset[str]:
    """The areas where the guest driver maps something through its first file, or to which that may be moved.

    Revoking mappings of the first file does not affect mappings of the second (S9.12.1).

    :param vfio: look for vfio-pci mappings instead of the guest driver's
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
    """These areas, plus those to which their mappings may be moved."""
    moves = [(call.span.name, target_of(call)) for call in showing if isinstance(call, Mremap)]
    while found := {to for start, to in moves if start in areas} - areas:
        areas |= found
    return frozenset(areas)


def target_of(call: Mmap | Mremap | RemapFilePages) -> str:
    """The area that has the pages of *call* afterwards."""
    if isinstance(call, RemapFilePages):
        return call.span.name
    if call.over is not None:
        return call.over.name
    return call.name or (call.span.name if isinstance(call, Mremap) else "")


def areas_of_unknown(program: Program) -> frozenset[str]:
    """The areas whose contents depend on the machine: pages of an ``isa`` device hold kernel and firmware
    data, perf pages hold the kernel's data about the event, and vvar pages hold the time.
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
