"""States as values: the tracker in words, and the counts that are compared."""

from __future__ import annotations

import msgspec
from for_each import for_each

from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.bits import PAGE_PRESENT, PAGE_PWT
from pfnlab.lab.lens.plain import Extent, RawContext, RawSpace, RawState, RawVma
from pfnlab.lab.running.inside_state import LensState, Words, vma_counted
from pfnlab.programs.runs.observation import VmaSeen
from pfnlab.programs.runs.places import Places

PLACES = Places({"bar": PfnRange(0x100, 0x110)}, {"a": (0x4000, 16)})
WC = PAGE_PRESENT | PAGE_PWT
VMA = RawVma(Extent("a", 0, 4), 3, 3, WC, "wc", 0, (), 0, False, None)
EMPTY = RawState((), (), (), {}, (), None, {})
SEEN = VmaSeen("main", "a", 0, 4, "rw-s", "wc", None, "rd wr")


def state(*contexts: RawContext, vma: RawVma = VMA) -> LensState:
    """The state of one task with one VMA, in words."""
    space = RawSpace("main", (vma,), (), 4, None, 0x1000)
    return Words().state(EMPTY._replace(spaces=(space,), contexts=contexts), PLACES)


def test_the_tracker_in_the_words_of_observations() -> None:
    """
    Shared contexts with their users, flagged VMAs, and the mode of every VMA.
    """
    users = (("main", Extent("a", 0, 4)), ("child", Extent("a", 8, 16)))
    shared = state(RawContext((0x100, 0x110), 2, users))
    flagged = state(vma=VMA._replace(pat=True))
    with_frames = state(vma=VMA._replace(pat=True, base=0x102))

    assert shared.tracked == ("bar[0:16] x2 a[0:4] child:a[8:16]",)
    assert flagged.tracked == ("VM_PAT a[0:4]",)
    assert with_frames.tracked == ("bar[2:6] a[0:4]",)
    assert shared.prots == ("a[0:4] WC",)


def test_frames_of_no_device_have_no_numbers() -> None:
    """RAM that a driver maps lies elsewhere on every machine."""
    assert state(RawContext((0x900, 0x904), None, (("main", Extent("a", 0, 4)),))).tracked == ("phys a[0:4]",)


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
    inside = msgspec.structs.replace(SEEN, flags=flags, rss=4, anonymous=4)
    outside = msgspec.structs.replace(inside, rss=counted, anonymous=counted)

    assert [told] == [one.rss for one in vma_counted(LensState(vmas=(inside,)), [outside])]
