"""The flush placements: when pending TLB flushes of PFN VMAs are forced. One module a policy."""

from __future__ import annotations

from collections.abc import Callable

from pfnlab.mm.gather import FlushPlacement, NoForcedFlush
from pfnlab.policies.flushes.end_vma import EndVma
from pfnlab.policies.flushes.first_vma import FirstVma
from pfnlab.policies.flushes.free_vmas import FreeVmas

FLUSHES: dict[str, Callable[[], FlushPlacement]] = {
    "end_vma": EndVma,
    "first_vma": FirstVma,
    "free_vmas": FreeVmas,
    "none": NoForcedFlush,
}
