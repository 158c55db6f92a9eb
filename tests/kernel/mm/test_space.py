"""S5.3: the VMAs of one address space, found, split and merged."""

from __future__ import annotations

import errno
from collections.abc import Iterable

import pytest
from for_each import for_each

from pfnlab.base.errors import ModelledErrno
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm import space
from pfnlab.kernel.mm.flags import VM_LOCKED, VM_READ
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.space import OWN_VMAS, TASK_PAGES, MmStruct
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.kernel.policies.trackers import TRACKERS


def mm_of(*ranges: tuple[int, int]) -> MmStruct:
    """An address space with anonymous VMAs at *ranges*."""
    mm = Kernel(PROFILES["7.2"], qemu_q35(), TRACKERS["track_ctx"]).start_task("demo").mm
    for start, end in ranges:
        mm.link(Vma(mm, start, end, pgoff=start, flags=VM_READ, page_prot=0x25, file=None))
    return mm


def ranges(vmas: Iterable[Vma]) -> list[tuple[int, int]]:
    """The ranges of VMAs."""
    return [(vma.start, vma.end) for vma in vmas]


@for_each(("vpn", "start"), [(0, 4), (4, 4), (7, 4), (8, 12), (15, 12)])
def test_find_vma(vpn: int, start: int) -> None:
    """The VMA that holds a page, else the next one above."""
    found = mm_of((4, 8), (12, 16)).find_vma(vpn)

    assert found is not None and start == found.start


def test_find_vma_above_everything() -> None:
    """Above the last VMA there is none."""
    assert mm_of((4, 8)).find_vma(8) is None


@for_each("vpn", [3, 8])
def test_vma_lookup_in_a_hole(vpn: int) -> None:
    """A lookup does not take the next one."""
    assert mm_of((4, 8), (12, 16)).vma_lookup(vpn) is None


@for_each(
    ("start", "end", "met"),
    [(0, 4, []), (0, 5, [(4, 8)]), (7, 13, [(4, 8), (12, 16)]), (8, 12, []), (15, 20, [(12, 16)])],
)
def test_vmas_in(start: int, end: int, met: list[tuple[int, int]]) -> None:
    """Every VMA that meets a range, and no neighbour."""
    assert met == ranges(mm_of((4, 8), (12, 16)).vmas_in(start, end))


@for_each(
    ("at", "gap"), [((0, 4), (0, 4)), ((8, 12), (8, 12)), ((9, 10), (8, 12)), ((16, 20), (16, TASK_PAGES))]
)
def test_gap_around(at: tuple[int, int], gap: tuple[int, int]) -> None:
    """The free space around a free range."""
    assert gap == mm_of((4, 8), (12, 16)).gap_around(*at)


@for_each("new_below", [False, True])
def test_split(new_below: bool) -> None:
    """One part is new, which one is the caller's choice; the upper one is further into the file (S5.3.1)."""
    mm = mm_of((4, 12))
    vma = next(iter(mm))

    lower, upper = mm.split_vma(vma, 7, new_below=new_below)

    assert vma is (upper if new_below else lower)
    assert ([(4, 7), (7, 12)], 4, 7) == (ranges(mm), lower.pgoff, upper.pgoff)
    mm._check()


def test_split_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many VMAs as there may be, a split is ENOMEM."""
    mm = mm_of((4, 12))
    monkeypatch.setattr(space, "MAX_MAP_COUNT", OWN_VMAS + 1)

    with pytest.raises(ModelledErrno) as refused:
        mm.split_vma(next(iter(mm)), 7, new_below=False)

    assert errno.ENOMEM == refused.value.errno
    mm._check()


@for_each(
    ("part", "left"), [((4, 12), [(4, 12)]), ((4, 6), [(4, 6), (6, 12)]), ((6, 8), [(4, 6), (6, 8), (8, 12)])]
)
def test_isolate(part: tuple[int, int], left: list[tuple[int, int]]) -> None:
    """A part is cut out where its ends are not ends already."""
    mm = mm_of((4, 12))

    isolated = mm.isolate(next(iter(mm)), *part)

    assert (part, left) == ((isolated.start, isolated.end), ranges(mm))
    mm._check()


def test_merge_on_both_sides() -> None:
    """A VMA that fits between its neighbours makes one of all three."""
    mm = mm_of((4, 8), (8, 12), (12, 16))

    merged = mm.merge_around(mm.vmas_in(8, 12)[0], "changed")

    assert ([(4, 16)], (4, 16)) == (ranges(mm), (merged.start, merged.end))
    mm._check()


@for_each(
    ("part", "left", "events"),
    [
        ((8, 10), [(4, 10), (10, 12), (12, 16)], []),
        ((10, 12), [(4, 8), (8, 10), (10, 16)], []),
        ((8, 12), [(4, 16)], ["free", "free"]),
        ((9, 11), [(4, 8), (8, 9), (9, 11), (11, 12), (12, 16)], ["split", "dup", "split", "dup"]),
    ],
)
def test_modify(part: tuple[int, int], left: list[tuple[int, int]], events: list[str]) -> None:
    """Next to a VMA that has the new flags already, only the border moves (S5.3.2)."""
    mm = mm_of((4, 8), (8, 12), (12, 16))
    middle = mm.vmas_in(8, 12)[0]
    flags = middle.flags
    middle.flags |= VM_LOCKED

    inside = mm.modify(middle, *part, flags)

    assert left == ranges(mm)
    assert inside.start <= part[0] and part[1] <= inside.end
    assert all(vma.pgoff - vma.start == inside.pgoff - inside.start for vma in mm)
    assert events == [event.name for event in mm.kernel.trace.events]
    mm._check()


def test_map_count() -> None:
    """A process has VMAs of its own beside those of a program."""
    assert OWN_VMAS + 2 == mm_of((4, 8), (12, 16)).map_count


def test_entries_outside_every_vma_are_noticed() -> None:
    """The check sees an entry that no VMA covers."""
    mm = mm_of((4, 8))

    mm.tables.set(EntryRun(7, 9, 100, 1))

    with pytest.raises(AssertionError):
        mm._check()


def test_overlapping_vmas_are_noticed() -> None:
    """The check sees two VMAs at one place."""
    mm = mm_of((4, 8), (6, 10))

    with pytest.raises(AssertionError):
        mm._check()
