"""Calls of kernel functions that are made to fail (S5.16)."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from pfnlab.base.errors import ModelledErrno, Undecided, Why

if TYPE_CHECKING:
    from pfnlab.kernel.mm.space import MmStruct
    from pfnlab.kernel.mm.vma import Vma

#: Functions that can be made to fail: a page table, an entry of the book, or a copy of a VMA, cannot be
#: allocated.
_CAN_FAIL = ("__get_free_page", "__pte_alloc", "kmalloc", "pfnmap_track", "vm_area_dup")

#: Functions with many callers, with the one in which the model knows each call: for the entry of the book and
#: the context (S4.6.2), and for a batch of page tables (S8.1.12).
_ONLY_INSIDE = {"kmalloc": "remap_pfn_range", "__get_free_page": "free_pgtables"}

#: Functions in which alone calls may be counted.
_INSIDE = ("copy_page_range", "free_pgtables", "remap_pfn_range")

_NOT_ASKED = nullcontext()


#: Of those, the functions that ask for memory of their own.
_ALLOCATIONS = frozenset(_CAN_FAIL) - {"pfnmap_track"}


class Failures:
    """The function that is made to fail, if one is, and in which of its calls to come.

    :ivar allocations: how many calls asked for memory so far; for readers, no state
    """

    def __init__(self) -> None:
        self._forced: tuple[str, int] | None = None
        #: The function in which alone calls count, while it was not called.
        self._outer: str | None = None
        self.allocations = 0

    def state(self) -> tuple[str, int] | None:
        """The function, and how many of its calls are left until it fails; None if nothing is made to."""
        return self._forced

    def force(self, function: str, nth: int, inside: str | None = None) -> None:
        """Make *function* fail on its *nth* call from now on, or within the first call of *inside*.

        :raises Undecided: the model does not know its consequences
        """
        if inside != (caller := _ONLY_INSIDE.get(function, inside)):
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
        """The kernel is in *function* within this context: what is to fail in it may fail, the first time."""
        return self._counting() if self._outer == function else _NOT_ASKED

    @contextmanager
    def _counting(self) -> Iterator[None]:
        self._outer = None
        try:
            yield
        finally:
            self._forced = None

    def unforce(self) -> None:
        """Nothing is made to fail any more."""
        self._forced = self._outer = None

    def fails(self, function: str, calls: int = 1) -> bool:
        """True where one of the next *calls* calls of *function* is the one that fails."""
        return self.failing(function, calls) is not None

    def failing(self, function: str, calls: int) -> int | None:
        """How many of the next *calls* calls of *function* succeed before one fails; None if all do."""
        if function in _ALLOCATIONS:
            self.allocations += max(0, calls)
        if self._outer or self._forced is None or self._forced[0] != function or calls <= 0:
            return None
        remaining = self._forced[1]
        self._forced = (function, remaining - calls)
        return remaining - 1 if 0 < remaining <= calls else None

    def check_unawaited(self, what: str, *functions: str) -> None:
        """Check that none of *functions* is to fail, as the program's own memory calls them in *what*.

        :raises Undecided: one is
        """
        for function in filter(self.awaits, functions):
            raise Undecided(
                f"the model does not know how often {what} calls {function} for the program's own memory",
                Why.NO_RULE,
            )

    def awaits(self, function: str) -> bool:
        """True where a later call of *function* is to fail."""
        if self._outer or self._forced is None:
            return False
        return self._forced[0] == function and self._forced[1] > 0


def absent_tables(mm: MmStruct, start: int, end: int) -> int:
    """How many page tables ``[start, end)`` lacks: so many calls of ``__pte_alloc`` fill it.

    :raises Undecided: one of them is to fail, and the kernel chose the place (S5.16.6)
    """
    absent = mm.tables.absent(start, end)
    if absent:
        check_chosen(mm, start)
    return absent


def check_chosen(mm: MmStruct, vpn: int) -> None:
    """Check that no page table is to fail where the kernel chose the place of page *vpn* (S5.16.6).

    :raises Undecided: one is
    """
    if mm.kernel.failures.awaits("__pte_alloc") and mm.kernel_chose(vpn):
        raise Undecided(
            "the model does not know which page tables are there already where the kernel chose the place",
            Why.NO_RULE,
        )


def pte_alloc(mm: MmStruct, vpn: int) -> bool:
    """Make the page table that has the entry of page *vpn*, unless it is there.

    :return: False where none could be had (``__pte_alloc``); those above it are there
    """
    fails = mm.kernel.failures.fails("__pte_alloc", absent_tables(mm, vpn, vpn + 1))
    mm.tables.allocate(vpn, vpn + 1, lowest=2 if fails else 1)
    return not fails


def vm_area_dup(vma: Vma, mm: MmStruct) -> Vma:
    """A copy of *vma* for *mm*, without the tracker's part.

    :raises ModelledErrno: ENOMEM where none could be had
    """
    if mm.kernel.failures.fails("vm_area_dup"):
        raise ModelledErrno(errno.ENOMEM)
    mm.kernel.trace.event("dup", vma.start)
    return vma.dup(mm)
