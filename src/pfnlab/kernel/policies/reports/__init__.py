"""Reports: what the kernel prints on freeing a range not in the memtype list. One module per policy."""

from collections.abc import Callable

from pfnlab.kernel.mm.freed_in_vain import FreedInVain
from pfnlab.kernel.policies.reports.pr_err import PrErr
from pfnlab.kernel.policies.reports.pr_info import PrInfo
from pfnlab.kernel.policies.reports.warn_on_once import WarnOnOnce

REPORTS: dict[str, Callable[[], FreedInVain]] = {
    "pr_info": PrInfo,
    "pr_err": PrErr,
    "warn_on_once": WarnOnOnce,
}
