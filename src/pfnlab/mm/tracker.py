"""The seam between the memory core and whatever remembers which pfns a mapping reserved.

mm writes page tables, a tracker writes the memtype book, and neither writes the other's. A tracker
may read page tables, as the old get_pat_info() does. The kernel kept renaming its tracker functions
while the places that call them stayed, so the methods are named after the call sites.

Any method may raise :class:`~pfnlab.errors.ModelledErrno`; mm then unwinds as the kernel would.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from pfnlab.mm.vma import Vma
from pfnlab.units import PfnRange


class Tracked(NamedTuple):
    """Something a tracker remembers.

    :param vmas: the VMAs that share it, in no order
    :param pfns: the range it reserved, or None where only the page tables know
    :param refs: how many VMAs it counts, or None where nobody counts
    """

    vmas: list[Vma]
    pfns: PfnRange | None = None
    refs: int | None = None


class Tracker(Protocol):
    """What mm asks of a pfnmap tracker: one method for each call site in the kernel."""

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """remap_pfn_range is about to fill entries.

        :param start: first virtual page that will be filled
        :param pfns: the frames, as many as will be filled
        :param prot: the protection asked for
        :return: the protection to use; its cache mode is the one granted
        :raises ModelledErrno: the mapping is refused
        """

    def remap_pfn_range_failed(self, vma: Vma, pfns: PfnRange) -> None:
        """Filling failed after the tracker agreed; the entries are gone again."""

    def memremap_pages(self, pfns: PfnRange, prot: int) -> int:
        """Struct pages are about to be made for *pfns* of a device; there is no VMA (S4.9).

        :return: the protection to use, as for :meth:`remap_pfn_range`
        :raises ModelledErrno: what the book says
        """

    def memunmap_pages(self, pfns: PfnRange) -> None:
        """The struct pages of *pfns* go."""

    def vm_area_dup(self, orig: Vma, new: Vma) -> None:
        """A VMA was copied, for a split, a move or a fork."""

    def copy_page_range(self, dst: Vma, src: Vma) -> None:
        """fork is about to copy the entries of *src* for *dst*."""

    def copy_page_range_failed(self, dst: Vma, src: Vma) -> None:
        """Copying the entries failed half-way; the child is torn down next."""

    def zap_page_range_single(self, vma: Vma) -> None:
        """Some entries of a living VMA are about to be cleared."""

    def unmap_vmas(self, vma: Vma) -> None:
        """The entries of a VMA that is being unmapped are about to be cleared."""

    def move_vma(self, old: Vma, new: Vma) -> None:
        """mremap has moved entries from *old* to *new*; *old* is unmapped next."""

    def vm_area_free(self, vma: Vma) -> None:
        """The VMA itself is being freed, after flushing and unlinking."""

    def tracked(self, vmas: list[Vma]) -> list[Tracked]:
        """What is remembered about *vmas*, every VMA that exists, in the order they are given."""

    def _check(self, vmas: list[Vma]) -> None:
        """Assert the tracker's own invariants over every VMA that exists."""
