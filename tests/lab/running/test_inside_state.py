"""States as values: how they compare, and what a difference says."""

from __future__ import annotations

import msgspec
from for_each import for_each

from pfnlab.lab.running.inside_state import (
    ContextState,
    LensState,
    TaskState,
    VmaState,
    prots_seen,
    tracked_seen,
    vma_counted,
    vma_seen,
)
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import BookEntry, DeviceSpan, PteSeen

VMA = VmaState(Span("a", 0, 4), "rd wr", 3, "wc", "wc", Span("bar", 0, 4))
CONTEXT = ContextState(Span("bar", 0, 16), 2, (("main", Span("a", 0, 4)), ("child", Span("a", 8, 16))))
ENTRY = PteSeen("main", "a", 0, 4, DeviceSpan("bar", 0, 4), "L1 WC P RW US SPECIAL A")
STATE = LensState(
    (TaskState("main", (VMA,), (ENTRY,), 4),),
    (CONTEXT,),
    (BookEntry("bar", 0, 16, "wc"),),
)


def test_the_tracker_in_the_words_of_observations() -> None:
    """
    Shared contexts with their users, flagged VMAs, and the mode of every VMA.
    """
    pat = LensState((TaskState("main", (msgspec.structs.replace(VMA, pat=True),), ()),), (), ())

    assert tracked_seen(STATE) == ("bar[0:16] x2 a[0:4] child:a[8:16]",)
    assert tracked_seen(pat) == ("VM_PAT a[0:4]",)
    assert prots_seen(STATE) == ("a[0:4] WC",)


@for_each(
    ("flags", "counted", "told"),
    [
        ("rd wr pf", 0, 0),
        ("rd wr io mm", 0, 0),
        ("rd wr mm", 0, 4),
        ("rd wr pf", 8, 4),
    ],
    ids=["PFN mapping", "I/O mapping", "mixed mapping", "smaps counted"],
)
def test_pages_of_a_vma_that_smaps_passed_by_are_not_counted(flags: str, counted: int, told: int) -> None:
    """Only where a walker may pass it by, and smaps counted nothing at all."""
    vma = msgspec.structs.replace(VMA, flags=flags, rss=4, anonymous=4)
    state = LensState((TaskState("main", (vma,), ()),), (), ())
    (inside,) = vma_seen(state)
    outside = msgspec.structs.replace(inside, rss=counted, anonymous=counted)

    assert [told] == [one.rss for one in vma_counted(state, [outside])]
