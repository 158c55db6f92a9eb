"""The seam between the memory core and the policy that records which pfns a mapping reserved.

mm writes page tables and a tracker the memtype list; neither writes the other's. A tracker may read page
tables, as the old get_pat_info() does. The kernel has renamed its tracker functions repeatedly while their
call sites stayed, so the methods are named after the call sites. At four of them the kernel never called a
tracker: ``may_split``, where it has only vm_ops->may_split, ``vma_prepare``, ``split_vma``, and
``zap_page_range_single_flushed``, after its tlb_finish_mmu().

Any method may raise :class:`~pfnlab.base.errors.ModelledErrno`; mm then unwinds as the kernel would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.vma import Vma

if TYPE_CHECKING:
    from pfnlab.kernel.mm.kernel import Kernel


class Tracked(NamedTuple):
    """One reservation recorded by a tracker.

    :param vmas: the VMAs that share it, in no particular order
    :param pfns: the range it reserved, or None if it is known only from the page tables
    :param refs: its count of VMAs, or None for a tracker that does not count
    """

    vmas: list[Vma]
    pfns: PfnRange | None = None
    refs: int | None = None


class Tracker(Protocol):
    """The calls of mm to a pfnmap tracker: one method per call site.

    :cvar END_MATCH: in the memtype lists of its time, a free may shrink an entry with the same end (S2.4.4)
    :cvar BYTES_PER_VMA: its cost in every VMA of the system, in bytes on a 64-bit kernel :cvar
    BYTES_PER_CONTEXT: its allocation for each tracked mapping, excluding the memtype entry, in bytes
    """

    END_MATCH: ClassVar[bool]
    BYTES_PER_VMA: ClassVar[int]
    BYTES_PER_CONTEXT: ClassVar[int]

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """Called when remap_pfn_range is about to fill entries.

        :param start: the first virtual page to be filled
        :param pfns: the frames, one for each page to be filled
        :param prot: the requested protection
        :return: the protection to use, with the granted cache mode
        :raises ModelledErrno: if the mapping is refused
        """

    def remap_pfn_range_failed(self, vma: Vma, pfns: PfnRange) -> None:
        """Called if filling failed after the tracker agreed; the entries have been removed again."""

    def remap_pfn_range_filled(self, vma: Vma, pfns: PfnRange) -> None:
        """Called when the entries have been filled, in a range of the VMA that had none."""

    def memremap_pages(self, pfns: PfnRange, prot: int) -> int:
        """Called when struct pages are about to be created for *pfns* of a device; there is no VMA (S4.9).

        :return: the protection to use, as for :meth:`remap_pfn_range`
        :raises ModelledErrno: the error of the memtype list
        """

    def memunmap_pages(self, pfns: PfnRange) -> None:
        """Called when the struct pages of *pfns* are being removed."""

    def vmf_insert_pfn(self, vma: Vma, vpn: int, pfns: PfnRange, prot: int) -> int:
        """Called when a fault handler is about to fill the entry at *vpn*, if it is empty.

        :param pfns: the frame, or those of a whole leaf
        :param prot: the requested protection
        :return: the protection to use, with the granted cache mode
        :raises ModelledErrno: to refuse, which causes SIGBUS for a page, and smaller entries for a leaf
        """

    def may_split(self, vma: Vma, at: int) -> None:
        """Called when a VMA is about to be split at page *at* because a part is unmapped, moved or changed.

        :raises ModelledErrno: to refuse the split
        """

    def vm_area_dup(self, orig: Vma, new: Vma) -> None:
        """Called when a VMA was copied, for a split, move or fork; in a split both have the whole range."""

    def vma_prepare(self, vma: Vma, new: Vma) -> None:
        """Called when a split may fail for the last time: the copy *new* has its range, *vma* still the
        whole.

        :raises ModelledErrno: to fail; the VMA then stays whole, and *new* is freed
        """

    def split_vma(self, lower: Vma, upper: Vma) -> None:
        """Called when a VMA has been split: one part is a copy of the other, and the ranges are final."""

    def copy_page_range(self, dst: Vma, src: Vma) -> None:
        """Called when fork is about to copy the entries of *src* to *dst*."""

    def copy_page_range_failed(self, dst: Vma, src: Vma) -> None:
        """Called when copying the entries has failed half-way; the child is torn down next."""

    def zap_page_range_single(self, vma: Vma, start: int, end: int) -> None:
        """Called when the entries of pages ``[start, end)`` of a live VMA are about to be cleared.

        :raises ModelledErrno: to refuse this
        """

    def zap_page_range_single_flushed(self, vma: Vma, start: int, end: int) -> None:
        """Called when they are cleared, except copied pages to be kept, and flushed from every processor."""

    def unmap_vmas(self, vma: Vma) -> None:
        """Called when the entries of a VMA that is being unmapped are about to be cleared."""

    def move_vma(self, old: Vma, new: Vma) -> None:
        """Called when mremap has moved entries from *old* to *new*; *old* is unmapped next."""

    def vm_area_free(self, vma: Vma) -> None:
        """Called when the VMA itself is being freed, after flushing and unlinking."""

    def tracked(self, vmas: list[Vma]) -> list[Tracked]:
        """The reservations recorded for *vmas*, all existing VMAs, in the given order."""

    def _check(self, vmas: list[Vma]) -> None:
        """Assert the tracker's own invariants over all existing VMAs."""


class TrackerPolicy(Protocol):
    """A tracker's class: its costs, and its constructor for a kernel."""

    END_MATCH: bool
    BYTES_PER_VMA: int
    BYTES_PER_CONTEXT: int

    def __call__(self, kernel: Kernel) -> Tracker:
        """The tracker of one kernel."""


#: The calls of a tracker at a zap, and the name of its class's declaration about their order.
_ZAPS = frozenset(("zap_page_range_single", "zap_page_range_single_flushed", "ZAPS_IN_ANY_ORDER"))

#: The calls of a tracker in a fork and an exit, and the name of its class's declaration about their order.
_AREAS = frozenset(
    (
        *("vm_area_dup", "copy_page_range", "copy_page_range_failed"),
        *("unmap_vmas", "vm_area_free", "AREAS_IN_ANY_ORDER"),
    )
)


def zaps_in_any_order(policy: type) -> bool:
    """True if the order in which several VMAs are zapped does not matter, as the class with the zaps
    declares.

    The declaration is ``ZAPS_IN_ANY_ORDER = True``. Without it, a zap may be refused after earlier ones were
    done (S6.7.2).
    """
    return _says(policy, "ZAPS_IN_ANY_ORDER", _ZAPS)


def areas_in_any_order(policy: type) -> bool:
    """True if the order of VMAs in fork and exit does not matter, as the class with these calls declares.

    The declaration is ``AREAS_IN_ANY_ORDER = True``. Without it, a fork may fail in the middle (S3.5.3), or a
    call may free a reservation that belongs to another VMA (S2.4.4).
    """
    return _says(policy, "AREAS_IN_ANY_ORDER", _AREAS)


def _says(policy: type, word: str, calls: frozenset[str]) -> bool:
    """*word* in the first class that overrides one of *calls*."""
    owner = next((cls for cls in policy.__mro__ if not calls.isdisjoint(vars(cls))), None)
    return owner is not None and bool(vars(owner).get(word, False))
