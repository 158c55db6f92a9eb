"""No tracking and no lookups, as before 2.6.29: every mapping gets the mode that it requests.

Two mappings of a page may have different cache modes, and nothing detects it. The memtype list contains only
what drivers have reserved for the kernel itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.tracker import Tracked
from pfnlab.kernel.mm.vma import Vma

if TYPE_CHECKING:
    from pfnlab.kernel.mm.kernel import Kernel


class Untracked:
    """No tracking at all; also the default methods for other trackers."""

    END_MATCH: ClassVar = False
    ZAPS_IN_ANY_ORDER: ClassVar = True
    BYTES_PER_VMA: ClassVar = 0
    BYTES_PER_CONTEXT: ClassVar = 0

    def __init__(self, kernel: Kernel) -> None:
        """Do nothing: there is no state."""

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """Grant *prot* as requested."""
        return prot

    def remap_pfn_range_failed(self, vma: Vma, pfns: PfnRange) -> None:
        """Do nothing: not tracked."""

    def remap_pfn_range_filled(self, vma: Vma, pfns: PfnRange) -> None:
        """Do nothing."""

    def memremap_pages(self, pfns: PfnRange, prot: int) -> int:
        """Grant *prot* as requested."""
        return prot

    def memunmap_pages(self, pfns: PfnRange) -> None:
        """Do nothing: not tracked."""

    def vmf_insert_pfn(self, vma: Vma, vpn: int, pfns: PfnRange, prot: int) -> int:
        """Grant *prot* as requested."""
        return prot

    def may_split(self, vma: Vma, at: int) -> None:
        """Allow every split."""

    def vm_area_dup(self, orig: Vma, new: Vma) -> None:
        """Do nothing: there is nothing to copy."""

    def vma_prepare(self, vma: Vma, new: Vma) -> None:
        """Do nothing: there is nothing to split."""

    def split_vma(self, lower: Vma, upper: Vma) -> None:
        """Do nothing: there is nothing to split."""

    def copy_page_range(self, dst: Vma, src: Vma) -> None:
        """Do nothing: entries do not affect the list."""

    def copy_page_range_failed(self, dst: Vma, src: Vma) -> None:
        """Do nothing: not tracked."""

    def zap_page_range_single(self, vma: Vma, start: int, end: int) -> None:
        """Do nothing: nothing is tracked."""

    def zap_page_range_single_flushed(self, vma: Vma, start: int, end: int) -> None:
        """Do nothing: nothing is tracked."""

    def unmap_vmas(self, vma: Vma) -> None:
        """Do nothing: nothing is tracked."""

    def move_vma(self, old: Vma, new: Vma) -> None:
        """Do nothing: nothing is tracked."""

    def vm_area_free(self, vma: Vma) -> None:
        """Do nothing: nothing is tracked."""

    def tracked(self, vmas: list[Vma]) -> list[Tracked]:
        """Always empty."""
        return []

    def _check(self, vmas: list[Vma]) -> None:
        assert all(vma.pfnmap is None for vma in vmas)
