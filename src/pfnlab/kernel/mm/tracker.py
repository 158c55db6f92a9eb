"""The seam between the memory core and the policy that records which pfns a mapping has reserved.

mm writes page tables, and a tracker writes the memtype list; neither writes the other's. A tracker may read
page tables, as the old get_pat_info() does. The kernel has renamed its tracker functions repeatedly but kept
their call sites, so the methods are named after the call sites. At four of these, no kernel ever called a
tracker: ``may_split``, where it has only vm_ops->may_split; ``vma_prepare``; ``split_vma``; and
``zap_page_range_single_flushed``, after the tlb_finish_mmu() there.

Any method may raise :class:`~pfnlab.base.errors.ModelledErrno`; mm then backs out as the kernel would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.vma import Vma

if TYPE_CHECKING:
    from pfnlab.kernel.mm.kernel import Kernel


class Tracked(NamedTuple):
    """One reservation that a tracker has recorded.

    :param vmas: the VMAs sharing it, in no particular order
    :param pfns: the reserved range, or None if only the page tables tell
    :param refs: how many VMAs the tracker counts, or None if it does not count
    """

    vmas: list[Vma]
    pfns: PfnRange | None = None
    refs: int | None = None


class Tracker:
    """The calls that mm makes to a pfnmap tracker: one method per call site, which records nothing here.

    :cvar END_MATCH: in memtype lists of its time, a free may shrink an entry that ends at
        the same address (S2.4.4)
    :cvar BYTES_PER_VMA: its cost in every VMA of the system, in bytes on a 64-bit kernel :cvar
    BYTES_PER_CONTEXT: its allocation for each tracked mapping, excluding the memtype entry, in bytes
    """

    END_MATCH: ClassVar[bool]
    BYTES_PER_VMA: ClassVar[int]
    BYTES_PER_CONTEXT: ClassVar[int]

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """Called when remap_pfn_range is about to fill entries.

        :param start: the first virtual page that will be filled
        :param pfns: the frames, one per page to be filled
        :param prot: the requested protection
        :return: the protection to use, containing the granted cache mode
        :raises ModelledErrno: if the mapping is refused
        """
        return prot

    def remap_pfn_range_failed(self, vma: Vma, pfns: PfnRange) -> None:
        """Called if filling fails after the tracker agreed; the entries have been removed again."""

    def remap_pfn_range_filled(self, vma: Vma, pfns: PfnRange) -> None:
        """Called when the entries have been filled, in a part of the VMA where all entries were empty."""

    def memremap_pages(self, pfns: PfnRange, prot: int) -> int:
        """Called when struct pages are about to be created for the device frames
        *pfns*; there is no VMA (S4.9).

        :return: the protection to use, as for :meth:`remap_pfn_range`
        :raises ModelledErrno: the memtype list's error
        """
        return prot

    def memunmap_pages(self, pfns: PfnRange) -> None:
        """Called when the struct pages for *pfns* are being removed."""

    def vmf_insert_pfn(self, vma: Vma, vpn: int, pfns: PfnRange, prot: int) -> int:
        """Called when a fault handler is about to fill the entry at *vpn*, provided it is empty.

        :param pfns: the frame, or all frames of a leaf
        :param prot: the requested protection
        :return: the protection to use, containing the granted cache mode
        :raises ModelledErrno: to refuse, which leads to SIGBUS for a page, and to smaller entries for a leaf
        """
        return prot

    def may_split(self, vma: Vma, at: int) -> None:
        """Called when a VMA is about to be split at page *at* because part of it is
        unmapped, moved or changed.

        :raises ModelledErrno: to refuse the split
        """

    def vm_area_dup(self, orig: Vma, new: Vma) -> None:
        """Called after a VMA was copied, for a split, move or fork; in a split, both have the whole range."""

    def vma_prepare(self, vma: Vma, new: Vma) -> None:
        """Called at the last point where a split can fail; the copy *new* has its final
        range, *vma* the old one.

        :raises ModelledErrno: to make the split fail; the VMA then stays whole, and *new* is freed
        """

    def split_vma(self, lower: Vma, upper: Vma) -> None:
        """Called after a VMA was split: one part is a copy of the other, and both ranges are final."""

    def copy_page_range(self, dst: Vma, src: Vma) -> None:
        """Called when fork is about to copy *src*'s entries to *dst*."""

    def copy_page_range_failed(self, dst: Vma, src: Vma) -> None:
        """Called if copying the entries failed half-way; the child is torn down next."""

    def zap_page_range_single(self, vma: Vma, start: int, end: int) -> None:
        """Called when the entries for pages ``[start, end)`` of a live VMA are about to be cleared.

        :raises ModelledErrno: to refuse
        """

    def zap_page_range_single_flushed(self, vma: Vma, start: int, end: int) -> None:
        """Called when these entries are cleared, except copied pages to be kept, and flushed everywhere."""

    def unmap_vmas(self, vma: Vma) -> None:
        """Called when the entries of a VMA being unmapped are about to be cleared."""

    def move_vma(self, old: Vma, new: Vma) -> None:
        """Called when mremap has moved entries from *old* to *new*; *old* is unmapped next."""

    def vm_area_free(self, vma: Vma) -> None:
        """Called when the VMA itself is freed, after flushing and unlinking."""

    def tracked(self, vmas: list[Vma]) -> list[Tracked]:
        """The reservations recorded for *vmas*, which are all existing VMAs in the given order."""
        return []

    def _check(self, vmas: list[Vma]) -> None:
        """Assert the tracker's own invariants over all existing VMAs."""


class TrackerPolicy(Protocol):
    """A tracker class: its costs, and its constructor for a kernel."""

    END_MATCH: bool
    BYTES_PER_VMA: int
    BYTES_PER_CONTEXT: int

    def __call__(self, kernel: Kernel) -> Tracker:
        """Create the tracker for one kernel."""


#: The calls made to a tracker during a zap, and the class attribute that declares
#: whether their order matters.
_ZAPS = frozenset(("zap_page_range_single", "zap_page_range_single_flushed", "ZAPS_IN_ANY_ORDER"))

#: The calls made to a tracker in fork and exit, and the class attribute that declares
#: whether their order matters.
_AREAS = frozenset(
    (
        *("vm_area_dup", "copy_page_range", "copy_page_range_failed"),
        *("unmap_vmas", "vm_area_free", "AREAS_IN_ANY_ORDER"),
    )
)


def zaps_in_any_order(policy: type) -> bool:
    """True if several VMAs may be zapped in any order, according to the class that defines the zap methods.

    That class declares ``ZAPS_IN_ANY_ORDER = True``. Otherwise a zap may be refused after earlier
    ones were done (S6.7.2).
    """
    return _says(policy, "ZAPS_IN_ANY_ORDER", _ZAPS)


def areas_in_any_order(policy: type) -> bool:
    """True if fork and exit may go through VMAs in any order, according to the class
    that defines these methods.

    That class declares ``AREAS_IN_ANY_ORDER = True``. Otherwise a fork may fail half-way (S3.5.3), or a call
    may free a reservation that belongs to another VMA (S2.4.4).
    """
    return _says(policy, "AREAS_IN_ANY_ORDER", _AREAS)


def _says(policy: type, word: str, calls: frozenset[str]) -> bool:
    """The value of *word* in the first class that overrides one of *calls*."""
    owner = next((cls for cls in policy.__mro__ if not calls.isdisjoint(vars(cls))), None)
    return owner is not None and bool(vars(owner).get(word, False))
