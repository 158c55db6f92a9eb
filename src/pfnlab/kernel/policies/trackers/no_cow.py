"""track_ctx that refuses private frame mappings (discussion 001: "rip support for MAP_PRIVATE PFNMAP out").

remap_pfn_range is where such a mapping comes to be, and of the three seams only the tracker is asked
there and may refuse; so the design is a tracker, the newest one with a refusal in front. It refuses what
is_cow_mapping() says: private and possibly writable some day, which a mapping that is only read is, too.
What is inserted page by page is no matter of this: vmf_insert_pfn stops the kernel in a private PFN
mapping anyway, and a VM_MIXEDMAP may be private still.

No page is copied on write in place of a frame any more, so nobody can miss one, and none hides the first
frame of a mapping. The price is paid by programs that map /dev/mem or a PCI file privately, although "they
might not actually write to these areas": the PCI files answer EINVAL, /dev/mem EAGAIN as for any refusal.
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
        """Not in a private mapping, whole or in part."""
        if is_cow_mapping(vma.flags):
            raise ModelledErrno(errno.EINVAL)
        return super().remap_pfn_range(vma, start, pfns, prot)
