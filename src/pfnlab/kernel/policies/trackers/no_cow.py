"""track_ctx that refuses private frame mappings (discussion 001: "rip support for MAP_PRIVATE PFNMAP out").

remap_pfn_range creates such mappings, and of the three seams only the tracker is called there and may refuse;
so the design is a tracker, the newest one with an additional refusal. It refuses what is_cow_mapping()
matches: private and potentially writable, even if it is only read. Page-by-page inserts are unaffected:
vmf_insert_pfn hits a BUG in a private PFN mapping anyway, and a VM_MIXEDMAP may still be private.

Frames are no longer replaced by copied pages, so walkers cannot miss one, and none hides the first
frame of a mapping. The price is paid by programs that map /dev/mem or a PCI file privately, although "they
might not actually write to these areas": the PCI files return EINVAL, /dev/mem EAGAIN as for any refusal.
"""

import errno

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.flags import is_cow_mapping
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.track_ctx import TrackCtx


class NoCow(TrackCtx):
    """The tracker since 6.16, with one refusal."""

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """Refuse a private mapping, whole or in part."""
        if is_cow_mapping(vma.flags):
            raise ModelledErrno(errno.EINVAL)
        return super().remap_pfn_range(vma, start, pfns, prot)
