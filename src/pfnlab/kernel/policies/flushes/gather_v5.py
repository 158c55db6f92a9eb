"""Version 5 of the 2025 patch: a single flush before the loop again, whatever a VMA's flags are.

20 May 2025, Roman Gushchin, <20250520214813.3946964-1-roman.gushchin@linux.dev>. Unlike in v4,
tlb_free_vmas() is called once, and tests only the gather's flag ("to avoid extra checks"). That is v3 under
another name, including its mistake, which was found in this version.
"""

from pfnlab.kernel.policies.flushes.gather_v3 import GatherV3


class GatherV5(GatherV3):
    """Flush in tlb_free_vmas if there was no flush since the last PFN VMA began."""
