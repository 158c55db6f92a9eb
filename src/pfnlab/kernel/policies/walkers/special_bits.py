"""Special bits, via vm_normal_page: a VMA's content is tested entry by entry (discussion 001's answer).

"vm_normal_page() should be able to identify PFN maps and reject them": device pages are skipped, and a
private PFN mapping's copied pages are found like any others.
"""

# mm's default.
from pfnlab.kernel.mm.walk_policy import SpecialBits as SpecialBits
