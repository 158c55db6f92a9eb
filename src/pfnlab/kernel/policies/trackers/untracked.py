"""Nothing is remembered and nothing is asked, as before 2.6.29: every mapping gets the mode it wants.

Two mappings of a page may have different cache modes, and nobody notices. The book holds what drivers
reserved for the kernel itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.tracker import Tracked
from pfnlab.kernel.mm.vma import Vma

if TYPE_CHECKING:
    from pfnlab.kernel.mm.kernel import Kernel


class Untracked:
    """No tracker at all, and what the others leave as it is."""

    END_MATCH: ClassVar = False
    ZAPS_IN_ANY_ORDER: ClassVar = True
    BYTES_PER_VMA: ClassVar = 0
    BYTES_PER_CONTEXT: ClassVar = 0

    def __init__(self, kernel: Kernel) -> None:
        """There is nothing to keep."""

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """Grant *prot*, as asked for."""
        return prot

    def remap_pfn_range_failed(self, vma: Vma, pfns: PfnRange) -> None:
        """Nothing was done."""

    def remap_pfn_range_filled(self, vma: Vma, pfns: PfnRange) -> None:
        """Nothing to do."""

    def memremap_pages(self, pfns: PfnRange, prot: int) -> int:
        """Grant *prot*, as asked for."""
        return prot

    def memunmap_pages(self, pfns: PfnRange) -> None:
        """Nothing was kept."""

    def vmf_insert_pfn(self, vma: Vma, vpn: int, pfns: PfnRange, prot: int) -> int:
        """Grant *prot*, as asked for."""
        return prot

    def may_split(self, vma: Vma, at: int) -> None:
        """Always."""

    def vm_area_dup(self, orig: Vma, new: Vma) -> None:
        """There is nothing to copy."""

    def vma_prepare(self, vma: Vma, new: Vma) -> None:
        """There is nothing to divide."""

    def split_vma(self, lower: Vma, upper: Vma) -> None:
        """There is nothing to divide."""

    def copy_page_range(self, dst: Vma, src: Vma) -> None:
        """Entries are no matter of the book."""

    def copy_page_range_failed(self, dst: Vma, src: Vma) -> None:
        """Nothing was done."""

    def zap_page_range_single(self, vma: Vma, start: int, end: int) -> None:
        """There is nothing to let go of."""

    def zap_page_range_single_flushed(self, vma: Vma, start: int, end: int) -> None:
        """There is nothing to let go of."""

    def unmap_vmas(self, vma: Vma) -> None:
        """There is nothing to let go of."""

    def move_vma(self, old: Vma, new: Vma) -> None:
        """There is nothing to hand over."""

    def vm_area_free(self, vma: Vma) -> None:
        """There is nothing to let go of."""

    def tracked(self, vmas: list[Vma]) -> list[Tracked]:
        """Nothing."""
        return []

    def _check(self, vmas: list[Vma]) -> None:
        assert all(vma.pfnmap is None for vma in vmas)
