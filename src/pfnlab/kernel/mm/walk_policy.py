"""The seam between page-table walkers and how they recognize an ordinary page (S7).

A PFN mapping has no pages to count, pin or move, but a private one may have copied pages among its entries.
Whether a walker finds those depends on whether it refuses the whole VMA or single entries. Kernels do both,
in different places; a profile lists the policy for each place.

get_user_pages_fast is not among these places: it never sees the VMA and can only look at the special bit.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, Protocol, TypeVar

from pfnlab.kernel.hw.entry import pte_special
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.mm.vma import Vma

T = TypeVar("T")


class WalkerPolicy(Protocol):
    """The VMAs and entries that a walker accepts."""

    def walk_page_test(self, vma: Vma) -> bool:
        """True if the entries of *vma* are visited at all."""

    def vm_normal_page(self, vma: Vma, entry: EntryRun) -> bool:
        """True if *entry*, in *vma*, maps an ordinary page, i.e. one with a struct page."""


class Walkers(NamedTuple, Generic[T]):
    """One value for each place in the kernel that uses such a policy.

    :param folio_walk_start: move_pages(2)
    :param walk_page_vma: smaps and numa_maps
    :param walk_page_range: pagemap and mincore(2)
    :param get_user_pages: process_vm_readv and similar, /proc/PID/mem, and pages left over by the fast lookup
    """

    folio_walk_start: T
    walk_page_vma: T
    walk_page_range: T
    get_user_pages: T

    @classmethod
    def all(cls, value: T) -> Walkers[T]:
        """The same value for every place."""
        return cls(value, value, value, value)


class SpecialBits:
    """Every VMA is entered, and entries decide: those for pfns have _PAGE_SPECIAL (vm_normal_page)."""

    def walk_page_test(self, vma: Vma) -> bool:
        """Always True."""
        return True

    def vm_normal_page(self, vma: Vma, entry: EntryRun) -> bool:
        """True unless the special bit is set, which is the same bit at every level (S6.6)."""
        return not pte_special(entry.bits)
