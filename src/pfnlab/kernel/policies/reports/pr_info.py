"""A line for each free without an entry, at info level, as in every kernel (S2.4.5).

It is visible only in the log, and does not stop test systems.
"""

# The default of the memtype list.
from pfnlab.kernel.mm.freed_in_vain import PrInfo

__all__ = ["PrInfo"]
