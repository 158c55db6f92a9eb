"""VM_PAT with partial unmaps forbidden: a tracked mapping can only be unmapped whole (discussion 003).

"We should forbid any partial unmappings in that model, just like we already disallow MADV_DONTNEED": a VMA
with a reservation is never split. The kernel has vm_ops->may_split for such a refusal, and munmap, a move,
mprotect or advice for part of a mapping all return EINVAL. A driver's zap of part of it is refused too. A
region cannot be claimed if that would revoke part of a mapping: EBUSY, because request_mem_region() has one
error for every reason. A whole zap or unmap is untracked as in ``vm_pat``, and exactly.

The price is paid by programs that unmap or protect part of a mapping, and by drivers whose
revocations are refused.
"""

import errno

from pfnlab.base.errors import ModelledErrno
from pfnlab.kernel.mm.flags import VM_PAT
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.vm_pat import VmPat


class NoPartial(VmPat):
    """The tracker of the VM_PAT era, with two more refusals."""

    def may_split(self, vma: Vma, at: int) -> None:
        """Refuse if the VMA is tracked, because the pieces could then be unmapped one by one."""
        if vma.flags & VM_PAT:
            raise ModelledErrno(errno.EINVAL)

    def zap_page_range_single(self, vma: Vma, start: int, end: int) -> None:
        """Refuse a partial zap."""
        if vma.flags & VM_PAT and (start > vma.start or end < vma.end):
            raise ModelledErrno(errno.EINVAL)
        super().zap_page_range_single(vma, start, end)
