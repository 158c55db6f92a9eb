"""A line for each free in vain, at the level of information: every kernel (S2.4.5).

Who does not read the log learns nothing, and no test system stops.
"""

# The book's own default.
from pfnlab.kernel.mm.freed_in_vain import PrInfo

__all__ = ["PrInfo"]
