"""The flush placements: when pending TLB flushes of PFN VMAs are forced. One module a policy."""

from __future__ import annotations

from collections.abc import Callable

from pfnlab.kernel.mm.gather import FlushPlacement
from pfnlab.kernel.policies.flushes.end_vma import EndVma
from pfnlab.kernel.policies.flushes.first_vma import FirstVma
from pfnlab.kernel.policies.flushes.free_vmas import FreeVmas
from pfnlab.kernel.policies.flushes.fullmm import FullMm
from pfnlab.kernel.policies.flushes.in_loop import InLoop
from pfnlab.kernel.policies.flushes.none import NoForcedFlush
from pfnlab.kernel.policies.flushes.outside_loop import OutsideLoop

FLUSHES: dict[str, Callable[[], FlushPlacement]] = {
    "end_vma": EndVma,
    "first_vma": FirstVma,
    "free_vmas": FreeVmas,
    "fullmm": FullMm,
    "in_loop": InLoop,
    "none": NoForcedFlush,
    "outside_loop": OutsideLoop,
}
