"""No tracking and no lookups, as before 2.6.29: every mapping gets the mode that it requests.

Two mappings of a page may have different cache modes, and nothing detects it. The memtype list contains only
what drivers have reserved for the kernel itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pfnlab.kernel.mm.tracker import Tracker
from pfnlab.kernel.mm.vma import Vma

if TYPE_CHECKING:
    from pfnlab.kernel.mm.kernel import Kernel


class Untracked(Tracker):
    """No tracking at all; also the default methods for other trackers: those that do nothing."""

    END_MATCH: ClassVar = False
    ZAPS_IN_ANY_ORDER: ClassVar = True
    BYTES_PER_VMA: ClassVar = 0
    BYTES_PER_CONTEXT: ClassVar = 0

    def __init__(self, kernel: Kernel) -> None:
        """Do nothing: there is no state."""

    def _check(self, vmas: list[Vma]) -> None:
        assert all(vma.pfnmap is None for vma in vmas)
