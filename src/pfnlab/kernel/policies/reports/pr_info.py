"""One line at info level for each free without an entry, as in every kernel (S2.4.5).

It only shows in the log, and does not stop test systems.
"""

# The memtype list's default.
from pfnlab.kernel.mm.freed_in_vain import PrInfo as PrInfo
