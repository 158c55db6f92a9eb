"""The flush placements: when pending TLB flushes of PFN VMAs are forced. One module a policy."""

from __future__ import annotations

from collections.abc import Callable

from pfnlab.mm.gather import FlushPlacement
from pfnlab.policies.flushes.end_vma import EndVma
from pfnlab.policies.flushes.first_vma import FirstVma
from pfnlab.policies.flushes.free_vmas import FreeVmas
from pfnlab.policies.flushes.fullmm import FullMm
from pfnlab.policies.flushes.in_loop import InLoop
from pfnlab.policies.flushes.none import NoForcedFlush
from pfnlab.policies.flushes.outside_loop import OutsideLoop

FLUSHES: dict[str, Callable[[], FlushPlacement]] = {
    "end_vma": EndVma,
    "first_vma": FirstVma,
    "free_vmas": FreeVmas,
    "fullmm": FullMm,
    "in_loop": InLoop,
    "none": NoForcedFlush,
    "outside_loop": OutsideLoop,
}
