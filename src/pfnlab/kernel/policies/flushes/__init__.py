"""Flush placements: when pending TLB flushes for PFN VMAs are forced. One module per policy.

Those from the two mail threads are named after patch versions: ``force_*`` is "mmu_gather: Force
tlb-flush VM_PFNMAP vmas" of 2022, ``gather_*`` is "mmu_gather: move tlb flush ... into free_pgtables()"
of 2025 (discussion 004).
"""

from collections.abc import Callable

from pfnlab.kernel.mm.gather import FlushPlacement
from pfnlab.kernel.policies.shipped_policies import policies_in

FLUSHES: dict[str, Callable[[], FlushPlacement]] = policies_in("flushes")
