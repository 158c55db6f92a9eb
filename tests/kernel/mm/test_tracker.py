"""A tracker's class says in which orders its calls end alike, and a class that changes them says it anew."""

from __future__ import annotations

from typing import ClassVar

from pfnlab.kernel.mm.tracker import areas_in_any_order, zaps_in_any_order
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.split_ctx import SplitCtx
from pfnlab.kernel.policies.trackers.track_ctx import TrackCtx
from pfnlab.kernel.policies.trackers.vm_pat import VmPat


class Frees(TrackCtx):
    """Changes what happens when a VMA is freed."""

    def vm_area_free(self, vma: Vma) -> None:
        super().vm_area_free(vma)


class FreesInAnyOrder(Frees):
    """The same, and says that the order is nothing to it."""

    AREAS_IN_ANY_ORDER: ClassVar = True


def test_what_a_class_says_holds_for_those_that_change_none_of_the_calls() -> None:
    """A split is none of them."""
    assert areas_in_any_order(TrackCtx)
    assert areas_in_any_order(SplitCtx)


def test_a_class_that_changes_a_call_says_it_anew() -> None:
    """Until then the order counts."""
    assert not areas_in_any_order(Frees)
    assert areas_in_any_order(FreesInAnyOrder)


def test_zaps_are_asked_for_themselves() -> None:
    """Zaps in any order are no areas in any order."""
    assert zaps_in_any_order(Frees)
    assert zaps_in_any_order(VmPat)
    assert not areas_in_any_order(VmPat)
