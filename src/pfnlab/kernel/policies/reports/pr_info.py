"""A line for each free without an entry, at the level of information: every kernel (S2.4.5).

It is visible only in the log, and no test system stops.
"""

# The default of the memtype list.
from pfnlab.kernel.mm.freed_in_vain import PrInfo

__all__ = ["PrInfo"]
