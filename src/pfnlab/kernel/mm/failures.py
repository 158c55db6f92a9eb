"""Fault injection: kernel functions whose calls are forced to fail (S5.16)."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from pfnlab.base.errors import ModelledErrno, Undecided, Why

if TYPE_CHECKING:
    from pfnlab.kernel.mm.space import MmStruct
    from pfnlab.kernel.mm.vma import Vma

#: Functions that can be forced to fail: they allocate a page table, a memtype list entry, or a copy of a VMA.
_CAN_FAIL = ("__get_free_page", "__pte_alloc", "kmalloc", "pfnmap_track", "vm_area_dup")

#: Functions with many callers, each with the only caller for which the model knows every call: one for the
#: memtype entry and the context (S4.6.2), one for a batch of page tables (S8.1.12).
ONLY_INSIDE = {"kmalloc": "remap_pfn_range", "__get_free_page": "free_pgtables"}

#: The only functions within which calls can be counted.
_INSIDE = ("copy_page_range", "free_pgtables", "remap_pfn_range")

_NOT_ASKED = nullcontext()


#: The functions among them that allocate memory themselves.
_ALLOCATIONS = frozenset(_CAN_FAIL) - {"pfnmap_track"}


class Failures:
    """The function that is forced to fail, if any, and which of its calls will fail.

    :ivar allocations: how many allocations there were so far; informational, not part of the state
    """

    def __init__(self) -> None:
        self._forced: tuple[str, int] | None = None
        #: If set, calls count only within this function, which has not been called yet.
        self._outer: str | None = None
        self.allocations = 0

    def state(self) -> tuple[str, int] | None:
        """The function and the number of calls left until it fails; None if no failure is forced."""
        return self._forced

    def force(self, function: str, nth: int, inside: str | None = None) -> None:
        """Make *function* fail on its *nth* call from now on, or on the *nth* call
        within the first of *inside*.

        :raises Undecided: if the model does not know the consequences
        """
        if inside != (caller := ONLY_INSIDE.get(function, inside)):
            raise Undecided(f"the model knows {function} in {caller} alone: write so", Why.NO_RULE)
        if function not in _CAN_FAIL:
            functions = ", ".join(_CAN_FAIL)
            raise Undecided(
                f"the model does not know what follows when {function} fails, only {functions}", Why.NO_RULE
            )
        if inside not in (None, *_INSIDE):
            where = ", ".join(_INSIDE)
            raise Undecided(
                f"the model does not know what is called in {inside}, only in {where}", Why.NO_RULE
            )
        self._forced, self._outer = (function, nth), inside

    def inside(self, function: str) -> AbstractContextManager[None]:
        """Mark the kernel as inside *function* within this context; only the first call can fail."""
        return self._counting() if self._outer == function else _NOT_ASKED

    @contextmanager
    def _counting(self) -> Iterator[None]:
        self._outer = None
        try:
            yield
        finally:
            self._forced = None

    def unforce(self) -> None:
        """Cancel the forced failure."""
        self._forced = self._outer = None

    def fails(self, function: str, calls: int = 1) -> bool:
        """True if one of the next *calls* calls to *function* fails."""
        return self.failing(function, calls) is not None

    def failing(self, function: str, calls: int) -> int | None:
        """Number of the next *calls* calls to *function* before the one that fails; None if none fails."""
        if function in _ALLOCATIONS:
            self.allocations += max(0, calls)
        if self._outer or self._forced is None or self._forced[0] != function or calls <= 0:
            return None
        remaining = self._forced[1]
        self._forced = (function, remaining - calls)
        return remaining - 1 if 0 < remaining <= calls else None

    def check_unawaited(self, what: str, *functions: str) -> None:
        """Check that no failure of *functions* is pending; *what* calls them for the program's own memory.

        :raises Undecided: if a failure is pending
        """
        for function in filter(self.awaits, functions):
            raise Undecided(
                f"the model does not know how often {what} calls {function} for the program's own memory",
                Why.NO_RULE,
            )

    def awaits(self, function: str) -> bool:
        """True if a later call of *function* fails."""
        if self._outer or self._forced is None:
            return False
        return self._forced[0] == function and self._forced[1] > 0


def absent_tables(mm: MmStruct, start: int, end: int) -> int:
    """Number of page tables missing in ``[start, end)``, i.e. of ``__pte_alloc`` calls needed to fill it.

    :raises Undecided: if one of them fails, and the kernel chose the address (S5.16.6)
    """
    absent = mm.tables.absent(start, end)
    if absent:
        check_chosen(mm, start)
    return absent


def check_chosen(mm: MmStruct, vpn: int) -> None:
    """Check that no page-table allocation fails if page *vpn* is at an address chosen
    by the kernel (S5.16.6).

    :raises Undecided: if one fails
    """
    if mm.kernel.failures.awaits("__pte_alloc") and mm.kernel_chose(vpn):
        raise Undecided(
            "the model does not know which page tables are there already where the kernel chose the place",
            Why.NO_RULE,
        )


def pte_alloc(mm: MmStruct, vpn: int) -> bool:
    """Create the page table for page *vpn*'s entry, unless it exists.

    :return: False if it cannot be allocated (``__pte_alloc``); the tables above it then exist
    """
    fails = mm.kernel.failures.fails("__pte_alloc", absent_tables(mm, vpn, vpn + 1))
    mm.tables.allocate(vpn, vpn + 1, lowest=2 if fails else 1)
    return not fails


def vm_area_dup(vma: Vma, mm: MmStruct) -> Vma:
    """A copy of *vma* for *mm*, without the tracker's part of the work.

    :raises ModelledErrno: ENOMEM if the copy cannot be allocated
    """
    if mm.kernel.failures.fails("vm_area_dup"):
        raise ModelledErrno(errno.ENOMEM)
    mm.kernel.trace.event("dup", vma.start)
    return vma.dup(mm)
