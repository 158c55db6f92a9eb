"""Version 5 of the patch of 2025: once before the loop again, whatever the flags of a VMA.

20 May 2025, Roman Gushchin, <20250520214813.3946964-1-roman.gushchin@linux.dev>.
Its difference from v4: tlb_free_vmas() is called once, and tests the gather's flag alone ("to avoid extra
checks"). That is v3 under another name, and with its mistake, which was found in this version.
"""

from pfnlab.kernel.policies.flushes.gather_v3 import GatherV3


class GatherV5(GatherV3):
    """Flush in tlb_free_vmas, if there was no flush since the last PFN VMA began."""
