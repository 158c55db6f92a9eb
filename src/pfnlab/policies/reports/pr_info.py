"""A line for each free in vain, at the level of information: every kernel (S2.4.5).

Who does not read the log learns nothing, and no test system stops. "I think that should be a pr_err() at
least?" (seed 002) would change the level of the same line (`levels`), and nothing else that is observed.
"""

from __future__ import annotations

# The book's own default.
from pfnlab.mm.memtype import PrInfo

__all__ = ["PrInfo"]
