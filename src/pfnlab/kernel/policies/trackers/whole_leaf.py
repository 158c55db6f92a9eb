"""track_ctx that creates a leaf only if all of its frames have the same mode (discussion 002).

In the first version, the message of patch 2/11 describes a lookup of all frames, but the call passed the
size of one page, as Peter Xu pointed out on 25 April 2025. The second version looks up only the first
frame, and says so. Here all frames are looked up. If they disagree, the fault falls back to smaller
entries, each with its own lookup.
"""

from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.pfnmap import lookup_prot
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.track_ctx import TrackCtx


class WholeLeaf(TrackCtx):
    """The tracker since 6.16, looking up every frame of a leaf."""

    def vmf_insert_pfn(self, vma: Vma, vpn: int, pfns: PfnRange, prot: int) -> int:
        """The mode that all frames have; EINVAL if any differ."""
        return lookup_prot(self._kernel.book, pfns, prot)
