"""States as values: how they compare, and what a difference says."""

from __future__ import annotations

import msgspec
from for_each import for_each

from pfnlab.lens.state import (
    ContextState,
    LensState,
    RamPage,
    TaskState,
    VmaState,
    difference,
    prots_seen,
    tracked_seen,
    vma_counted,
    vma_seen,
)
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import BookEntry, PteSeen

VMA = VmaState(Span("a", 0, 4), "rd wr", 3, "wc", "wc", Span("bar", 0, 4), 0)
CONTEXT = ContextState(0, Span("bar", 0, 16), 2, (("main", Span("a", 0, 4)), ("child", Span("a", 8, 16))))
ENTRY = PteSeen("main", Span("a", 0, 4), Span("bar", 0, 4), "L1 WC P RW US SPECIAL A")
STATE = LensState(
    (TaskState("main", (VMA,), (ENTRY,), 4),),
    (CONTEXT,),
    (BookEntry(Span("bar", 0, 16), "wc"),),
    (RamPage(Span("phys", 5, 6), "wb"),),
)


def test_equal_states_do_not_differ() -> None:
    """
    Raw flag bits and the flush counter are no difference: they depend on version and history.
    """
    task = msgspec.structs.replace(
        STATE.tasks[0], tlb_gen=9, vmas=(msgspec.structs.replace(VMA, bits=1 << 63 | 3),)
    )

    assert difference(STATE, STATE) == ""
    assert difference(STATE, msgspec.structs.replace(STATE, tasks=(task,))) == ""


def test_a_difference_names_both_sides() -> None:
    """
    What only one side has is said with all it is, what both have with its two values.
    """
    other = msgspec.structs.replace(VMA, span=Span("a", 8, 16))
    model = LensState(
        (TaskState("main", (msgspec.structs.replace(VMA, context=None), other), (ENTRY,)),),
        (msgspec.structs.replace(CONTEXT, references=1),),
        (),
        STATE.ram,
    )

    assert (
        difference(STATE, model)
        == """\
task main
  vma a[0:4]
    context: kernel 0, model none
  vma a[8:16]: only in the model
    flags: rd wr
    mode: wc
    file: wc
    offset: bar[0:4]
    context: 0
    VM_PAT: clear
context 0
  references: kernel 2, model 1
book
  entry 0: kernel bar[0:16] wc, model -"""
    )


def test_a_first_frame_that_differs_is_said() -> None:
    """The frames a VMA with VM_PAT covers, where it keeps them itself, stand for the flag."""
    two, three = (
        LensState((TaskState("main", (msgspec.structs.replace(VMA, pat=True, pfns=pfns),), ()),), (), ())
        for pfns in (Span("bar", 2, 6), Span("bar", 3, 7))
    )

    assert "VM_PAT: kernel bar[2:6], model bar[3:7]" in difference(two, three)


def test_the_tracker_in_the_words_of_observations() -> None:
    """
    Shared contexts with their users, flagged VMAs, and the mode of every VMA.
    """
    pat = LensState((TaskState("main", (msgspec.structs.replace(VMA, context=None, pat=True),), ()),), (), ())

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
