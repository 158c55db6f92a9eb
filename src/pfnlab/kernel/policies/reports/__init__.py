"""Reports: what the kernel prints on freeing a range not in the memtype list. One module per policy."""

from collections.abc import Callable

from pfnlab.kernel.mm.freed_in_vain import FreedInVain
from pfnlab.kernel.policies.shipped_policies import policies_in

REPORTS: dict[str, Callable[[], FreedInVain]] = policies_in("reports")
