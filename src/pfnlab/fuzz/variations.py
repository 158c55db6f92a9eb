"""Programs with the same operations on other mappings: the conditions of a difference.

Each variation changes all mappings of a program in one way and leaves its operations as they are. Two
differences that stay and go with the same variations have the same conditions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from pfnlab.errors import ProgramError
from pfnlab.fuzz.simplify import spans_of
from pfnlab.programs.lang.checks import check_program
from pfnlab.programs.lang.ops import Area, Mmap, Mremap, Program, Read, Write
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import Walk
from pfnlab.programs.lang.words import ANON

#: The interface with the other cache mode.
_OTHER_MODE = {
    "wc": "uc",
    "uc": "wc",
    "proc-wc": "proc-uc",
    "proc-uc": "proc-wc",
    "devmem": "devmem-sync",
    "devmem-sync": "devmem",
}


def doubled(program: Program) -> Program | None:
    """Everything on twice as many pages; an access stays one of a single page."""
    ops = []
    for op in program.ops:
        call: Any = op.call
        single = isinstance(call, Read | Write | Walk) and call.span.pages == 1
        spans = {
            field: Span(span.name, 2 * span.start, 2 * span.start + 1 if single else 2 * span.end)
            for field, span in spans_of(call).items()
        }
        call = msgspec.structs.replace(call, **spans)
        if isinstance(call, Mremap):
            call = msgspec.structs.replace(call, pages=2 * call.pages)
        ops.append(msgspec.structs.replace(op, call=call))
    devices = tuple(msgspec.structs.replace(device, pages=2 * device.pages) for device in program.devices)
    areas = tuple(Area(area.name, 2 * area.pages) for area in program.areas)
    return _valid(msgspec.structs.replace(program, ops=tuple(ops), devices=devices, areas=areas))


def other_mode(program: Program) -> Program | None:
    """Mappings of devices through the interface with the other cache mode."""
    return _mapped(program, lambda call: {"via": _OTHER_MODE.get(call.via, call.via)})


def other_sharing(program: Program) -> Program | None:
    """Shared mappings of devices private, and private ones shared."""
    return _mapped(program, lambda call: {"shared": not call.shared})


def other_filling(program: Program) -> Program | None:
    """Mappings of devices filled at once where they were not, and not where they were."""
    return _mapped(program, lambda call: {"populate": not call.populate})


#: The variations, each with its program; None where that would be no program or the same.
VARIATIONS: tuple[Callable[[Program], Program | None], ...] = (
    doubled,
    other_mode,
    other_sharing,
    other_filling,
)


def _mapped(program: Program, change: Callable[[Mmap], dict[str, Any]]) -> Program | None:
    ops = tuple(
        msgspec.structs.replace(op, call=msgspec.structs.replace(op.call, **change(op.call)))
        if isinstance(op.call, Mmap) and op.call.source.name != ANON
        else op
        for op in program.ops
    )
    return None if ops == program.ops else _valid(msgspec.structs.replace(program, ops=ops))


def _valid(program: Program) -> Program | None:
    try:
        check_program(program)
    except ProgramError:
        return None
    return program
