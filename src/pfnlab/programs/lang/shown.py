"""The areas in which a program may see pages of a device, as far as its text tells."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pfnlab.programs.lang.ops import Call, Mmap, Mremap, Program, RemapFilePages

#: The operations that bring pages of a device into an area.
SHOWING = (Mmap, Mremap, RemapFilePages)


def areas_showing(calls: Iterable[Call], devices: Collection[str], *, shared: bool = False) -> frozenset[str]:
    """The areas in which pages of *devices* are mapped, or into which such a mapping may be moved.

    Whether an operation succeeds, and in which order they are done, does not matter.

    :param shared: mappings only through which a store reaches the device
    """
    showing = [call for call in calls if isinstance(call, SHOWING)]
    areas = {target_of(call) for call in showing if _is_seed(call, devices, shared)}
    moves = [(call.span.name, target_of(call)) for call in showing if isinstance(call, Mremap)]
    while found := {to for start, to in moves if start in areas} - areas:
        areas |= found
    return frozenset(areas)


def target_of(call: Mmap | Mremap | RemapFilePages) -> str:
    """The area in which the pages of *call* are afterwards."""
    if isinstance(call, RemapFilePages):
        return call.span.name
    if call.over is not None:
        return call.over.name
    return call.name or (call.span.name if isinstance(call, Mremap) else "")


def areas_of_unknown(program: Program) -> frozenset[str]:
    """The areas whose contents are the machine's own: pages of an ``isa`` device hold what the kernel and the
    firmware put there.
    """
    isa = {device.name for device in program.devices if device.kind == "isa"}
    return areas_showing((op.call for op in program.ops), isa) if isa else frozenset()


def _is_seed(call: Call, devices: Collection[str], shared: bool) -> bool:
    if isinstance(call, RemapFilePages):
        return call.source.name in devices
    return isinstance(call, Mmap) and call.source.name in devices and (call.shared or not shared)
