"""Flush placements: when pending TLB flushes for PFN VMAs are forced. One module per policy.

Those from the two mail threads are named after patch versions: ``force_*`` is "mmu_gather: Force
tlb-flush VM_PFNMAP vmas" of 2022, ``gather_*`` is "mmu_gather: move tlb flush ... into free_pgtables()"
of 2025 (discussion 004).
"""

from collections.abc import Callable

from pfnlab.kernel.mm.gather import FlushPlacement
from pfnlab.kernel.policies.flushes.any_vma import AnyVma
from pfnlab.kernel.policies.flushes.end_vma import EndVma
from pfnlab.kernel.policies.flushes.first_vma import FirstVma
from pfnlab.kernel.policies.flushes.force_respin_a import ForceRespinA
from pfnlab.kernel.policies.flushes.force_respin_b import ForceRespinB
from pfnlab.kernel.policies.flushes.force_v1 import ForceV1
from pfnlab.kernel.policies.flushes.free_vmas import FreeVmas
from pfnlab.kernel.policies.flushes.fullmm import FullMm
from pfnlab.kernel.policies.flushes.gather_draft import GatherDraft
from pfnlab.kernel.policies.flushes.gather_v1 import GatherV1
from pfnlab.kernel.policies.flushes.gather_v2 import GatherV2
from pfnlab.kernel.policies.flushes.gather_v2_junk import GatherV2Junk
from pfnlab.kernel.policies.flushes.gather_v3 import GatherV3
from pfnlab.kernel.policies.flushes.gather_v4 import GatherV4
from pfnlab.kernel.policies.flushes.gather_v5 import GatherV5
from pfnlab.kernel.policies.flushes.none import NoForcedFlush

FLUSHES: dict[str, Callable[[], FlushPlacement]] = {
    "any_vma": AnyVma,
    "end_vma": EndVma,
    "first_vma": FirstVma,
    "force_respin_a": ForceRespinA,
    "force_respin_b": ForceRespinB,
    "force_v1": ForceV1,
    "free_vmas": FreeVmas,
    "fullmm": FullMm,
    "gather_draft": GatherDraft,
    "gather_v1": GatherV1,
    "gather_v2": GatherV2,
    "gather_v2_junk": GatherV2Junk,
    "gather_v3": GatherV3,
    "gather_v4": GatherV4,
    "gather_v5": GatherV5,
    "none": NoForcedFlush,
}
