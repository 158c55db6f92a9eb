"""VM_IO and VM_PFNMAP are refused before the walk (discussion 001's patch).

"It has no folio backing the mappings at all": "that is in general not what we want", because a private
mapping that was written to has ordinary pages, and a walker that stops at the VMA misses them. get_user_pages
does this in every kernel.
"""

from pfnlab.kernel.mm.flags import VM_IO, VM_PFNMAP
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.mm.walk_policy import SpecialBits


class EarlyRefusal(SpecialBits):
    """Some VMAs are not entered; the others are walked as with special bits."""

    def walk_page_test(self, vma: Vma) -> bool:
        """False for device memory and bare frames."""
        return not vma.flags & (VM_IO | VM_PFNMAP)
