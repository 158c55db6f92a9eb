"""No flush is forced: everything that was cleared waits for tlb_finish_mmu, as before 5.19 (S8.3).

By then the VMAs have left their files' reverse maps. unmap_mapping_range does not find them, returns, and
lets the driver free the frames, which stale translations can still reach for a moment (B01).
"""

# The gather's own default.
from pfnlab.kernel.mm.gather import NoForcedFlush as NoForcedFlush
