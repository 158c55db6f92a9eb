"""Variations of a program: all mappings are changed in the same way, to see whether a finding persists."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from pfnlab.base.errors import ProgramError
from pfnlab.hunt.fuzz.simplifications import spans_of
from pfnlab.programs.lang.ops import Area, Mmap, Mremap, Program, Read, Write
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.validity import check_program
from pfnlab.programs.lang.walk_ops import Walk
from pfnlab.programs.lang.words import NO_DEVICE

#: The interface with the other cache mode.
_OTHER_MODE = {
    **{"wc": "uc", "uc": "wc", "proc-wc": "proc-uc", "proc-uc": "proc-wc", "devmem": "devmem-sync"},
    "devmem-sync": "devmem",
}


def doubled(program: Program) -> Program | None:
    """*program* with twice as many pages everywhere; each access still covers a single page."""
    ops = []
    for op in program.ops:
        call: Any = op.call
        single = isinstance(call, Read | Write | Walk) and call.span.pages == 1
        spans = {
            field: Span(span.name, 2 * span.start, 2 * span.start + 1 if single else 2 * span.end)
            for field, span in spans_of(call).items()
        }
        call = replace(call, **spans)
        if isinstance(call, Mremap):
            call = replace(call, pages=2 * call.pages)
        ops.append(replace(op, call=call))
    devices = tuple(replace(device, pages=2 * device.pages) for device in program.devices)
    areas = tuple(Area(area.name, 2 * area.pages) for area in program.areas)
    return _valid(replace(program, ops=tuple(ops), devices=devices, areas=areas))


def _mapped(program: Program, change: Callable[[Mmap], dict[str, Any]]) -> Program | None:
    ops = tuple(
        replace(op, call=replace(op.call, **change(op.call)))
        if isinstance(op.call, Mmap) and op.call.source.name not in NO_DEVICE
        else op
        for op in program.ops
    )
    return None if ops == program.ops else _valid(replace(program, ops=ops))


def _valid(program: Program) -> Program | None:
    try:
        check_program(program)
    except ProgramError:
        return None
    return program


#: The variations, each with its program; None if the result is not a valid program or is unchanged.
VARIATIONS: tuple[Callable[[Program], Program | None], ...] = (
    doubled,
    # Map devices through the interface with the other cache mode.
    lambda program: _mapped(program, lambda call: {"via": _OTHER_MODE.get(call.via, call.via)}),
    # Make shared device mappings private, and private ones shared.
    lambda program: _mapped(program, lambda call: {"shared": not call.shared}),
    # Populate device mappings immediately if they were not, and the reverse.
    lambda program: _mapped(program, lambda call: {"populate": not call.populate}),
)
