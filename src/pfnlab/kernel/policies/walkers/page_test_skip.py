"""walk_page_test() skips VM_PFNMAP, as the generic page walk does (discussion 001).

"Nobody noticed that walk_page_test() skips VM_PFNMAP (but not VM_IO :) )": "process memory stats will likely
miss anon folios on COW PFNMAP mappings". smaps did so until 6.2, and pagemap does in every kernel.
"""

from pfnlab.kernel.mm.flags import VM_PFNMAP
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.mm.walk_policy import SpecialBits


class PageTestSkip(SpecialBits):
    """Some VMAs are not entered; the others are walked as with special bits."""

    def walk_page_test(self, vma: Vma) -> bool:
        """False for bare frames."""
        return not vma.flags & VM_PFNMAP
