"""track_ctx that refuses private frame mappings (discussion 001: "rip support for MAP_PRIVATE PFNMAP out").

remap_pfn_range creates such mappings. Of the three seams, only the tracker is called there and may refuse, so
this design is a tracker: the newest one, with one more refusal. It refuses whatever is_cow_mapping() matches,
i.e. private and potentially writable mappings, even if they are only read. Page-by-page inserts are
unaffected: vmf_insert_pfn hits a BUG in a private PFN mapping anyway, and a VM_MIXEDMAP may still be private.

Copied pages no longer replace frames, so walkers cannot miss a copied page, and none can hide a mapping's
first frame. The price is paid by programs that map /dev/mem or a PCI file privately, although "they might not
actually write to these areas": PCI files return EINVAL, and /dev/mem EAGAIN, as for any refusal.
"""

import errno

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.flags import is_cow_mapping
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.track_ctx import TrackCtx


class NoCow(TrackCtx):
    """The tracker since 6.16, with one more refusal."""

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """Refuse a private mapping, whole or partial."""
        if is_cow_mapping(vma.flags):
            raise ModelledErrno(errno.EINVAL)
        return super().remap_pfn_range(vma, start, pfns, prot)
